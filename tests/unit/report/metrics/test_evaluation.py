import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from superres.csv_rows import write_rows
from superres.device.base.errors import UserError
from superres.report.manifest import ArmOnClip
from superres.report.metrics.collect import ArmQuality, collect_evaluation
from superres.report.metrics.schema import EVALUATED, Evaluation, read_evaluation
from superres.report.tables.cells import TableText
from superres.report.tables.evaluation_table import read_published, write_evaluation

from ...models.graphs.test_overflow import graph_of

ARM = ArmOnClip("local", "openvino", "espcn_rgb", "int8-minmax", "set5")
TEXT = TableText(notes=["Clip `set5`: five images."], kernel="matlab")

# Set5, Set14, B100, Urban100 at x2, typed from the papers' tables.
PAPERS = {
    "Bicubic (MATLAB)": "33.66 30.24 29.56 26.88",
    "FSRCNN": "37.00 32.63 31.53 29.88",
    "ESPCN (on DIV2K)": "36.87 32.62 31.40 29.61",
    "ECBSR-M4C16": "37.18 32.79 31.61 30.18",
    "ETDS-M": "37.54 33.09 31.86 30.87",
}


def write_quality(folder: Path, arm: ArmOnClip = ARM, status: str = "ok", images: int = 2) -> ArmQuality:
    """The files of `measure_quality`: two images with mean squared errors of 4 and 25, of luma 1 and 16."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        "frame,name,height,width,mse,psnr_db,mse_y,psnr_y_db,ssim_y,darkest,brightest,shift_r,shift_g,shift_b,checkerboard,saturated"
    ]
    for i, (mse, mse_y) in enumerate(((4.0, 1.0), (25.0, 16.0))):
        values = (f"{x},{10 * math.log10(255**2 / x)}" for x in (mse, mse_y))
        # Only the first image is larger than SSIM's window.
        ssim = "" if i else "0.75"
        lines += (
            [f"{i},image{i},10,12,{','.join(values)},{ssim},{i},{250 + i},{i},0.0,0.0,0.5,0.25"]
            if status == "ok"
            else []
        )
    (folder / "quality.csv").write_text("\n".join(lines) + "\n")
    record = {
        "status": status,
        "runtime": arm.runtime,
        "precision": arm.precision,
        "settings": {"luma": "studio-swing", "border": 2, "sample_frame": 0, "options": {"scale": 2}},
        "versions": {arm.runtime: "2026.4"},
        "frames": images if status == "ok" else 0,
    }
    if status == "ok":
        record |= {"clip": arm.clip, "engine_sha256": "ab" * 32}
    (folder / "quality.json").write_text(json.dumps(record))
    return ArmQuality(arm, folder / "quality.csv", folder / "quality.json")


def test_sums_that_a_processor_cannot_hold_are_told(tmp_path: Path) -> None:
    told = []
    for name, level in (("wide", 127), ("narrow", 64)):
        graph = tmp_path / f"{name}.onnx"
        onnx.save(graph_of(np.full((2, 4, 3, 3), level)), graph)
        for flags in (["avx2"], ["avx2", "avx_vnni"]):
            files = write_quality(tmp_path / name)
            record = json.loads(files.record.read_text())
            machine = {"architecture": "x86_64", "flags": flags}
            files.record.write_text(json.dumps(record | {"machine": machine}))
            out = tmp_path / "evaluation.csv"
            collect_evaluation([replace(files, graph=graph)], {"set5": "bicubic"}, out, far_db=1.0)
            told.append(read_evaluation(out).to_dicts()[0]["cautions"])
    assert told[0].startswith("overflowing: two products in 1 layer can exceed") and told[1:] == [None] * 3


def test_a_row_an_arm_and_clip(tmp_path: Path) -> None:
    missing = ArmOnClip("local", "pytorch", "espcn_rgb", "fp16", "set5")
    files = [
        write_quality(tmp_path / "ran"),
        write_quality(tmp_path / "missing", missing, "not run: needs a CUDA device"),
    ]
    out = tmp_path / "evaluation.csv"
    collect_evaluation(files, {"set5": "bicubic-matlab"}, out, far_db=1.0)
    assert out.read_text().splitlines()[0] == (
        "target,runtime,model,precision,clip,scale,images,psnr_y_db,psnr_db,psnr_of_mean_db,added_mse,added_levels,ssim_y,"
        "exact_frames,darkest,brightest,shift_r,shift_g,shift_b,checkerboard,saturated,luma,border,downsampling,"
        "engine_sha256,runtime_version,cautions,status"
    )
    ran, not_run = read_evaluation(out).to_dicts()
    # The mean of logarithms is the logarithm of the geometric mean: sqrt(1 * 16) = 4, sqrt(4 * 25) = 10.
    assert ran["psnr_y_db"] == pytest.approx(10 * math.log10(255**2 / 4), abs=1e-12)
    assert ran["psnr_db"] == pytest.approx(10 * math.log10(255**2 / 10), abs=1e-12)
    assert ran["psnr_of_mean_db"] == pytest.approx(10 * math.log10(255**2 / 14.5), abs=1e-12)
    assert (ran["ssim_y"], ran["exact_frames"], ran["darkest"], ran["brightest"]) == (0.75, 0, 0, 251)
    assert (ran["shift_r"], ran["checkerboard"], ran["saturated"]) == (0.5, 0.5, 0.25)
    assert (ran["images"], ran["engine_sha256"], ran["runtime_version"]) == (2, "ab" * 32, "2026.4")
    assert not_run["status"] == "not run: needs a CUDA device"
    assert not_run["psnr_y_db"] is not_run["images"] is None
    for row in (ran, not_run):
        assert (row["luma"], row["border"], row["downsampling"]) == ("studio-swing", 2, "bicubic-matlab")


def test_files_that_do_not_belong_together(tmp_path: Path) -> None:
    out = tmp_path / "evaluation.csv"
    short = write_quality(tmp_path / "short", images=3)
    with pytest.raises(UserError, match=r"quality\.csv: expected 3 images, .*found 2"):
        collect_evaluation([short], {"set5": "bicubic"}, out, far_db=1.0)
    files = write_quality(tmp_path / "other")
    moved = ArmQuality(
        ArmOnClip("local", "openvino", "espcn_rgb", "int8-minmax", "b100"), files.quality, files.record
    )
    with pytest.raises(UserError, match="expected clip b100"):
        collect_evaluation([moved], {"b100": "bicubic"}, out, far_db=1.0)
    with pytest.raises(UserError, match="unique rows"):
        collect_evaluation([files, files], {"set5": "bicubic"}, out, far_db=1.0)
    assert not out.exists()


def row(runtime: str, precision: str, psnr_y: float, clip: str = "set5", **other: object) -> dict:
    """One row of an evaluation by the literature's protocol."""
    images = {"set5": 5, "set14": 14, "b100": 100, "urban100": 100}.get(clip, 3)
    model = "bicubic" if runtime == "opencv" else "espcn_ycbcr"
    return {
        "target": "local",
        "runtime": runtime,
        "model": model,
        "precision": precision,
        "clip": clip,
        "scale": 2,
        "images": images,
        "psnr_y_db": psnr_y,
        "psnr_db": psnr_y - 1.5,
        "psnr_of_mean_db": psnr_y - 1.6,
        "ssim_y": 0.9,
        "exact_frames": 0,
        "darkest": 0,
        "brightest": 255,
        **dict.fromkeys(("shift_r", "shift_g", "shift_b", "checkerboard", "saturated"), 0.0),
        "luma": "studio-swing",
        "border": 2,
        "downsampling": "bicubic-matlab",
        "engine_sha256": "ab" * 32,
        "runtime_version": "1.2",
        "status": "ok",
        **other,
    }


def not_run(runtime: str, precision: str) -> dict:
    empty = dict.fromkeys((*EVALUATED, "ssim_y"))
    return {**row(runtime, precision, 0.0), **empty, "status": "not run: no such instructions"}


def render(folder: Path, rows: Sequence[dict]) -> tuple[list[list[str]], str]:
    """The table's lines as stripped cells, and the whole text."""
    write_rows(Evaluation, rows, folder / "evaluation.csv")
    write_evaluation("mine", folder / "evaluation.csv", TEXT, folder / "evaluation.md")
    text = (folder / "evaluation.md").read_text()
    lines = [line for line in text.partition("### SSIM")[0].splitlines() if line.startswith("|")]
    assert len({len(line) for line in lines}) == 1
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines], text


def test_changes_are_against_the_same_models_fp32(tmp_path: Path) -> None:
    rows = [
        row("pytorch", "fp32", 36.874),
        row("openvino", "fp32", 36.871),
        row("openvino", "int8-minmax", 36.272),
        row("onnxruntime", "int8-minmax", 36.9),
        row("opencv", "uint8", 33.664),
        not_run("pytorch", "bf16"),
    ]
    lines, text = render(tmp_path, rows)
    assert lines[0] == ["Model", "Runtime", "Precision", "set5 (5 images)"]
    assert lines[2:8] == [
        ["ESPCN_YCbCr", "PyTorch", "FP32", "36.87"],
        ["", "PyTorch", "BF16", "not run (a)"],
        # Without FP32 in its own runtime, PyTorch, the first, is the reference.
        ["", "ONNX Runtime", "INT8 minmax", "36.90 (+0.026)"],
        ["", "OpenVINO", "FP32", "36.87"],
        ["", "OpenVINO", "INT8 minmax", "36.27 (-0.599)"],
        ["Bicubic", "OpenCV", "UINT8", "33.66"],
    ]
    assert "- (a) not run: no such instructions." in text
    assert "without 2 pixels at each side" in text
    assert "a = -0.5" in text
    assert "- Clip `set5`: five images." in text


def test_without_int8_a_change_has_two_decimals(tmp_path: Path) -> None:
    lines, _ = render(tmp_path, [row("openvino", "fp32", 36.871), row("openvino", "bf16", 36.8645)])
    assert lines[3] == ["", "OpenVINO", "BF16", "36.86 (-0.01)"]


def test_seeds_get_their_spread_and_a_sweep_no_rows(tmp_path: Path) -> None:
    rows = [
        row("pytorch", "fp32", 36.0),
        row("openvino", "fp32", 36.5),
        row("openvino", "int8-a", 36.4),
        row("openvino", "int8-b", 36.2),
        row("openvino", "int8-c", 36.35),
        # A single arm has no spread.
        row("onnxruntime", "int8-a", 35.0),
        not_run("openvino", "int8-d"),
        row("openvino", "int8-aof5", 30.0),
    ]
    write_rows(Evaluation, rows, tmp_path / "evaluation.csv")
    write_evaluation(
        "mine",
        tmp_path / "evaluation.csv",
        TEXT,
        tmp_path / "evaluation.md",
        swept=["int8-aof5"],
        seeds=[("minmax of dummy data", ["int8-a", "int8-b", "int8-c", "int8-d"])],
    )
    text = (tmp_path / "evaluation.md").read_text()
    _, _, after = text.partition("## Spread over seeds")
    table = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in after.splitlines()
        if line[:1] == "|"
    ]
    assert table[0] == ["Model", "Runtime", "Clip", "INT8", "Seeds", "Mean", "Least", "Largest"]
    # 0.1, 0.3 and 0.15 dB less than OpenVINO's own FP32.
    assert table[2:] == [
        ["ESPCN_YCbCr", "OpenVINO", "set5", "minmax of dummy data", "3", "0.183", "0.100", "0.300"]
    ]
    assert "aof5" not in text and "30.00" not in text
    assert "other numbers of images" in text


def test_published_figures_stand_below_the_sets_that_they_are_of(tmp_path: Path) -> None:
    clips = ("urban100", "mine", "set5")
    lines, text = render(tmp_path, [row("opencv", "uint8", 30.0, clip) for clip in clips])
    published = {line[0]: line[3:] for line in lines if line[1] == "published"}
    assert published == {
        model: [figures.split()[3], "-", figures.split()[0]] for model, figures in PAPERS.items()
    }
    assert "ETDS (Chao et al., CVPR 2023)" in text


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"luma": "full-range"}, "studio-swing luma with a border of 2, this study full-range luma"),
        ({"border": 0}, "this study studio-swing luma with a border of 0"),
        ({"downsampling": "area"}, "LR by bicubic downsampling, this study area"),
        ({"images": 4}, "5 images, this study 4"),
    ],
)
def test_figures_that_were_measured_otherwise_are_not_set_beside(
    tmp_path: Path, change: dict, reason: str
) -> None:
    lines, text = render(tmp_path, [row("opencv", "uint8", 30.0, **change)])
    assert len(lines) == 3
    (note,) = (line for line in text.splitlines() if "No published figures for `set5`" in line)
    assert reason in note


def test_the_published_figures_are_the_papers() -> None:
    sets = ("set5", "set14", "b100", "urban100")
    expected = {
        (model, clip): float(figure)
        for model, figures in PAPERS.items()
        for clip, figure in zip(sets, figures.split(), strict=True)
    }
    published = read_published()
    assert {(figure.model, figure.clip): figure.psnr_y_db for figure in published} == expected
    assert len(published) == len(expected)
    assert {(figure.clip, figure.images) for figure in published} == {
        ("set5", 5),
        ("set14", 14),
        ("b100", 100),
        ("urban100", 100),
    }
    assert all(figure.source for figure in published)


def test_something_else_is_no_evaluation(tmp_path: Path) -> None:
    path = tmp_path / "evaluation.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="expected the evaluation of a study"):
        read_evaluation(path)


def test_ssim_and_marks(tmp_path: Path) -> None:
    """A picture gets the marks that Table 1 has, and a note that says what they are."""
    far = "far off: 7.10 dB below bicubic and 50.00 dB below FP32, look at the arm's sample"
    dark = "saturated: its brightest level is 201, that of FP32 255"
    rows = [
        row("openvino", "fp32", 31.0, ssim_y=0.91234),
        row("openvino", "int8-a", 21.0, cautions=f"{far}; {dark}", brightest=201),
        row("openvino", "int8-b", 30.0, cautions=dark, ssim_y=None, exact_frames=2),
    ]
    lines, text = render(tmp_path, rows)
    assert [cells[3] for cells in lines[2:5]] == ["31.00", "21.00!^ (-10.000)", "30.00^ (-1.000)"]
    ssim = [
        line
        for line in text.partition("### SSIM")[2].partition("## ")[0].splitlines()
        if line.startswith("|")
    ]
    assert [line.split("|")[4].strip() for line in ssim[2:]] == ["0.9123", "0.9000", "n/a"]
    added = [line.split("|")[4].strip() for line in text.partition("### Squared error")[2].splitlines()[4:6]]
    # 255^2 / 10^(psnr / 10) of 19.4 and 28.4 dB, minus that of 29.4.
    assert added == ["671.93 (25.9)", "19.33 (4.4)"]
    assert "- `!`: the picture is worse than bicubic" in text and "- `^`: white is darker" in text
    assert "look at `sample*.npy` in the arm's folder before the figures. OpenVINO INT8 a" in text
    assert "1 arm have such frames, at most 2 of 5" not in text
    assert "1 arm has such frames, at most 2 of 5" in text
