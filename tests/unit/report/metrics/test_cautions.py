"""Cautions about an arm's speed and picture, and none for quiet arms."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from superres.csv_rows import write_rows
from superres.device.frames.faults import find_faults
from superres.report.metrics.cautions import FAR_OFF, NoiseLimits, find_cautions, with_doubts
from superres.report.metrics.operations import Operations
from superres.report.metrics.schema import Metrics
from superres.report.tables.cells import TableText
from superres.report.tables.table import write_table

from ..synthetic import default_rows, not_run, row

NOISE = NoiseLimits(1.5, 0.1)
NETWORK = Operations(4, 3, 54_756.0, 53_856.0)
BICUBIC = row("opencv", "bicubic", "uint8", 28.9, 1.1)
FP32 = row("openvino", "espcn_rgb", "fp32", 31.0, 140.0)


def latency(**other: Any) -> dict[str, Any]:
    return {
        "warmup": {"frames": 10, "seconds": 0.5, "settled": True},
        "distinct_frames": 24,
        "reference": None,
        "disturbance": {"others": 0.02, "stolen": 0.0},
        "machine": {"flags": ["avx512_vnni"]},
        "settings": {"warmup_frames": 5},
        **other,
    }


def cautions(
    precision: str = "int8-minmax", facts: dict | None = None, measured: dict | None = None, **columns: Any
):
    arm = row("openvino", "espcn_anchor", precision, 31.0, 40.0, **columns)
    return find_cautions(arm, {"facts": facts or {}}, measured or latency(), NETWORK, NOISE)


def test_nothing_is_said_of_a_quiet_arm_that_runs_as_asked() -> None:
    assert cautions(facts={"convolutions": {"u8": 3, "f32": 1}, "native": True}) == []
    # Unknown disturbance is no caution.
    assert cautions(measured=latency(disturbance=None)) == []


@pytest.mark.parametrize(
    ("measured", "said"),
    [
        (
            {"disturbance": {"others": 0.05, "stolen": 0.06}},
            "noisy: 0.1 processors were busy with other work",
        ),
        ({"distinct_frames": 3}, "the clip has fewer frames (3) than the warm-up took"),
        (
            {"warmup": {"frames": 14, "seconds": 1.0, "settled": False}},
            "times had not settled after 14 frames of warm-up",
        ),
        (
            {"reference": {"label": "a/b/c/d", "status": "not run: needs a CUDA device"}},
            "no ratio: the reference a/b/c/d did not run (not run: needs a CUDA device)",
        ),
        (
            {"machine": {"flags": ["avx2", "avx512f"]}},
            "this processor has no instructions for INT8 products (VNNI): INT8 gains less speed than "
            "with them",
        ),
    ],
)
def test_what_is_said_of_how_it_was_measured(measured: dict, said: str) -> None:
    assert cautions(measured=latency(**measured)) == [said]


@pytest.mark.parametrize(
    ("architecture", "flags", "overflowing", "expected"),
    [
        (
            "x86_64",
            ["avx2"],
            2,
            "overflowing: two products in 2 layers can exceed the 16 bits in which this processor adds them: "
            "take int8-tuned, or reducerange with adaround behind it",
        ),
        ("x86_64", ["avx2"], 0, None),
        ("x86_64", ["avx2", "avx_vnni"], 2, None),
        ("aarch64", ["asimd"], 2, None),
    ],
)
def test_sums_that_overflow_are_said(
    architecture: str, flags: list[str], overflowing: int, expected: str | None
) -> None:
    network = replace(NETWORK, overflowing=overflowing)
    arm = row("openvino", "espcn_anchor", "int8-minmax", 31.0, 40.0)
    measured = latency(machine={"architecture": architecture, "flags": flags})
    found = find_cautions(arm, {"facts": {}}, measured, network, NOISE)
    assert [each for each in found if "16 bits" in each] == ([expected] if expected else [])
    # A GPU's sums are another's.
    gpu = {**arm, "runtime": "tensorrt"}
    assert "16 bits" not in str(find_cautions(gpu, {"facts": {}}, measured, network, NOISE))


def test_a_slow_arm_whose_warm_up_could_not_tell_is_not_blamed() -> None:
    assert cautions(measured=latency(warmup={"frames": 2, "seconds": 1.3, "settled": False})) == []


def test_times_that_spread_are_noisy() -> None:
    assert cautions(latency_p90_ms=64.0) == ["noisy: the 90th percentile is 1.6 times the median"]


def test_convolutions_that_fell_back_to_float_are_counted() -> None:
    facts = {"int8_convolutions": 2, "float_convolutions": 2}
    assert cautions(facts=facts) == ["1 of 3 quantised convolutions run in float"]
    assert cautions(precision="fp32", facts=facts) == []


def test_emulated_arithmetic_is_said() -> None:
    (said,) = cautions(precision="bf16", facts={"native": False})
    assert "no bf16 instructions" in said


def test_faster_than_the_limit_means_that_the_limit_is_wrong() -> None:
    (said,) = cautions(limit_fraction=1.2)
    assert said.startswith("faster than the limit")
    assert cautions(limit_fraction=1.04) == []
    # OpenVINO's INT8 convolutions without VNNI are twice as fast as its matrix products.
    slow = latency(machine={"architecture": "x86_64", "flags": ["avx2"]})
    (_, said) = cautions(measured=slow, limit_fraction=1.2)
    assert said.endswith("without VNNI, convolutions are faster")
    (said,) = cautions(precision="fp32", measured=slow, limit_fraction=1.2)
    assert said.endswith("measure the roofline again")


def cautions_of_picture(psnr: float, others: list[dict], **columns: object) -> str | None:
    arm = row("openvino", "espcn_rgb", "int8-dummy", psnr, 44.0, **columns)
    judged = with_doubts([arm, *others], far_db=1.0)
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
    found = cautions_of_picture(psnr, [BICUBIC, FP32])
    assert found == (
        None
        if said is None
        # A table shows the mean PSNR of frames, which may differ from it.
        else f"{FAR_OFF}{said} in PSNR of the mean error, look at the arm's sample before its figures"
    )


def test_exact_frames_of_bicubic_blame_no_network() -> None:
    """Of a fade: bicubic gets black frames exactly, a network is off by part of a level."""
    bicubic = row("opencv", "bicubic", "uint8", 45.0, 1.1, psnr_of_mean_db=31.0, exact_frames=12)
    arm = row("openvino", "espcn_rgb", "fp32", 40.5, 140.0, psnr_of_mean_db=33.0)
    assert with_doubts([arm, bicubic], far_db=1.0)[0]["cautions"] is None
    # On black alone: an error of less than a level is no fault.
    black = row("opencv", "bicubic", "uint8", 60.0, 1.1, psnr_of_mean_db=60.0, exact_frames=24)
    for psnr, said in ((48.2, None), (48.0, "far off: 12.00 dB below bicubic")):
        arm = row("openvino", "espcn_rgb", "fp32", psnr, 140.0, psnr_of_mean_db=psnr)
        found = with_doubts([arm, black], far_db=1.0)[0]["cautions"]
        assert found == said or (said and found.startswith(said))


@pytest.mark.parametrize(
    ("levels", "said"),
    [
        ({"brightest": 250, "darkest": 5}, None),
        ({"brightest": 249}, "saturated: its brightest level is 249, that of FP32 255"),
        (
            {"brightest": 201, "darkest": 6},
            "saturated: its brightest level is 201, that of FP32 255 and its darkest level is 6, "
            "that of FP32 0",
        ),
    ],
)
def test_white_and_black_that_int8_does_not_reach(levels: dict, said: str | None) -> None:
    assert cautions_of_picture(30.5, [FP32], **levels) == said


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        ({"shift_r": 1.0, "shift_b": -1.0, "checkerboard": 1.0, "saturated": 0.01}, None),
        ({"shift_r": 1.2, "shift_b": -2.0}, "shifted: red by +1.2, blue by -2.0 levels against FP32"),
        (
            {"checkerboard": 1.4},
            "checkered: neighbouring pixels differ by 1.4 levels on average, by 0.0 in FP32",
        ),
        ({"saturated": 0.031}, "saturated: 3.1% of its values are 0 or 255, 0.0% of FP32's"),
    ],
)
def test_faults_beyond_their_bounds(figures: dict, said: str | None) -> None:
    assert cautions_of_picture(30.5, [FP32], **figures) == said
    # Where FP32 has the same, INT8 isn't to blame.
    assert cautions_of_picture(30.5, [{**FP32, **figures}], **figures) is None


def faults_made(name: str) -> dict[str, float]:
    """The figures of a picture that is right, or has one fault."""
    hr = np.random.default_rng(0).integers(20, 236, (60, 80, 3), dtype=np.uint8)
    picture = hr.astype(np.int16)
    match name:
        case "a reddish cast":
            picture[..., 0] += 2
        case "a checkerboard":
            picture[0::2, 1::2] += 2
            picture[1::2, 0::2] -= 2
        case "clipped lights":
            picture[hr > 230] = 255
    return find_faults(hr, picture.astype(np.uint8), 2)._asdict()


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("no fault", None),
        ("a reddish cast", "shifted: red by +2.0 levels"),
        ("a checkerboard", "checkered: "),
        ("clipped lights", "saturated: 2."),
    ],
)
def test_faults_made_on_purpose(name: str, start: str | None) -> None:
    found = cautions_of_picture(30.5, [{**FP32, **faults_made("none")}], **faults_made(name))
    if start is None:
        assert found is None
    else:
        assert found is not None and found.startswith(start) and ";" not in found


def test_what_there_is_to_compare_with() -> None:
    assert cautions_of_picture(20.0, []) is None
    assert "below FP32" in (cautions_of_picture(20.0, [FP32]) or "")
    # Figures of another clip or of arms that did not run don't count; FP32 of another runtime does.
    assert cautions_of_picture(20.0, [{**FP32, "clip": "other"}, {**BICUBIC, "clip": "other"}]) is None
    assert cautions_of_picture(20.0, [not_run("openvino", "espcn_rgb", "fp32", "no reason")]) is None
    assert "11.00 dB below FP32" in (cautions_of_picture(20.0, [{**FP32, "runtime": "pytorch"}]) or "")


def test_other_cautions_stay() -> None:
    found = cautions_of_picture(20.0, [FP32], cautions="noisy: so it was")
    assert found is not None and found.startswith("noisy: so it was; far off: ")


def test_the_table_marks_the_cells_and_says_what_the_mark_is(tmp_path: Path) -> None:
    rows = [
        r
        for r in default_rows()
        if (r["runtime"], r["model"], r["precision"]) != ("openvino", "espcn_rgb", "int8-dummy")
    ]
    wrong = row("openvino", "espcn_rgb", "int8-dummy", 17.25, 44.0)
    write_rows(Metrics, with_doubts([*rows, wrong], far_db=1.0), tmp_path / "metrics.csv")
    table = {f"{kind}_out": tmp_path / f"table1.{kind}" for kind in ("csv", "md", "tex")}
    write_table(tmp_path / "metrics.csv", [], **table, text=TableText())
    text = (tmp_path / "table1.md").read_text(encoding="utf-8")
    assert "17.2500!" in text and text.count("!") == 4 + 1
    assert "such as wrong colours" in text and "OpenVINO INT8 dummy ESPCN_RGB." in text
    assert "22.73!" not in text
