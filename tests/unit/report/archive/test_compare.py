"""Two results beside each other: PSNR that has to be equal, reasons for differences, ratios of speedups."""

import csv
import json
import math
from pathlib import Path

import pytest

from superres.device.base.errors import UserError
from superres.report.archive.compare import compare_results, compare_rows, summarize

from ..synthetic import not_run, row, write_metrics

ARMS = [("openvino", "fp32", 31.0), ("openvino", "int8-minmax", 30.8), ("onnxruntime", "fp32", 31.0)]
MACHINE = {"module": None, "cpu": "Some CPU", "flags": ["avx512_vnni"], "numpy": "2.0"}


def write(folder: Path, rows: list[dict], **versions: str) -> Path:
    """A folder of results: metrics, and what the records of quality say."""
    folder.mkdir()
    write_metrics(folder / "metrics.csv", rows)
    for one in rows:
        arm = folder / "arms" / one["target"] / one["runtime"] / one["model"] / one["precision"]
        arm.mkdir(parents=True)
        record = {
            "status": one["status"],
            "clip": one["clip"],
            "machine": MACHINE,
            "settings": {"luma": "full-range"},
            "versions": {one["runtime"]: versions.get(one["runtime"], "1.0")},
        }
        (arm / "quality.json").write_text(json.dumps(record))
    frames = folder / "frames"
    frames.mkdir()
    (frames / "park.json").write_text('{"hr_sha256": ["ab"]}')
    (frames / "park.x2.json").write_text('{"lr_sha256": ["cd"]}')
    return folder


def arms(**changes: float) -> list[dict]:
    """Three arms; `changes` are added to the PSNR of a runtime's."""
    rows = []
    for runtime, precision, psnr in ARMS:
        speed = {"speedup": 2.0, "speedup_low": 1.9, "speedup_high": 2.2}
        rows.append(row(runtime, "espcn_rgb", precision, psnr + changes.get(runtime, 0.0), 70.0, **speed))
    return rows


def test_equal_results_are_said_to_be_equal(tmp_path: Path):
    lines = summarize(compare_rows(write(tmp_path / "a", arms()), write(tmp_path / "b", arms())))
    assert lines[0] == "PSNR of 3 arms with equal versions, graphs and frames: all equal, as expected"
    assert "theirs are 1.00 times ours in the median; 0 differ by more" in lines[1]
    assert lines[2:] == ["Versions: onnxruntime 1.0; openvino 1.0", "Machine: Some CPU"]


def test_a_difference_without_a_reason_is_said(tmp_path: Path):
    theirs = write(tmp_path / "b", arms(onnxruntime=0.25), openvino="1.1")
    lines = summarize(compare_rows(write(tmp_path / "a", arms()), theirs))
    assert lines[:3] == [
        "PSNR of 1 arm with equal versions, graphs and frames: 1 differ, where none was expected",
        "local/onnxruntime/espcn_rgb/fp32 on park: expected the same PSNR, found +0.250000 dB",
        "PSNR of 2 arms that differ otherwise: at most +0.0000 dB, "
        "local/openvino/espcn_rgb/fp32 on park (other versions)",
    ]
    assert "Versions: onnxruntime 1.0; openvino 1.0 / onnxruntime 1.0; openvino 1.1" in lines


CHANGES = {
    "another graph": lambda folder, rows: rows[0].update(onnx_sha256="ef" * 32),
    "other frames": lambda folder, rows: (folder / "frames/park.x2.json").write_text('{"lr_sha256": ["ef"]}'),
    "another processor": lambda folder, rows: change(folder, machine={**MACHINE, "flags": []}),
    "another numpy": lambda folder, rows: change(folder, machine={**MACHINE, "numpy": "2.1"}),
    "other settings": lambda folder, rows: change(folder, settings={"luma": "studio-swing"}),
}


def change(folder: Path, **changes: object) -> None:
    path = folder / "arms/local/openvino/espcn_rgb/fp32/quality.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("reason", CHANGES)
def test_all_that_decides_psnr_is_a_reason(tmp_path: Path, reason: str):
    rows = arms()
    folder = write(tmp_path / "b", rows)
    CHANGES[reason](folder, rows)
    write_metrics(folder / "metrics.csv", rows)
    found = compare_rows(write(tmp_path / "a", arms()), folder)
    assert found[0].other == reason
    assert all(one.other == ("" if reason != "other frames" else reason) for one in found[1:])


def test_ratios_and_arms_that_one_alone_has(tmp_path: Path):
    ours = [*arms(), row("pytorch", "espcn_rgb", "fp32", 31.0, 300.0)]
    theirs = arms()[:2]
    theirs[1] |= {"speedup": 3.0, "speedup_low": 2.9, "speedup_high": 3.3}
    theirs.append(not_run("onnxruntime", "espcn_rgb", "fp32", "no such file"))
    theirs.append(row("opencv", "bicubic", "uint8", 28.0, 1.0))
    found = {
        one.arm.label: one for one in compare_rows(write(tmp_path / "a", ours), write(tmp_path / "b", theirs))
    }
    one = found["local/openvino/espcn_rgb/int8-minmax on park"]
    # Errors of logarithms add up as squares.
    down, up = (
        math.hypot(math.log(3 / 2.9), math.log(2.2 / 2)),
        math.hypot(math.log(3.3 / 3), math.log(2 / 1.9)),
    )
    expected = (1.5, 1.5 * math.exp(-down), 1.5 * math.exp(up))
    assert (one.ratio, one.ratio_low, one.ratio_high) == pytest.approx(expected)
    lines = summarize(list(found.values()))
    assert "Only ours: local/pytorch/espcn_rgb/fp32 on park" in lines
    assert "Only theirs: local/opencv/bicubic/uint8 on park" in lines
    assert any("1 differ by more than their 95% intervals" in line for line in lines)
    one = found["local/onnxruntime/espcn_rgb/fp32 on park"]
    assert (one.ours.status, one.theirs.status) == ("ok", "not run: no such file")
    assert one.psnr_difference_db is None and one.ratio is None


def test_tables_have_a_row_for_each_arm(tmp_path: Path, capsys):
    ours, theirs = write(tmp_path / "a", arms()), write(tmp_path / "b", arms(openvino=-0.5))
    outs = {"csv_out": tmp_path / "out/b.csv", "md_out": tmp_path / "out/b.md"}
    compare_results(ours, theirs, "repair", **outs)
    assert "2 differ, where none was expected" in capsys.readouterr().out
    with outs["csv_out"].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [one["psnr_difference_db"] for one in rows] == ["-0.5", "-0.5", "0.0"]
    assert [float(one["psnr_db_theirs"]) for one in rows] == [30.5, 30.3, 31.0]
    table = [line for line in outs["md_out"].read_text().splitlines() if line.startswith("| ESPCN_RGB")]
    assert len(table) == 3 and "-0.5000" in table[0]
    (theirs / "metrics.csv").unlink()
    with pytest.raises(UserError, match=r"expected metrics\.csv or evaluation\.csv, found neither"):
        compare_results(ours, theirs, "repair", **outs)
    with pytest.raises(UserError, match="expected a zip archive, found nothing"):
        compare_results(ours, tmp_path / "gone.zip", "repair", **outs)
