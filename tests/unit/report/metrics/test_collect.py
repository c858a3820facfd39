import hashlib
import json
import math
import os
from collections.abc import Collection
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from dataframely.exc import ValidationError

from superres.device.base.errors import UserError
from superres.report.manifest import ArmOnClip, Background, write_manifest
from superres.report.metrics.cautions import NoiseLimits
from superres.report.metrics.collect import ArmFiles, aggregate, aggregate_quality, collect_metrics
from superres.report.metrics.schema import Metrics, read_metrics

from ..synthetic import not_run, row, write_network

ARM = ArmOnClip("local", "openvino", "espcn_rgb", "int8-minmax", "park")
ENGINE_SHA256 = "ef" * 32
MSE = [10.0, 40.0, 25.0]
MSE_Y = [5.0, 20.0, 12.0]
END_TO_END = [50.0, 40.0, 45.0, 90.0]


# Further keys of measure_latency's record.
TIMED = {
    "session": {},
    "first_frame_ms": 120.0,
    "peak_memory_bytes": 10**8,
    "device_memory_bytes": None,
    "distinct_frames": 24,
    "warmup": {"frames": 10, "seconds": 0.5, "settled": True},
    "reference": {"label": "local/openvino/espcn_rgb/fp32", "status": "ok"},
    "disturbance": {"others": 0.5, "stolen": 0.1},
    "machine": {"flags": ["avx512_vnni"]},
    "settings": {"warmup_frames": 5},
}


FAULTS = ("shift_r", "shift_g", "shift_b", "checkerboard", "saturated")


def decibels(mse: float) -> float:
    return -10 * math.log10(mse / 255**2)


def write_arm(folder: Path, status: str = "ok", arm: ArmOnClip = ARM) -> ArmFiles:
    """The files of an arm as its tasks write them."""
    folder.mkdir(parents=True, exist_ok=True)
    ok = status == "ok"
    quality = [
        f"{i},f{i},4,6,{mse},{decibels(mse)},{mse_y},{decibels(mse_y)},{'' if i else 0.5},{i},{250 + i},"
        f"{i},-1.5,0.0,{i},0.25"
        for i, (mse, mse_y) in enumerate(zip(MSE, MSE_Y, strict=True))
    ]
    latency = [f"own,{i // 2},0,2,3,{ms - 4},,{ms}," for i, ms in enumerate(END_TO_END)]
    # Medians of the arm's rounds are 45 and 67.5.
    latency += [f"reference,{i},0,2,3,1,,{ms}," for i, ms in enumerate([90.0, 202.5])]
    header = "frame,name,height,width,mse,psnr_db,mse_y,psnr_y_db,ssim_y,darkest,brightest,"
    header += ",".join(FAULTS)
    (folder / "quality.csv").write_text("\n".join([header, *(quality if ok else [])]) + "\n")
    header = "arm,round,frame,height,width,compute_ms,enqueue_ms,end_to_end_ms,interval_ms"
    (folder / "latency.csv").write_text("\n".join([header, *(latency if ok else [])]) + "\n")
    common = {"status": status, "runtime": arm.runtime, "precision": arm.precision}
    common |= {"settings": {"luma": "studio-swing", "border": 2, "options": {"scale": 3}}}
    engine = {"engine_sha256": ENGINE_SHA256 if ok else None}
    records = {
        "engine": {**common, **engine, "engine_bytes": 1234 if ok else 0, "build_seconds": 0.3}
        | {"facts": {"int8_convolutions": 2, "float_convolutions": 1}},
        "quality": {**common, **(engine if ok else {}), "clip": arm.clip, "frames": 3},
        "latency": {**common, **(engine if ok else {}), "clip": arm.clip, "threads": 2}
        | {"versions": {arm.runtime: "2026.4"}, **TIMED},
    }
    for name, record in records.items():
        (folder / f"{name}.json").write_text(json.dumps(record))
    (folder / "model.onnx").write_bytes(b"graph")
    roofline = {"peaks": {"cpu": {"fp32": 200.0, "int8": 800.0}}, "bandwidth_gb_s": {"cpu": 3000.0}}
    (folder / "roofline.json").write_text(json.dumps(roofline))
    write_network(folder / "network.onnx")
    names = ("quality.csv", "latency.csv", "manifest.json", "roofline.json", "network.onnx")
    quality_csv, latency_csv, manifest, roofline_json, network = (folder / name for name in names)
    return ArmFiles(arm, quality_csv, latency_csv, manifest, roofline_json, network)


def collect(arms: list[ArmFiles], out: Path, references: Collection[str] = ()) -> None:
    collect_metrics(arms, out, references=references, noise=NoiseLimits(1.5, 0.1), far_db=1.0)


def merge(files: ArmFiles) -> dict:
    folder = files.manifest.parent
    write_manifest(
        files.arm,
        {name: folder / f"{name}.json" for name in ("engine", "quality", "latency")},
        inputs={"onnx": folder / "model.onnx"},
        outputs={"quality": files.quality},
        background=Background({"name": "default", "seed": 7}, {"commit": "abc"}, {"numpy": "2.0"}),
        out=files.manifest,
    )
    return json.loads(files.manifest.read_text())


def test_aggregates_in_closed_form() -> None:
    quality = pl.DataFrame(
        {
            "mse": MSE,
            "psnr_db": [decibels(mse) for mse in MSE],
            "mse_y": MSE_Y,
            "psnr_y_db": [decibels(mse) for mse in MSE_Y],
            "ssim_y": [0.5, None, 0.25],
            "darkest": [7, 3, 5],
            "brightest": [200, 255, 250],
            **{name: [1.0, 3.0, 5.0] for name in FAULTS},
        }
    )
    latency = pl.DataFrame(
        {
            "arm": ["own"] * 4 + ["reference"],
            "end_to_end_ms": [*END_TO_END, 1e6],
            "compute_ms": [1.0, 2.0, 3.0, 10.0, 1e6],
            "enqueue_ms": [0.5, 0.1, 0.2, 0.3, None],
            "interval_ms": [None] * 5,
        },
        schema_overrides={"interval_ms": pl.Float64},
    )
    found = aggregate(quality, latency)
    assert found["psnr_of_mean_db"] == pytest.approx(decibels(25.0), abs=1e-12)
    # The mean of logarithms is the logarithm of the geometric mean: 10 * 40 * 25 = 10^4.
    assert found["psnr_db"] == pytest.approx(decibels(10 ** (4 / 3)), abs=1e-12)
    assert found["psnr_y_of_mean_db"] == pytest.approx(decibels(37 / 3), abs=1e-12)
    assert found["psnr_y_db"] == pytest.approx(decibels((5 * 20 * 12) ** (1 / 3)), abs=1e-12)
    # Of the frames that are larger than the window.
    assert (found["ssim_y"], found["darkest"], found["brightest"]) == (0.375, 3, 255)
    assert found["exact_frames"] == 0
    assert {found[name] for name in FAULTS} == {3.0}
    assert found["latency_p50_ms"] == 47.5
    assert found["fps"] == 1000 / 47.5
    assert found["latency_p90_ms"] == pytest.approx(np.percentile(END_TO_END, 90))
    assert found["latency_p99_ms"] == pytest.approx(np.percentile(END_TO_END, 99))
    assert found["compute_p50_ms"] == 2.5 and found["fps_compute"] == 400.0
    assert found["enqueue_p50_ms"] == pytest.approx(0.25)
    assert found["latency_mean_ms"] == 56.25
    assert (found["frames"], found["iterations"]) == (3, 4)


def test_a_frame_without_error_counts_60_db() -> None:
    """As libvmaf: 6 x 8 bits + 12. Means are finite, and say how many frames were exact."""
    quality = pl.DataFrame(
        {
            "mse": [0.0, 0.0, 3.0],
            "psnr_db": [60.0, 60.0, decibels(3.0)],
            "mse_y": [0.0, 0.01, 2.0],
            "psnr_y_db": [60.0, 60.0, decibels(2.0)],
            "ssim_y": [None, None, None],
            "darkest": [0, 0, 0],
            "brightest": [0, 0, 9],
            **{name: [0.0] * 3 for name in FAULTS},
        },
        schema_overrides={"ssim_y": pl.Float64},
    )
    found = aggregate_quality(quality)
    assert found["psnr_db"] == pytest.approx((120 + decibels(3.0)) / 3)
    assert found["psnr_of_mean_db"] == pytest.approx(decibels(1.0))
    assert (found["exact_frames"], found["ssim_y"]) == (2, None)
    every = aggregate_quality(quality[:1])
    assert every["psnr_of_mean_db"] == every["psnr_y_of_mean_db"] == every["psnr_db"] == 60


@pytest.mark.parametrize("value", [math.inf, 60.1, -1.0])
def test_no_figure_is_infinite_or_above_the_cap(value: float) -> None:
    rows = [row("openvino", "espcn_rgb", "fp32", 30.0, 40.0, psnr_db=value)]
    with pytest.raises(ValidationError):
        Metrics.validate(pl.DataFrame(rows, schema=Metrics.create_empty().schema))


def test_rows_of_arms_that_ran_and_did_not(tmp_path: Path) -> None:
    ran = write_arm(tmp_path / "ran")
    other = ArmOnClip("local", "tensorrt", "espcn_rgb", "fp16", "park")
    missing = write_arm(tmp_path / "missing", "not run: needs a CUDA device", other)
    merge(ran)
    merge(missing)
    out = tmp_path / "metrics.csv"
    collect([ran, missing], out)
    header = out.read_text().splitlines()[0]
    assert header == (
        "target,runtime,model,precision,clip,scale,frames,psnr_db,psnr_y_db,psnr_of_mean_db,psnr_y_of_mean_db,added_mse,added_levels,ssim_y,"
        "exact_frames,darkest,brightest,shift_r,shift_g,shift_b,checkerboard,saturated,luma,"
        "border,timed_on,fps,fps_compute,in_flight,latency_p50_ms,latency_p90_ms,latency_p99_ms,latency_mean_ms,compute_p50_ms,"
        "enqueue_p50_ms,iterations,first_frame_ms,reference,speedup,speedup_low,speedup_high,rounds,other_processors,"
        "macs,limit_ms,limit_fraction,quantized_convolutions,float_share,float_layers,unaligned_share,int8_convolutions,threads,memory_bytes,"
        "device_memory_bytes,energy_mj_per_frame,build_seconds,engine_bytes,engine_sha256,onnx_sha256,seed,runtime_version,manifest,manifest_sha256,cautions,status"
    )
    first, second = read_metrics(out).to_dicts()
    assert first["fps"] == 1000 / 47.5 and (first["scale"], second["scale"]) == (3, 3)
    assert (first["threads"], first["engine_bytes"], first["engine_sha256"]) == (2, 1234, ENGINE_SHA256)
    assert (first["seed"], first["runtime_version"], first["status"]) == (7, "2026.4", "ok")
    # Two rounds: 90 / 45 and 202.5 / 67.5.
    assert (first["speedup"], first["speedup_low"], first["speedup_high"]) == (2.5, 2.0, 3.0)
    assert (first["reference"], first["rounds"]) == ("local/openvino/espcn_rgb/fp32", 2)
    # 3 x 5 weights of 3 x 3 in INT8 and 5 of 1 x 1 in float for each of 6 pixels.
    assert first["macs"] == 6 * (135 + 5)
    limit = 6 * (135 / 800e6 + 5 / 200e6)
    assert first["limit_ms"] == pytest.approx(limit, rel=1e-12)
    assert first["limit_fraction"] == pytest.approx(np.median(limit / np.array(END_TO_END)), rel=1e-12)
    assert (first["quantized_convolutions"], first["int8_convolutions"]) == (1, 2)
    assert (first["float_share"], first["unaligned_share"]) == (5 / 140, 1.0)
    assert first["float_layers"] == "upscaled 3.6%"
    assert [first[name] for name in FAULTS] == [1.0, -1.5, 0.0, 1.0, 0.25]
    assert first["cautions"] == (
        "noisy: the 90th percentile is 1.6 times the median; noisy: 0.6 processors were busy with other work"
    )
    assert second["status"] == "not run: needs a CUDA device"
    assert {(line["luma"], line["border"]) for line in (first, second)} == {("studio-swing", 2)}
    assert first["manifest"] == str(tmp_path / "ran/manifest.json")
    assert first["manifest_sha256"] == hashlib.sha256(ran.manifest.read_bytes()).hexdigest()
    assert second["fps"] is second["psnr_db"] is second["threads"] is second["engine_sha256"] is None


def test_a_row_has_to_say_how_it_was_measured(tmp_path: Path) -> None:
    files = write_arm(tmp_path)
    record = tmp_path / "quality.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "settings": {"options": {"scale": 2}}}))
    merge(files)
    with pytest.raises(UserError, match="expected luma and border in the settings"):
        collect([files], tmp_path / "metrics.csv")


def test_the_reference_itself_is_as_fast_as_itself(tmp_path: Path) -> None:
    files = write_arm(tmp_path)
    merge(files)
    collect([files], tmp_path / "metrics.csv", ["local/openvino/espcn_rgb/int8-minmax"])
    (found,) = read_metrics(tmp_path / "metrics.csv").to_dicts()
    assert (found["speedup"], found["speedup_low"], found["speedup_high"], found["rounds"]) == (1, 1, 1, None)


def test_ok_without_figures_is_an_error(tmp_path: Path) -> None:
    files = write_arm(tmp_path)
    merge(files)
    files.latency.write_text(files.latency.read_text().splitlines()[0] + "\n")
    with pytest.raises(UserError, match=r"latency\.csv: expected figures"):
        collect([files], tmp_path / "metrics.csv")


def test_a_damaged_csv_is_an_error(tmp_path: Path) -> None:
    files = write_arm(tmp_path)
    merge(files)
    text = files.quality.read_text()
    files.quality.write_text(text + "3,f3,4,6,,,,,,0,255,0,0,0,0,0\n")
    with pytest.raises(UserError, match="line 5, column mse: expected a value, found none"):
        collect([files], tmp_path / "metrics.csv")
    files.quality.write_text(text.replace("mse_y", "luma"))
    with pytest.raises(UserError, match="line 1: expected figures, missing columns: mse_y"):
        collect([files], tmp_path / "metrics.csv")
    files.quality.write_text(text.replace("10.0", "1O.0"))
    with pytest.raises(
        UserError, match=r"quality\.csv: line 2, column mse: expected a number, found '1O\.0'"
    ):
        collect([files], tmp_path / "metrics.csv")


@pytest.mark.parametrize("mse, column", [(MSE[1], "psnr_db"), (MSE_Y[1], "psnr_y_db")])
def test_a_psnr_that_its_error_does_not_give_is_an_error(tmp_path: Path, mse: float, column: str) -> None:
    files = write_arm(tmp_path)
    merge(files)
    files.quality.write_text(files.quality.read_text().replace(f"{decibels(mse)}", "88.8"))
    with pytest.raises(UserError, match=rf"line 3, column {column}: expected {decibels(mse):.6f}, .*88\.8"):
        collect([files], tmp_path / "metrics.csv")


def test_the_same_arm_twice_is_an_error(tmp_path: Path) -> None:
    files = write_arm(tmp_path)
    merge(files)
    with pytest.raises(UserError, match="unique rows"):
        collect([files, files], tmp_path / "metrics.csv")


@pytest.mark.parametrize(
    "bad",
    [
        row("openvino", "espcn_rgb", "fp32", 30.0, 40.0, psnr_db=None),
        row("openvino", "espcn_rgb", "fp32", 30.0, 40.0, engine_sha256="short"),
        row("openvino", "espcn_rgb", "fp32", 30.0, 40.0, fps=26.0),
        row("openvino", "espcn_rgb", "fp32", 30.0, 40.0, status="not run: why"),
        row("openvino", "espcn_rgb", "fp32", 30.0, 40.0, status="failed"),
        row("openvino", "espcn_rgb", "fp32", math.nan, 40.0),
        row("openvino", "espcn_rgb", "fp32", 30.0, 40.0, reference=None),
        row("openvino", "espcn_rgb", "fp32", 30.0, 40.0, speedup=0.5),
        {**not_run("openvino", "espcn_rgb", "fp32", "why"), "macs": 1.0},
        {**not_run("openvino", "espcn_rgb", "fp32", "why"), "status": "ok"},
    ],
)
def test_the_schema_refuses(bad: dict) -> None:
    with pytest.raises(ValidationError):
        Metrics.validate(pl.DataFrame([bad], schema=Metrics.create_empty().schema))


def test_something_else_is_no_metrics_file(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="expected the metrics of a study"):
        read_metrics(path)


def test_manifest_merges_and_hashes(tmp_path: Path) -> None:
    files = write_arm(tmp_path)
    # 2026-11-28, in UTC; the other records are older.
    for name, seconds in {"engine": 0, "quality": 86400, "latency": 1795910399}.items():
        os.utime(tmp_path / f"{name}.json", (seconds, seconds))
    manifest = merge(files)
    assert manifest["measured"] == "2026-11-28"
    assert manifest["status"] == "ok"
    assert manifest["study"] == {"name": "default", "seed": 7}
    onnx = manifest["inputs"]["onnx"]
    # printf graph | sha256sum
    assert onnx["sha256"] == "eef93e1d14482804277fca0172464032d1a4fdbcc338524059fa1e861454ad4d"
    assert onnx["bytes"] == 5
    assert manifest["engine"]["engine_bytes"] == 1234
    assert manifest["clip"] == "park" and manifest["code"] == {"commit": "abc"}
    assert manifest["outputs"]["quality"]["bytes"] == (tmp_path / "quality.csv").stat().st_size
    # printf '{"name": "default", "seed": 7}' | sha256sum
    assert manifest["study_sha256"] == "74c64c8a05615adbe2ea1c53e3abe695435de1c455d4762c514b75df5fe343c7"


@pytest.mark.parametrize("part", ["engine", "quality", "latency"])
def test_manifest_is_not_ok_if_any_part_is_not(tmp_path: Path, part: str) -> None:
    files = write_arm(tmp_path)
    path = tmp_path / f"{part}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "status": "not run: no memory"}))
    assert merge(files)["status"] == "not run: no memory"


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("quality", {"engine_sha256": "0" * 64}, "expected engine_sha256"),
        ("latency", {"clip": "street"}, "expected clip park"),
        ("engine", {"precision": "fp32"}, "expected precision int8-minmax"),
        ("latency", {"runtime": "pytorch"}, "expected runtime openvino"),
    ],
)
def test_records_that_do_not_belong_together(tmp_path: Path, part: str, change: dict, message: str) -> None:
    files = write_arm(tmp_path)
    path = tmp_path / f"{part}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(UserError, match=message):
        merge(files)
    assert not files.manifest.exists()
