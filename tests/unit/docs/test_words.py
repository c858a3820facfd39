"""Sentences without a figure, in README and docs/results.md, against the figures of the default study.

If new figures break one of these, change the sentence that its name quotes.
"""

from collections.abc import Iterator

import pages
import pytest

CLIPS = (pages.CLIP, pages.SMOOTH)
INT8 = ("int8-dummy", pages.CALIBRATED, pages.TUNED)
PAPERS = ("espcn_rgb", "espcn_ycbcr", "espcn_ycbcr_folded")
ON_AN_ANCHOR = ("plain_c8_m4", "plain_c16_m4")


def figure(model: str, precision: str, clip: str, name: str) -> float:
    return float(pages._networks(clip)[model, precision][name])


def lost(model: str, precision: str, clip: str) -> float:
    return figure(model, "fp32", clip, "psnr_db") - figure(model, precision, clip, "psnr_db")


def shares(model: str) -> Iterator[float]:
    """What INT8 adds to smooth pictures, as a share of what it adds to detailed ones."""
    for precision in INT8:
        detailed, smooth = (figure(model, precision, clip, "added_mse") for clip in CLIPS)
        yield smooth / detailed


@pytest.mark.parametrize("model", [*PAPERS, *ON_AN_ANCHOR])
def test_int8_is_the_fastest_precision_of_every_network(model: str):
    speeds = {
        name: float(row["speedup"]) for (of, name), row in pages._networks(pages.CLIP).items() if of == model
    }
    assert max(speeds, key=lambda name: speeds[name]).startswith("int8-")
    assert speeds[pages.TUNED] > max(speeds["fp32"], speeds["bf16"])


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("model", PAPERS)
def test_tuned_loses_far_less_than_any_calibration_alone_in_the_papers_networks(model: str, clip: str):
    assert lost(model, pages.TUNED, clip) < 0.5 * min(lost(model, name, clip) for name in INT8[:2])


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("model", ON_AN_ANCHOR)
def test_networks_on_an_anchor_lose_little_however_they_are_calibrated(model: str, clip: str):
    assert max(lost(model, name, clip) for name in INT8) < 0.15
    for name in INT8[:2]:
        assert lost(model, name, clip) < min(lost(other, name, clip) for other in PAPERS)


def test_int8_adds_about_the_same_error_to_any_picture_on_an_anchor_less_to_smooth_ones():
    assert all(0.5 < share < 1.5 for model in PAPERS for share in shares(model))
    assert all(share < 0.5 for model in ON_AN_ANCHOR for share in shares(model))


def test_bf16_costs_the_networks_on_luma_more_than_tuned_on_smooth_pictures():
    for model in ("espcn_ycbcr", "espcn_ycbcr_folded", *ON_AN_ANCHOR):
        assert lost(model, "bf16", pages.CLIP) < 0.05
        assert lost(model, "bf16", pages.SMOOTH) > lost(model, pages.TUNED, pages.SMOOTH)


def test_c16_m4_is_several_times_as_fast_as_espcn_rgb_for_a_little_less():
    psnr, speed = (
        [figure(model, pages.TUNED, pages.CLIP, name) for model in ("espcn_rgb", "plain_c16_m4")]
        for name in ("psnr_db", "speedup")
    )
    assert psnr[0] - psnr[1] < 0.05
    assert speed[1] > 2 * speed[0]
