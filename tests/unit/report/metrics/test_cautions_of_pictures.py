"""Pictures that are worse than bicubic or far from FP32 are marked, and no others."""

from pathlib import Path

import pytest

from superres.csv_rows import write_rows
from superres.report.metrics.cautions import FAR_OFF, with_far_off
from superres.report.metrics.schema import Metrics
from superres.report.tables.cells import TableText
from superres.report.tables.table import write_table

from ..synthetic import default_rows, not_run, row

BICUBIC = row("opencv", "bicubic", "uint8", 28.9, 1.1)
FP32 = row("openvino", "espcn_rgb", "fp32", 31.0, 140.0)


def cautions_of(psnr: float, others: list[dict], **columns: object) -> str | None:
    arm = row("openvino", "espcn_rgb", "int8-dummy", psnr, 44.0, **columns)
    judged = with_far_off([arm, *others], far_db=1.0)
    assert [{**a, "cautions": None} for a in judged[1:]] == [{**a, "cautions": None} for a in others]
    return judged[0].get("cautions")


@pytest.mark.parametrize(
    ("psnr", "said"),
    [
        (30.1, None),
        (29.9, "1.10 dB below FP32"),
        (28.8, "0.10 dB below bicubic and 2.20 dB below FP32"),
    ],
)
def test_what_is_said_of_a_picture(psnr: float, said: str | None) -> None:
    found = cautions_of(psnr, [BICUBIC, FP32])
    assert found == (
        None if said is None else f"{FAR_OFF}{said}, look at the arm's sample before its figures"
    )


def test_what_there_is_to_compare_with() -> None:
    assert cautions_of(20.0, []) is None
    assert "below FP32" in (cautions_of(20.0, [FP32]) or "")
    # Another clip's figures say nothing, nor those of arms that did not run; FP32 of another runtime does.
    assert cautions_of(20.0, [{**FP32, "clip": "other"}, {**BICUBIC, "clip": "other"}]) is None
    assert cautions_of(20.0, [not_run("openvino", "espcn_rgb", "fp32", "no reason")]) is None
    assert "11.00 dB below FP32" in (cautions_of(20.0, [{**FP32, "runtime": "pytorch"}]) or "")


def test_other_cautions_stay() -> None:
    found = cautions_of(20.0, [FP32], cautions="noisy: so it was")
    assert found is not None and found.startswith("noisy: so it was; far off: ")


def test_the_table_marks_the_cells_and_says_what_the_mark_is(tmp_path: Path) -> None:
    rows = [
        r
        for r in default_rows()
        if (r["runtime"], r["model"], r["precision"]) != ("openvino", "espcn_rgb", "int8-dummy")
    ]
    wrong = row("openvino", "espcn_rgb", "int8-dummy", 17.25, 44.0)
    write_rows(Metrics, with_far_off([*rows, wrong], far_db=1.0), tmp_path / "metrics.csv")
    write_table(tmp_path / "metrics.csv", tmp_path / "table1.csv", tmp_path / "table1.md", TableText())
    text = (tmp_path / "table1.md").read_text(encoding="utf-8")
    assert "17.2500!" in text and text.count("!") == 4 + 1
    assert "such as wrong colours" in text and "OpenVINO INT8 dummy ESPCN_RGB." in text
    assert "22.73!" not in text
