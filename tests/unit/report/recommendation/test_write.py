"""What a reader gets of a decision."""

import json
from itertools import product
from pathlib import Path

import pytest

from superres.report.metrics.relative import with_added
from superres.report.recommendation.decide import Wish
from superres.report.recommendation.write import write_recommendation

from ..synthetic import default_rows, not_run, row, write_metrics
from .test_decide import BF16, BICUBIC, FP32, INT8, SURE, gaining


def written(folder: Path, rows: list[dict], **wish: float | None) -> tuple[list[str], dict, str]:
    """The lines to print, the record and the page."""
    metrics = write_metrics(folder / "metrics.csv", rows)
    md, record = folder / "recommendation.md", folder / "recommendation.json"
    write_recommendation("mine", metrics, Wish(**wish), md=md, json=record)
    found = json.loads(record.read_text(encoding="utf-8"))
    return found["summary"], found, md.read_text(encoding="utf-8")


def test_int8_that_is_not_worth_it(tmp_path: Path) -> None:
    rows = [FP32, SURE, gaining(1.02, 0.98, 1.05, quantized_convolutions=3, int8_convolutions=1), BICUBIC]
    for each in rows:
        each |= {"latency_p50_ms": 1000 / each["fps"]}
    lines, record, page = written(tmp_path, rows, loss_db=0.2)
    assert lines[0] == "Recommendation for study mine: the fastest arm that loses at most 0.2 dB"
    assert lines[1] == (
        "local: ship OpenVINO BF16 ESPCN_RGB: 12.7 FPS, 31.07 dB, loses 0.01 dB against the best FP32 (park)"
    )
    assert lines[2] == (
        "  OpenVINO INT8 minmax gains 1.02x (0.98 to 1.05) over OpenVINO BF16 and loses 0.11 dB: keep BF16 "
        "(2 of 3 quantised convolutions run in float)"
    )
    assert lines[-1].endswith("recommendation.md")
    (target,) = record["targets"]
    assert target["ship"]["arm"] == "local/openvino/espcn_rgb/bf16"
    assert (target["int8"][0]["worth_it"], target["int8"][0]["verdict"]) == (False, "keep BF16")
    assert record["wish"] == {"fps": None, "loss_db": 0.2, "psnr_db": None, "own_psnr_db": None}
    for line in lines[1:-1]:
        assert f"- {line.strip()}" in page


def test_the_table_has_the_arm_to_ship(tmp_path: Path) -> None:
    """Float is taken if INT8 gains nothing: INT8 that is a little faster beats it on the front."""
    faster = gaining(1.02, 0.98, 1.05, psnr_db=BF16["psnr_db"], latency_p50_ms=79 / 1.02)
    lines, record, page = written(tmp_path, [SURE, faster])
    assert ": ship OpenVINO BF16 ESPCN_RGB" in lines[1]
    assert [arm["arm"] for arm in record["targets"][0]["front"]] == ["local/openvino/espcn_rgb/int8-minmax"]
    rows = [line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| OpenVINO")]
    assert rows == ["OpenVINO INT8 minmax ESPCN_RGB", "OpenVINO BF16 ESPCN_RGB"]


@pytest.mark.parametrize(
    ("wish", "said", "verdict"),
    [
        ({"loss_db": 0.2}, "ship OpenVINO INT8 minmax", "INT8 is worth it"),
        ({"psnr_db": 31}, "ship OpenVINO BF16", "INT8 is faster, but it misses the wish"),
        ({"fps": 10}, "ship OpenVINO BF16", "more speed than the wish needs"),
        ({"fps": 60}, "no arm fulfils this; nearest is OpenVINO INT8 minmax", "it misses the wish"),
    ],
)
def test_int8_that_is_faster(tmp_path: Path, wish: dict, said: str, verdict: str) -> None:
    lines, _, _ = written(tmp_path, [FP32, BF16, INT8], **wish)
    assert said in lines[1] and verdict in lines[2]


def test_each_line_says_whose_int8_it_is_and_none_that_a_miss_is_worth_it(tmp_path: Path) -> None:
    other = [{**each, "model": "espcn_ycbcr"} for each in (FP32, BF16, {**INT8, "runtime": "onnxruntime"})]
    lines, _, page = written(tmp_path, [FP32, BF16, INT8, *other], psnr_db=31)
    text = "\n".join(lines)
    assert "worth it" not in text and "INT8 is faster, but it misses the wish: ESPCN_" in text
    assert "ONNX Runtime INT8 minmax gains " in page and "over OpenVINO BF16" in page
    lines, _, _ = written(tmp_path, [FP32, BF16, INT8, *other], loss_db=0.2)
    assert "INT8 is worth it: ESPCN_" in "\n".join(lines)


def test_only_int8_fulfils_the_wish(tmp_path: Path) -> None:
    close = gaining(1.1, 1.0, 1.2, latency_p50_ms=79 / 1.1)
    lines, _, _ = written(tmp_path, [FP32, SURE, close], fps=13)
    assert "ship OpenVINO INT8 minmax" in lines[1] and "only INT8 fulfils the wish" in lines[2]


def test_a_busy_machine_and_faults_are_said(tmp_path: Path) -> None:
    rows = [FP32, {**BF16, "cautions": "noisy: so it was"}, {**INT8, "cautions": "shifted: red by +3.0"}]
    lines, record, page = written(tmp_path, rows)
    text = "\n".join(lines)
    assert "12.7~ FPS" in text and "the machine was busy while 1 arm ran" in text
    assert "Not considered, for faults in the picture: OpenVINO INT8 minmax ESPCN_RGB" in text
    assert "shifted: red by +3.0" in page
    assert record["targets"][0]["noisy"] == ["local/openvino/espcn_rgb/bf16"]


def test_losses_on_own_pictures_are_said(tmp_path: Path) -> None:
    """INT8 adds 1.427 to FP32's 50.944, by 31.06 and 30.94 dB; 38 dB are an error of 10.306."""
    own = {"model": "own", "precision": "as-is"}
    for rows, why in (
        ([FP32, INT8], None),
        ([FP32, INT8, {**INT8, **own}], "want of their network's FP32: "),
        (
            [FP32, {**BF16, "cautions": "shifted: red by +3.0"}, INT8, {**INT8, **own}],
            "faults in the picture or want of FP32: ",
        ),
    ):
        lines, record, page = written(tmp_path, with_added(rows), loss_db=0.6, own_psnr_db=38)
        assert lines[0].endswith(": the fastest arm that loses at most 0.6 dB on pictures with 38 dB in FP32")
        assert "OpenVINO INT8 minmax" in lines[1] and "loses 0.56 dB against the best FP32" in lines[1]
        (said,) = (line for line in lines if line.startswith("Losses are for pictures "))
        assert "where the best FP32 has 38 dB" in said and f"- {said}" in page
        assert record["wish"]["own_psnr_db"] == 38
        assert sum("Not considered" in line for line in lines) == (why is not None)
        assert why is None or f"Not considered, for {why}" in "\n".join(lines)
    lines, _, _ = written(tmp_path, with_added([{**INT8, **own}]), own_psnr_db=38)
    assert lines[1] == "local: no network without a fault in its picture has FP32 to compare with"


def test_networks_below_bicubic_are_said(tmp_path: Path) -> None:
    caution = "far off: 1.20 dB below bicubic"
    lines, record, page = written(tmp_path, [{**each, "cautions": caution} for each in (FP32, INT8)])
    text = "\n".join(lines)
    assert ": ship " in text and "Every network is below bicubic or far below FP32" in text
    assert "Not considered" not in text
    assert page.count(caution) == 2 and len(record["targets"][0]["faulty"]) == 2


def test_at_most_12_lines_whatever_the_study(tmp_path: Path) -> None:
    many = [
        {**each, "target": f"machine{i}", "cautions": "noisy: busy" if each["precision"] == "bf16" else None}
        for i in range(14)
        for each in [*default_rows(), not_run("tensorrt", "espcn_rgb", "fp16", "no GPU")]
    ]
    lines: list[str] = []
    for targets, own in product((1, 2, 3, 5, 9, 10, 14), (None, 35.0)):
        mine = [each for each in many if int(each["target"].removeprefix("machine")) < targets]
        lines, record, page = written(
            tmp_path, with_added(mine) if own else mine, loss_db=3.0, own_psnr_db=own
        )
        assert len(lines) <= 12
        assert sum(": ship " in line for line in lines) == min(targets, 9 if own else 10)
        assert len(record["targets"]) == targets and page.count("\n## ") == targets
    assert lines[-1].startswith("5 more targets and all figures: ")


def test_a_study_without_a_network(tmp_path: Path) -> None:
    lines, record, page = written(tmp_path, [BICUBIC])
    assert lines[1] == "local: no network has run on all clips"
    assert record["targets"][0]["ship"] is None and "## local" in page


def test_the_same_figures_give_the_same_bytes(tmp_path: Path) -> None:
    rows = [*default_rows(), row("onnxruntime", "espcn_rgb", "bf16", 31.0, 100.0)]
    first = written(tmp_path, rows, fps=20)
    assert written(tmp_path, rows, fps=20) == first
