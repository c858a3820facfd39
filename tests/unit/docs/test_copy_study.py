"""docs/make/copy_study.py copies a finished study into docs/."""

import csv
import json
import sys
from pathlib import Path

import copy_study
import numpy as np
import origin
import pytest
import yaml
from PIL import Image

from superres.scripting import script_job

ARMS = {
    "openvino/espcn_rgb/fp32": (31.0, 8.0),
    "openvino/espcn_rgb/int8-dummy": (30.5, 28.0),
    "openvino/espcn_rgb/int8-tuned": (30.9, 28.0),
    "opencv/bicubic/uint8": (29.0, 1300.0),
}


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A finished study of one frame; its arms give noise."""
    folder = tmp_path / "results/default"
    (folder / "frames").mkdir(parents=True)
    (folder / "plots").mkdir()
    frames = np.random.default_rng(0).integers(0, 256, (1, 90, 120, 3), np.uint8)
    np.save(folder / "frames/park.hr.npy", frames)
    (folder / "frames/park.json").write_text(json.dumps({"hr_shapes": [[90, 120]]}), encoding="utf-8")
    for plot in ("psnr_fps", "int8_loss"):
        Image.new("RGB", (8, 8)).save(folder / f"plots/{plot}.png")
    machine = {
        "cpu": "A CPU",
        "usable_cpus": 2,
        "flags": ["avx2", "avx512f", "avx512_vnni", "avx512_bf16"],
        "max_mhz": 2596.1,
        "caches_kib": {"L2": 1024, "L3": 32768},
    }
    (folder / "roofline").mkdir()
    peaks = {"cpu": {"fp32": 249.1, "int8": 1014.2}}
    sizes = [("numpy", "fp32", 64, 90.0), ("openvino", "fp32", 64, 26.1), ("openvino", "int8", 4096, 1014.2)]
    products = [
        {"library": library, "processor": "cpu", "precision": precision, "rows": size, "size": size}
        | {"columns": 16, "gmac_s": rate}
        for library, precision, size, rate in sizes
    ]
    record = json.dumps({"peaks": peaks, "products": products})
    (folder / "roofline/local.json").write_text(record, encoding="utf-8")
    manifest = {"latency": {"machine": machine}, "code": {"commit": "0123456789", "changed": False}}
    rows = []
    for arm, (psnr, fps) in ARMS.items():
        (folder / "arms/local" / arm).mkdir(parents=True)
        np.save(folder / "arms/local" / arm / "sample.npy", frames[0])
        (folder / "arms/local" / arm / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        names = dict(zip(("runtime", "model", "precision"), arm.split("/"), strict=True))
        rows.append({**names, "clip": "park", "psnr_db": psnr, "fps": fps, "status": "ok", "macs": 1})
    with (folder / "metrics.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return folder


def test_figures_and_pictures_come_with_their_origin(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    docs = tmp_path / "docs"
    monkeypatch.setattr(sys, "argv", ["copy_study.py", str(study), "--docs", str(docs)])
    copy_study.main()
    with (docs / "figures/default/metrics.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["precision"], float(row["psnr_db"]), float(row["fps"])) for row in rows] == [
        (arm.rpartition("/")[2], *figures) for arm, figures in ARMS.items()
    ]
    assert "macs" not in rows[0]
    run = yaml.safe_load((docs / "figures/default/run.yaml").read_text(encoding="utf-8"))
    assert run["commit"] == "0123456"
    assert run["machine"] == (
        "2 cores of A CPU (AVX-512 with VNNI and BF16, 2.6 GHz, 32 MiB L3; "
        "fastest products FP32 249, INT8 1014 GMAC/s)"
    )
    products = (docs / "figures/default/products.csv").read_text(encoding="utf-8").splitlines()
    assert products == ["Rows x inputs x outputs,FP32,INT8", "64 x 64 x 16,90,", '"4,096 x 4,096 x 16",,1014']
    for picture in ("front.png", "psnr_fps.png", "int8_loss.png"):
        assert Image.open(docs / "pictures" / picture).width > 0


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["avx2"], "AVX2"),
        (["avx2", "avx_vnni"], "AVX2 with VNNI"),
        (["asimd", "asimddp", "i8mm"], "NEON with dot products and I8MM"),
    ],
)
def test_a_machine_without_roofline_is_named_by_what_its_record_has(
    tmp_path: Path, flags: list[str], told: str
):
    """As a study of quality alone has it; its date is that of its table."""
    record, run = tmp_path / "quality.json", tmp_path / "run.yaml"
    (tmp_path / "evaluation.csv").touch()
    record.write_text(json.dumps({"machine": {"cpu": "A CPU", "usable_cpus": 4, "flags": flags}}))
    origin.write_run(
        run, tmp_path, record, {"command": "evaluate", "commit": "0123456", "machine": "A board"}
    )
    assert yaml.safe_load(run.read_text(encoding="utf-8"))["machine"] == f"A board ({told})"


def test_an_edited_figure_is_not_copied(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    metrics = Path("results/default/metrics.csv")
    with script_job("results/default/logs/collect_metrics.log", [], [str(metrics)]):
        pass
    metrics.write_text(metrics.read_text().replace("30.9", "99.9"))
    monkeypatch.setattr(sys, "argv", ["copy_study.py", "results/default", "--docs", "docs"])
    with pytest.raises(SystemExit):
        copy_study.main()
    assert f"{metrics}: expected it as collect_metrics made it, found it changed" in capsys.readouterr().err
    assert not Path("docs").exists()
