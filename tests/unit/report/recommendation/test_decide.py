"""What is decided from rows whose best arm is known."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from superres.report.metrics.relative import with_added
from superres.report.metrics.schema import Metrics
from superres.report.recommendation.candidates import WITHOUT_FP32, find_candidates
from superres.report.recommendation.decide import Decision, Wish, decide

from ..synthetic import default_rows, not_run, row

FP32 = row("openvino", "espcn_rgb", "fp32", 31.08, 140.0)
BF16 = row("openvino", "espcn_rgb", "bf16", 31.07, 79.0)
INT8 = row("openvino", "espcn_rgb", "int8-minmax", 30.96, 40.0)
BICUBIC = row("opencv", "bicubic", "uint8", 28.9, 1.1)


def gaining(value: float, low: float, high: float, **other: Any) -> dict:
    """INT8 that is so much faster than BF16, whose own ratio to the reference is exact."""
    exact = BF16["speedup"]
    ratio = {"speedup": exact * value, "speedup_low": exact * low, "speedup_high": exact * high}
    return {**INT8, "fps": BF16["fps"] * value, **ratio, **other}


SURE = {**BF16, "speedup_low": BF16["speedup"], "speedup_high": BF16["speedup"]}


def whole(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows with all columns, as they are read from a file."""
    return [{**dict.fromkeys(Metrics.column_names()), **each} for each in rows]


def decided(*rows: Mapping[str, Any], **wish: float) -> Decision:
    (found,) = decide(whole(rows), Wish(**wish).or_default())
    return found


def shipped(*rows: Mapping[str, Any], **wish: float) -> str | None:
    found = decided(*rows, **wish)
    return found.ship and found.ship.precision


def test_each_wish_has_its_arm() -> None:
    rows = (FP32, BF16, INT8, BICUBIC)
    assert shipped(*rows, loss_db=0.2) == "int8-minmax"
    # 0.12 dB are more than the default allows.
    assert shipped(*rows) == shipped(*rows, loss_db=0.1) == "bf16"
    assert shipped(*rows, psnr_db=31.08) == "fp32"
    assert shipped(*rows, psnr_db=30.9) == "int8-minmax"
    # 7.1, 12.7 and 25 FPS: the best picture that is fast enough.
    assert shipped(*rows, fps=13) == "int8-minmax"
    # Less than 0.01 dB is no difference.
    assert shipped(FP32, {**BF16, "psnr_db": 31.075}, INT8, fps=5) == "bf16"
    assert shipped(FP32, {**BF16, "psnr_db": 31.065}, INT8, fps=5) == "fp32"
    assert shipped(*rows, fps=12, loss_db=0.2) == "bf16"


def test_the_nearest_arm_if_none_fulfils_the_wish() -> None:
    rows = (FP32, BF16, INT8, BICUBIC)
    for wish, nearest in (
        ({"fps": 60}, "int8-minmax"),
        ({"psnr_db": 40}, "fp32"),
        # The picture comes first: of those that are good enough, the fastest.
        ({"fps": 60, "loss_db": 0.05}, "bf16"),
    ):
        found = decided(*rows, **wish)
        assert found.ship is None and found.nearest is not None
        assert found.nearest.precision == nearest


@pytest.mark.parametrize(
    ("gain", "kept"),
    [((1.02, 0.98, 1.05), "bf16"), ((1.20, 1.05, 1.40), "bf16"), ((1.20, 1.051, 1.40), "int8-minmax")],
)
def test_a_gain_counts_when_its_interval_is_above_5_percent(gain: tuple, kept: str) -> None:
    found = decided(FP32, SURE, gaining(*gain), loss_db=0.5)
    assert found.ship is not None and found.ship.precision == kept
    (guard,) = found.guards
    assert (guard.other.precision, guard.worth_it) == ("bf16", kept != "bf16")
    assert (guard.gain.value, guard.gain.low) == pytest.approx(gain[:2])
    assert guard.loss_db == pytest.approx(0.11)


def test_the_front_holds_what_no_arm_beats() -> None:
    slow = row("onnxruntime", "espcn_rgb", "fp32", 31.08, 171.0)
    worse = row("onnxruntime", "espcn_rgb", "int8-minmax", 30.95, 41.0)
    found = decided(FP32, {**BF16, "psnr_db": 31.06}, INT8, slow, worse, BICUBIC)
    assert [arm.folder for arm in found.front] == [
        "local/openvino/espcn_rgb/int8-minmax",
        "local/openvino/espcn_rgb/bf16",
        "local/openvino/espcn_rgb/fp32",
    ]


def test_a_slow_arm_is_not_on_the_front_for_a_rounding_difference() -> None:
    """PyTorch at 2 FPS has the picture of OpenVINO at 7 to a thousandth of a dB."""
    slow = row("pytorch", "espcn_rgb", "fp32", FP32["psnr_db"] + 0.001, 460.0)
    better = row("pytorch_tuned", "espcn_rgb", "fp32", FP32["psnr_db"] + 0.02, 170.0)
    assert [arm.folder for arm in decided(FP32, slow).front] == ["local/openvino/espcn_rgb/fp32"]
    # One that is better by as much as counts is.
    assert [arm.folder.split("/")[1] for arm in decided(FP32, slow, better).front] == [
        "openvino",
        "pytorch_tuned",
    ]


FLOAT = {key: FP32[key] for key in ("precision", "fps", "speedup", "speedup_low", "speedup_high")}


def adding(added: float, clip: str, fp32_db: float, **other: Any) -> dict:
    """INT8 that has this squared error beyond FP32's on a clip, as rows of metrics.csv have it."""
    psnr = 10 * math.log10(255**2 / (255**2 / 10 ** (fp32_db / 10) + added))
    return {**INT8, "clip": clip, "psnr_of_mean_db": psnr, "psnr_db": psnr, **other}


def test_losses_are_those_on_the_users_own_pictures() -> None:
    """Errors: 65.025 at 30 dB, 6.5025 at 40 dB, 0.65025 at 50 dB."""
    fp32 = [adding(0.0, "park", 30.0, **FLOAT), adding(0.0, "rooms", 40.0, **FLOAT)]
    int8 = [adding(0.5, "park", 30.0), adding(0.25, "rooms", 40.0)]
    # A smaller network, whose FP32 has 1.25 times the error on park, and the same on rooms.
    small = [adding(0.25 * 65.025, "park", 30.0, **FLOAT, model="small"), {**fp32[1], "model": "small"}]
    rows = with_added(whole([*fp32, *int8, *small]))

    def losses(own_psnr_db: float | None) -> dict[str, tuple[float, str]]:
        arms = find_candidates(rows, own_psnr_db)
        return {f"{arm.model} {arm.precision}": (arm.loss_db, arm.worst_clip) for arm in arms}

    # On the clips themselves, rooms loses more; on the same pictures, what is added on park does.
    assert losses(None)["espcn_rgb int8-minmax"] == (
        pytest.approx(10 * math.log10(1 + 0.25 / 6.5025)),
        "rooms",
    )
    for own, error in ((30, 65.025), (40, 6.5025), (50, 0.65025)):
        found = losses(own)
        assert found["espcn_rgb int8-minmax"] == (pytest.approx(10 * math.log10(1 + 0.5 / error)), "park")
        # A network that is worse in FP32 stays so: it isn't taken for one that adds nothing.
        assert found["small fp32"] == (pytest.approx(10 * math.log10(1.25)), "park")
    # 0.03, 0.32 and 2.5 dB: by itself the key asks for the loss that is allowed without a wish.
    assert [shipped(*rows, own_psnr_db=own) for own in (30, 40, 50)] == ["int8-minmax", "fp32", "fp32"]
    assert shipped(*rows, own_psnr_db=40, loss_db=0.4) == "int8-minmax"


def test_less_error_than_fp32_is_no_gain_elsewhere_and_no_fp32_no_loss_at_all() -> None:
    rows = [adding(0.0, "park", 30.0, **FLOAT), adding(-2.0, "park", 30.0)]
    alone = adding(0.0, "park", 30.0, model="own", precision="as-is")
    found = decide(with_added(whole([*rows, alone])), Wish(own_psnr_db=60).or_default())[0]
    assert found.ship is not None and found.ship.precision == "int8-minmax"
    assert found.ship.loss_db == pytest.approx(0, abs=1e-9)
    # What the quantised network adds to its FP32 can't be known, and nothing stands in for it.
    assert [arm.folder for arm in found.faulty] == ["local/openvino/own/as-is"]
    assert [arm.faults for arm in found.faulty] == [(WITHOUT_FP32,)]
    assert decide(whole([alone]), Wish(loss_db=1.0))[0].faulty == ()


def on(clip: str, rows: list[dict], lost: float = 0.0, **other: Any) -> list[dict]:
    """The same arms on another clip, where INT8 loses more; timed on park."""
    return [
        {**r, "clip": clip, "psnr_db": r["psnr_db"] + 5 - lost * r["precision"].startswith("int8"), **other}
        for r in rows
    ]


def test_the_clip_where_an_arm_loses_most_decides() -> None:
    park = [FP32, BF16, INT8]
    assert shipped(*park, *on("rooms", park), loss_db=0.2) == "int8-minmax"
    rows = [*park, *on("rooms", park, lost=0.5)]
    found = decided(*rows, loss_db=0.2)
    assert found.ship is not None and found.ship.precision == "bf16"
    assert found.guards[0].loss_db == pytest.approx(0.61)
    int8 = found.front[0]
    assert (int8.worst_clip, int8.loss_db) == ("rooms", pytest.approx(0.62))
    # PSNR is that of the clip where it is least.
    assert int8.psnr_db == 30.96


def test_speed_is_that_of_the_clip_that_an_arm_was_timed_on() -> None:
    park = [FP32, BF16, INT8]
    # Nonsense, which nothing may read: these rows repeat the timing of park.
    rooms = on("rooms", park, fps=1000.0, speedup=99.0, speedup_low=98.0, speedup_high=100.0)
    assert shipped(*park, *rooms, fps=30) is None
    # Larger frames with a timing of their own are slower, and count.
    large = on("large", park, timed_on="large")
    for one in large:
        one["fps"] /= 4
    assert shipped(*park, *large, fps=20) is None
    assert shipped(*park, *large, fps=6) == "int8-minmax"


def test_a_fault_names_its_clip_where_there_are_several() -> None:
    wrong = {**INT8, "cautions": "shifted: red by +3.0"}
    found = decided(FP32, INT8, *on("rooms", [FP32, wrong]), loss_db=0.5)
    assert [arm.faults for arm in found.faulty] == [("shifted: red by +3.0 (rooms)",)]


@pytest.mark.parametrize("start", ["far off: ", "saturated: ", "shifted: ", "checkered: "])
def test_an_arm_with_a_fault_in_its_picture_is_not_shipped(start: str) -> None:
    found = decided(FP32, BF16, {**INT8, "cautions": f"noisy: x; {start}so much"}, loss_db=0.5)
    assert found.ship is not None and found.ship.precision == "bf16"
    assert [arm.faults for arm in found.faulty] == [(f"{start}so much",)]
    assert [arm.precision for arm in found.noisy] == ["int8-minmax"]
    assert found.guards == ()


def test_int8_that_gains_nothing_is_not_shipped_for_a_rounding_difference() -> None:
    # It is better by less than what a run of another picture changes.
    better = gaining(0.9, 0.6, 1.4, psnr_db=BF16["psnr_db"] + 0.004)
    assert shipped(SURE, better, loss_db=0.1) == "bf16"


def test_where_every_network_is_below_bicubic_one_is_chosen_all_the_same() -> None:
    # As networks are that are trained for looks.
    below = [{**each, "cautions": "far off: 1.20 dB below bicubic"} for each in (FP32, BF16, INT8)]
    found = decided(*below, loss_db=0.5)
    assert found.ship is not None and found.ship.precision == "int8-minmax"
    assert len(found.doubtful) == 3 and found.faulty == () and found.guards != ()
    # A sound one comes first, and other faults are never shipped.
    assert shipped(FP32, *below[1:], loss_db=0.5) == "fp32"
    spoilt = {**INT8, "cautions": "far off: 1.20 dB below bicubic; shifted: red by +3.0"}
    found = decided(*below[:2], spoilt, loss_db=0.5)
    assert found.ship is not None and found.ship.precision == "bf16"
    assert [arm.precision for arm in found.faulty] == ["int8-minmax"]


def test_on_a_busy_machine_ratios_order_arms() -> None:
    """INT8 was timed under load: its FPS is low, its ratio to the reference holds."""
    loaded = {**INT8, "fps": 10.0, "cautions": "noisy: 1.0 processors were busy with other work"}
    assert shipped(FP32, BF16, loaded, loss_db=0.2) == "int8-minmax"


def test_without_a_reference_percentiles_bound_a_gain() -> None:
    alone = dict.fromkeys(("reference", "speedup", "speedup_low", "speedup_high"))
    rows = [{**each, **alone} for each in (FP32, BF16, INT8)]
    gain = decided(*rows, loss_db=0.2).guards[0].gain
    # Percentiles are 1.05 times the medians.
    assert (gain.low, gain.value, gain.high) == pytest.approx((79 / 42, 79 / 40, 79 * 1.05 / 40))


def test_why_int8_gains_little() -> None:
    slow = gaining(1.0, 0.9, 1.1, quantized_convolutions=5, int8_convolutions=3, float_share=0.25)
    slow |= {
        "unaligned_share": 0.5,
        "float_layers": "skip 20.0%, body.0 5.0%",
        "cautions": "this processor has no instructions for INT8 products (VNNI)",
    }
    assert decided(FP32, SURE, slow, loss_db=0.5).guards[0].reasons == (
        "2 of 5 quantised convolutions run in float",
        "the graph leaves 25% of its multiply-adds in float (skip 20.0%, body.0 5.0%)",
        "50% of its multiply-adds have channels that aren't multiples of 16",
        "the processor has no instructions for INT8 products (VNNI)",
    )


def test_each_target_has_a_decision_of_its_own() -> None:
    device = [{**each, "target": "jetson"} for each in (FP32, BF16)]
    found = decide(whole([FP32, BF16, INT8, *device]), Wish(loss_db=0.2))
    assert [(d.target, d.ship and d.ship.precision) for d in found] == [
        ("jetson", "bf16"),
        ("local", "int8-minmax"),
    ]


def test_nothing_to_decide() -> None:
    failed = not_run("openvino", "espcn_rgb", "fp32", "no such file")
    found = decided(failed, BICUBIC)
    assert (found.ship, found.nearest, found.front, found.guards, found.not_run) == (None, None, (), (), 1)


def test_an_arm_must_have_run_on_every_clip() -> None:
    gone = not_run("openvino", "espcn_rgb", "int8-minmax", "out of memory") | {"clip": "large"}
    rows = [FP32, BF16, INT8, *on("large", [FP32, BF16]), gone]
    assert shipped(*rows, loss_db=0.5) == "bf16"


def test_networks_compete_by_the_best_of_all() -> None:
    """ESPCN_YCbCr has the better picture: ESPCN_RGB loses against it too."""
    found = decided(*default_rows(), loss_db=0.1)
    assert found.ship is not None
    assert found.ship.folder == "local/openvino/espcn_ycbcr/bf16"
    assert {guard.model for guard in found.guards} == {"espcn_rgb", "espcn_ycbcr"}
