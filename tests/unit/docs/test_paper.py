"""Tables of the page that explains the paper: what is worked out from its figures and from a study's."""

from pathlib import Path

import paper
import pytest


def cells(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def test_what_the_papers_psnr_means():
    """Worked out by hand: 27.9382, 29.7454 and 30.0797 dB are errors of 104.537, 68.951 and 63.845."""
    rgb, ycbcr, bicubic = cells(paper.errors())[2:]
    assert rgb == ["ESPCN_RGB", "63.8", "40.7 (luma 0.96)", "5.1 (luma 0.62)", "8.0", "+8.25"]
    assert ycbcr[4:] == ["4.2", "-0.06"]
    assert bicubic == ["Bicubic", "83.2", "", "", "", "+8.62"]


@pytest.mark.parametrize(
    ("paper_found", "here", "verdict"),
    [
        (0.68, -0.05, "**not reproduced**"),
        (2.0, 1.0, "reproduced"),
        (2.0, 0.9, "in direction, not in size"),
        (2.0, 4.1, "in direction, not in size"),
    ],
)
def test_a_finding_is_reproduced_within_a_factor_of_two(paper_found: float, here: float, verdict: str):
    assert paper._verdict(paper_found, here) == verdict


@pytest.mark.parametrize(
    ("paper_found", "here", "verdict"),
    [
        (5.0, 14.0, "in direction, not in size"),
        (5.0, 8.0, "reproduced"),
        (0.91, 0.33, "in direction, not in size"),
        (0.91, 1.02, "**not reproduced**"),
    ],
)
def test_a_ratio_of_speeds_is_reproduced_within_a_factor_of_two(
    paper_found: float, here: float, verdict: str
):
    assert paper._verdict_of_ratio(paper_found, here) == verdict


def test_dummies_are_compared_with_calibration_of_their_own_weights(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    lines = ["network,weights,precision,added_mse,added_mse_y"]
    for weights, dummy, calibrated in (("shipped", 8, 2), ("seed 0", 6, 1), ("seed 2", 30, 2)):
        lines += [
            f"espcn_rgb,{weights},int8-normal,{dummy},{dummy / 2}",
            f"espcn_rgb,{weights},int8-entropy,{calibrated},{calibrated / 4}",
            f"espcn_rgb,{weights},int8-normal+pertensor,{dummy},0",
            f"espcn_rgb,{weights},int8-entropy+pertensor,{2 * calibrated},0",
        ]
    (tmp_path / "paper/dummies").mkdir(parents=True)
    (tmp_path / "paper/dummies/added.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    monkeypatch.setattr(paper, "FIGURES", tmp_path)

    def row(table: str, text: str) -> list[str]:
        return next(line for line in cells(table) if line[0] == text)

    # Shipped, without noise (not measured), three seeds; then the same of ESPCN_YCbCr.
    assert row(paper.ratios(), "normal noise") == [
        "normal noise",
        "entropy",
        "4.0",
        "",
        "6.0 to 15",
        "",
        "",
        "",
    ]
    assert row(paper.ratios("+pertensor"), "normal noise")[2:5] == ["2.0", "", "3.0 to 7.5"]
    # (8 / 2 - 2 / 4) / (8 - 2), and so on; a dummy that adds little more than calibration has none.
    assert row(paper.shares(), "normal noise")[2:] == ["0.58", "", "0.52 to 0.55"]
    monkeypatch.setattr(paper, "WORSE", 5)
    assert row(paper.shares(), "normal noise")[2:] == ["", "", "0.52 to 0.55"]
