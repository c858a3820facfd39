"""The tiny study, really run: its figures hang together, and nothing is made twice."""

import json
import re
from pathlib import Path
from statistics import median

import polars as pl
import yaml

from processors import exact_int8
from project_copy import Project, read_jobs
from superres.device.base.outputs import sha256_file

STUDY = ("--configfile=studies/tiny.yaml",)
RESULTS = "results/tiny"
ARM = f"{RESULTS}/arms/local/openvino/espcn_rgb/int8-minmax"


def read_metrics(project: Project) -> pl.DataFrame:
    return pl.read_csv(project.folder / RESULTS / "metrics.csv")


def spread(values: pl.Series) -> float:
    return max(values.to_list()) - min(values.to_list())


def test_every_arm_has_its_row_and_its_figures(tiny: Project):
    metrics = read_metrics(tiny)
    assert metrics.height == 19
    assert metrics["status"].unique().to_list() == ["ok"]
    assert min(metrics["fps"].to_list()) > 0
    assert metrics["frames"].unique().to_list() == [1]


def test_fp32_is_the_same_in_every_runtime(tiny: Project):
    fp32 = read_metrics(tiny).filter(pl.col("precision") == "fp32")
    for _, rows in fp32.group_by("model"):
        assert rows.height == 3
        # One frame of 600 x 512: a single level in a single pixel moves the mean error by 1e-6.
        assert spread(rows["psnr_db"]) < 1e-3


@exact_int8
def test_int8_is_the_same_in_every_runtime_up_to_rounding(tiny: Project):
    int8 = read_metrics(tiny).filter(pl.col("precision").str.starts_with("int8"))
    for _, rows in int8.filter(pl.col("precision") == "int8-minmax").group_by("model"):
        assert rows.height == 2
        assert spread(rows["psnr_db"]) < 0.05


def test_networks_are_better_than_bicubic_and_int8_is_no_better_than_fp32(tiny: Project):
    psnr = {
        row["precision"]: row
        for row in read_metrics(tiny).iter_rows(named=True)
        if row["runtime"] == "openvino"
    }
    bicubic = read_metrics(tiny).filter(pl.col("model") == "bicubic")["psnr_y_db"].item()
    assert psnr["fp32"]["psnr_y_db"] > bicubic + 1.0
    assert psnr["int8-minmax"]["psnr_y_db"] < psnr["fp32"]["psnr_y_db"]


def test_raw_figures_are_those_of_the_row(tiny: Project):
    row = read_metrics(tiny).filter(
        (pl.col("runtime") == "openvino")
        & (pl.col("model") == "espcn_rgb")
        & (pl.col("precision") == "int8-minmax")
    )
    rows = pl.read_csv(tiny.folder / ARM / "latency.csv")
    latency = rows.filter(pl.col("arm") == "own")
    assert row["iterations"].item() == latency.height
    assert abs(row["fps"].item() - 1000 / median(latency["end_to_end_ms"].to_list())) < 1e-6
    assert (latency["compute_ms"] <= latency["end_to_end_ms"]).all()
    # Ratios of medians of blocks, round by round.
    medians = {
        arm: [median(block["end_to_end_ms"]) for _, block in of_arm.group_by("round", maintain_order=True)]
        for (arm,), of_arm in rows.group_by("arm")
    }
    ratios = sorted(r / o for r, o in zip(medians["reference"], medians["own"], strict=True))
    assert row["rounds"].item() == len(ratios) >= 6
    assert abs(row["speedup"].item() - median(ratios)) < 1e-9
    assert row["reference"].item() == "local/openvino/espcn_rgb/fp32"


def test_every_arm_knows_its_limit(tiny: Project):
    roofline = json.loads((tiny.folder / RESULTS / "roofline/local.json").read_text(encoding="utf-8"))
    peaks = roofline["peaks"]["cpu"]
    rows = {(r["runtime"], r["model"], r["precision"]): r for r in read_metrics(tiny).iter_rows(named=True)}
    # 256 x 300 pixels of 53,856 multiply-adds.
    gmac = 256 * 300 * 53_856 / 1e9
    for precision, kind in (("fp32", "fp32"), ("int8-minmax", "int8")):
        row = rows["openvino", "espcn_rgb", precision]
        assert abs(row["limit_ms"] - 1000 * gmac / peaks[kind]) < 1e-6
        assert row["macs"] == 256 * 300 * 53_856
    assert all(row["limit_fraction"] > 0 for row in rows.values())


def test_manifest_names_what_went_in(tiny: Project):
    manifest = json.loads((tiny.folder / ARM / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["status"] == "ok"
    text = json.dumps(manifest)
    for part in ("openvino", "engine", "ranges", "weights", "int8-minmax"):
        assert part in text
    assert str(tiny.folder) not in text


def test_manifest_says_in_which_form_frames_went_in(tiny: Project):
    for runtime, form in (("onnxruntime", "levels"), ("openvino", "channels_last")):
        folder = tiny.folder / ARM.replace("openvino", runtime)
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        for task in ("engine", "quality", "latency"):
            assert manifest[task]["settings"]["options"] == {"frames": "uint8", "scale": 2}
        assert manifest["inputs"]["onnx"]["path"].endswith("espcn_rgb/int8-minmax.onnx")
        assert manifest["engine"]["settings"]["form"] == form
        graph = tiny.folder / RESULTS / f"onnx/espcn_rgb/int8-minmax.{form}.onnx"
        assert manifest["engine"]["model_sha256"] == sha256_file(graph)
        assert manifest["inputs"]["onnx_form"]["sha256"] == sha256_file(graph)


def test_another_version_of_a_runtime_builds_its_engines_again(tiny: Project, tmp_path: Path):
    (tmp_path / "openvino-1.2.3.dist-info").mkdir()
    (tmp_path / "openvino-1.2.3.dist-info/METADATA").write_text(
        "Metadata-Version: 2.1\nName: openvino\nVersion: 1.2.3\n"
    )
    done = tiny.snakemake("-n", *STUDY, "all", environment={"PYTHONPATH": str(tmp_path)})
    jobs = read_jobs(done.stdout)
    assert jobs["build_engine"] == jobs["measure_quality"] == 9
    # The reference is one of them: every arm takes turns with it.
    assert jobs["measure_latency"] == 19
    assert jobs["measure_profile"] == 2
    assert not {"write_uint8_graph", "quantize_onnx", "export_program"} & set(jobs)


def test_table_has_the_papers_figures_beside_ours(tiny: Project):
    table = (tiny.folder / RESULTS / "table1.md").read_text(encoding="utf-8")
    # A runtime that the study doesn't name has no row of its own.
    assert "not run" not in table
    for figure in ("30.0797", "29.7454", "28.9282", "51.95"):
        assert figure in table


def test_the_page_has_every_arm_and_its_pictures(tiny: Project):
    page = (tiny.folder / RESULTS / "report/index.html").read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found
    data = json.loads(found[1])
    keys = ("target", "runtime", "model", "precision")
    fps = {"/".join(r[k] for k in keys): r["fps"] for r in read_metrics(tiny).iter_rows(named=True)}
    assert {row["arm"]: row["fps"] for row in data["rows"]} == fps
    (clip,) = data["pictures"]
    assert all(set(place["shown"]) == {"HR", *fps} for place in clip["places"])
    (histograms,) = data["int8"]
    # Input and output of each of three convolutions, of which neighbours share one.
    assert len(histograms["figures"]) >= 3 * 4
    assert len(data["drawings"]) == 3
    # Of the arms that config.yaml names, those that this study has.
    (operations,) = data["operations"]["figures"]
    names = ["OpenVINO FP32<br>ESPCN_RGB", "OpenVINO FP32<br>ESPCN_YCbCr"]
    assert all(kind["y"] == names for kind in operations["data"])
    assert "snakemake --cores 4 all --configfile studies/tiny.yaml" in page


def test_plots_are_there_twice(tiny: Project):
    plots = tiny.folder / RESULTS / "plots"
    names = {path.stem for path in plots.glob("*.svg")}
    networks = {"graphs", "graph_espcn_rgb", "graph_espcn_ycbcr", "graph_espcn_anchor"}
    assert {"psnr_fps", "int8_loss", "fps", "samples"} | networks == names
    assert names == {path.stem for path in plots.glob("*.png")}


def test_a_recommendation_is_said_under_every_wish(tiny: Project):
    def said(*wish: str) -> list[str]:
        done = tiny.snakemake("--cores=1", *STUDY, "recommend", *wish)
        assert done.returncode == 0, done.stdout
        return done.stdout[done.stdout.index("\nRecommendation for study tiny") :].strip().splitlines()

    usual = said()
    assert len(usual) <= 12 and "the fastest arm that loses at most 0.1 dB" in usual[0]
    best = max(read_metrics(tiny).filter(pl.col("model") != "bicubic")["psnr_db"].to_list())
    wished = said("--config", "recommend={psnr_db: 59, fps: 0.001}")
    record = json.loads((tiny.folder / RESULTS / "recommendation.json").read_text(encoding="utf-8"))
    assert "local: no arm fulfils this; nearest is " in wished[1]
    assert record["targets"][0]["nearest"]["psnr_db"] == best
    # The page shows this wish too, so all files fit together.
    verified = tiny.snakemake("--cores=1", *STUDY, "verify")
    assert verified.returncode == 0 and ": 0 differences" in verified.stdout, verified.stdout
    # Tests leave the study as it is.
    assert said() == usual


def test_second_call_has_nothing_to_do(tiny: Project):
    done = tiny.snakemake("-n", *STUDY, "all")
    assert done.returncode == 0
    assert read_jobs(done.stdout) == {}
    assert "Nothing to be done" in done.stdout


def test_forced_arm_runs_alone(tiny: Project):
    done = tiny.snakemake("-n", *STUDY, "--force", f"{ARM}/latency.csv")
    assert read_jobs(done.stdout) == {"measure_latency": 1, "total": 1}


def test_report_is_one_file(tiny: Project, tmp_path: Path):
    page = tmp_path / "report.html"
    done = tiny.snakemake(*STUDY, "--report", str(page))
    assert done.returncode == 0, done.stdout
    assert page.stat().st_size > 100_000


def test_operations_are_profiled_where_they_are_asked_for(tiny: Project):
    study = yaml.safe_load((tiny.folder / "studies/tiny.yaml").read_text(encoding="utf-8"))
    study["models"] = [{"name": "espcn_rgb"}, {"name": "espcn_ycbcr"}]
    study["runtimes"] = [{"name": "openvino", "precisions": ["int8-dummy", "int8-minmax"]}]
    few = tiny.write_study("few", yaml.safe_dump(study, sort_keys=False))
    done = tiny.snakemake("--cores=2", f"--configfile={few}", "profile")
    (tiny.folder / few).unlink()
    assert done.returncode == 0, done.stdout
    # The engines are those that are there already.
    assert read_jobs(done.stdout) == {
        "measure_profile": 4,
        "collect_profiles": 1,
        "draw_plot": 1,
        "profile": 1,
        "total": 7,
    }
    rows = pl.read_csv(tiny.folder / RESULTS / "profile.csv")
    rows = rows.filter((pl.col("group") == "convolution") & (pl.col("precision") == "int8-minmax"))
    assert rows["type"].unique().to_list() in (["u8"], ["i8"])
    macs = {model: sum(of["macs"].to_list()) for (model,), of in rows.group_by("model")}
    assert macs == {"espcn_rgb": 256 * 300 * 53_856, "espcn_ycbcr": 256 * 300 * 45_600}
    assert (tiny.folder / RESULTS / "plots/operations.svg").is_file()
    assert "3 of 3" in (tiny.folder / RESULTS / "profile.md").read_text(encoding="utf-8")
