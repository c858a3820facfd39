"""Training: its outputs, interruptions and validation."""

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from superres.device.base.errors import UserError
from superres.device.frames.pixels import enlarge_bicubic
from superres.models.networks import Network, build_network
from superres.models.settings import Teacher, TrainingSettings
from superres.models.training import train as training
from superres.models.training.batches import open_pairs
from superres.models.training.teacher import Teaching
from superres.models.training.train import moving_average, train_model
from superres.models.training.validation import (
    psnr_y_db,
    silent_channels,
    upscale,
    validate,
    validate_bicubic,
)
from superres.models.weights import load_weights

MakePairs = Callable[..., Path]

SETTINGS = TrainingSettings.model_validate(
    {"steps": 12, "batch": 2, "patches": [8, 9], "learning_rate": 1e-3, "warmup_steps": 2, "l1_steps": 5}
    | {"ema_decay": 0.9, "log_every": 3, "checkpoint_every": 4, "validate_every": 6, "threads": 1}
)


class Case:
    """One training in a folder of its own, on the sets of `make_pairs`."""

    def __init__(self, folder: Path, make_pairs: MakePairs):
        self.folder = folder
        self.training = make_pairs("training", [(12, 20), (16, 9)])
        self.validation = make_pairs("validation", [(14, 10)], seed=1)

    def run(
        self,
        name: str,
        model: str = "espcn_ycbcr",
        settings: TrainingSettings = SETTINGS,
        teacher: Teaching | None = None,
    ) -> Path:
        out = self.folder / name
        train_model(
            model,
            settings,
            teacher=teacher,
            training=self.training,
            validation=self.validation,
            weights_out=out / "weights.safetensors",
            record_out=out / "record.json",
            log_out=out / "log.csv",
            checkpoint=out / "checkpoint.pt",
        )
        return out


@pytest.fixture
def case(tmp_path: Path, make_pairs: MakePairs) -> Case:
    return Case(tmp_path, make_pairs)


def interrupt_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Make the batch of a step raise, as Ctrl-C would, when first drawn."""
    draw, left = training.draw_batch, [step]

    def draw_or_raise(pairs: Any, seed: int, now: int, batch: int, patches: Any) -> Any:
        if left == [now]:
            left.clear()
            raise KeyboardInterrupt
        return draw(pairs, seed, now, batch, patches)

    monkeypatch.setattr(training, "draw_batch", draw_or_raise)


@pytest.mark.parametrize("step", [2, 7, 12])
@pytest.mark.parametrize(
    ("model", "expansion"), [("espcn_rgb", 0), ("espcn_ycbcr", 0), ("plain_c8_m4", 5), ("fsrcnn", 5)]
)
def test_resumed_training_is_the_same_to_the_bit(
    case: Case, monkeypatch: pytest.MonkeyPatch, model: str, expansion: int, step: int
) -> None:
    settings = SETTINGS.model_copy(update={"expansion": expansion})
    whole = case.run("whole", model, settings)
    interrupt_at(monkeypatch, step)
    with pytest.raises(KeyboardInterrupt):
        case.run("broken", model, settings)
    assert not (case.folder / "broken" / "weights.safetensors").exists()
    resumed = case.run("broken", model, settings)
    for name in ("weights.safetensors", "log.csv"):
        assert (resumed / name).read_bytes() == (whole / name).read_bytes()
    assert sorted(p.name for p in resumed.iterdir()) == ["log.csv", "record.json", "weights.safetensors"]


def test_channels_that_no_image_makes_positive_are_counted(case: Case) -> None:
    pairs = open_pairs(case.validation, 2)
    network = build_network("plain_c8_m4")

    def set_bias(number: int, channel: slice | int, value: float) -> None:
        layer = network.trunk.convolutions[number]
        assert layer.bias is not None
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.constant_(layer.bias[channel], value)

    for number in range(5):
        set_bias(number, slice(None), 1.0)
    assert silent_channels(network, pairs) == [0, 0, 0, 0, 0]
    for number, channel in ((1, 3), (4, 0), (4, 7)):
        set_bias(number, channel, -1.0)
    assert silent_channels(network, pairs) == [0, 1, 0, 0, 2]


def taught_by(model: str, weights: Path, share: float) -> tuple[TrainingSettings, Teaching]:
    keys = Teacher(model=model, share=share)
    return SETTINGS.model_copy(update={"teacher": keys}), Teaching(keys, weights)


def test_with_all_of_the_loss_a_teacher_replaces_the_photographs(case: Case, make_pairs: MakePairs) -> None:
    weights = case.run("teacher", "plain_c16_m4") / "weights.safetensors"
    settings, teacher = taught_by("plain_c16_m4", weights, 1.0)
    first = case.run("first", "plain_c8_m4", settings, teacher)
    # Other photographs with the same LR images.
    high = np.load(case.training.with_suffix(".hr.npy"))
    np.save(case.training.with_suffix(".hr.npy"), 255 - high)
    second = case.run("second", "plain_c8_m4", settings, teacher)
    alone = case.run("alone", "plain_c8_m4")
    found = [(out / "weights.safetensors").read_bytes() for out in (first, second, alone)]
    assert found[0] == found[1] != found[2]
    assert json.loads((first / "record.json").read_text())["settings"]["teacher"]["share"] == 1.0


def test_a_teachers_share_of_the_loss_counts(case: Case) -> None:
    weights = case.run("teacher", "plain_c16_m4") / "weights.safetensors"
    losses = []
    for share in (0.25, 0.5, 1.0):
        settings, teacher = taught_by("plain_c16_m4", weights, share)
        rows = list(
            csv.DictReader((case.run(f"{share}", "plain_c8_m4", settings, teacher) / "log.csv").open())
        )
        losses.append(float(rows[0]["loss"]))
    # The first steps differ little: the mean of their losses is between those of the two targets.
    a, b, c = losses
    assert abs(a - c) > 1e-4
    assert (a - b) / (a - c) == pytest.approx(1 / 3, abs=0.05)


def test_a_teacher_on_other_colours_is_refused(case: Case) -> None:
    weights = case.run("teacher", "espcn_rgb") / "weights.safetensors"
    with pytest.raises(UserError, match="expected a teacher on luma as its pupil, found espcn_rgb on rgb"):
        case.run("pupil", "plain_c8_m4", *taught_by("espcn_rgb", weights, 0.5))


def test_it_learns(case: Case) -> None:
    out = case.run(
        "long",
        "espcn_rgb",
        TrainingSettings.model_validate(
            {"steps": 60, "batch": 4, "patches": [8], "warmup_steps": 5, "threads": 1}
        ),
    )
    rows = list(csv.DictReader((out / "log.csv").open(newline="")))
    record = json.loads((out / "record.json").read_text())
    torch.manual_seed(0)
    untrained = validate(build_network("espcn_rgb"), training.open_pairs(case.validation, 2))
    assert record["validation_psnr_y_db"] > untrained + 0.5
    assert float(rows[-1]["validation_psnr_y_db"]) == record["validation_psnr_y_db"]


def test_log_has_a_row_where_one_is_due(case: Case) -> None:
    out = case.run("log")
    rows = list(csv.DictReader((out / "log.csv").open(newline="")))
    assert [int(row["step"]) for row in rows] == [3, 6, 9, 12]
    assert [bool(row["validation_psnr_y_db"]) for row in rows] == [False, True, False, True]
    assert [row["objective"] for row in rows] == ["l1", "mse", "mse", "mse"]


def test_record_says_what_the_weights_are(case: Case) -> None:
    out = case.run("record")
    record = json.loads((out / "record.json").read_text())
    pairs = training.open_pairs(case.validation, 2)
    network = load_weights(build_network("espcn_ycbcr"), out / "weights.safetensors")
    assert record["validation_psnr_y_db"] == pytest.approx(validate(network, pairs), abs=1e-9)
    assert record["bicubic_psnr_y_db"] == pytest.approx(validate_bicubic(pairs), abs=1e-9)
    assert record["data"]["training"] == {"name": "training", "images": 2, "names": ["image0", "image1"]}
    assert (record["model"], record["seed"], record["steps"]) == ("espcn_ycbcr", 0, 12)
    assert record["settings"]["learning_rate"] == 1e-3
    assert record["seconds"] > 0
    assert record["versions"]["torch"] == torch.__version__


def test_a_training_that_diverges_names_the_step_and_keeps_the_checkpoint(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_at(monkeypatch, 6)
    with pytest.raises(KeyboardInterrupt):
        case.run("diverged")
    checkpoint = case.folder / "diverged" / "checkpoint.pt"
    good = checkpoint.read_bytes()
    monkeypatch.setattr(
        training, "draw_batch", lambda *_: (np.full((2, 8, 8, 3), 9), np.full((2, 16, 16, 3), 9))
    )
    monkeypatch.setattr(training, "rgb_to_luma", lambda frame: frame[:, :1] * float("nan"))
    with pytest.raises(
        UserError, match=r"espcn_ycbcr: step 5: expected a loss that falls, .* found a loss of nan"
    ):
        case.run("diverged")
    assert checkpoint.read_bytes() == good


def test_a_training_without_eigenvectors_diverges_too(case: Case) -> None:
    """The noise makes the loss large, not infinite."""
    settings = SETTINGS.model_copy(update={"int8_noise": 1e9})
    with pytest.raises(UserError, match=r"step \d+: expected a loss that falls, .* or int8_noise"):
        case.run("loud", settings=settings)


def test_a_checkpoint_of_another_training_is_refused_and_kept(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_at(monkeypatch, 6)
    with pytest.raises(KeyboardInterrupt):
        case.run("other")
    checkpoint = case.folder / "other" / "checkpoint.pt"
    before = checkpoint.read_bytes()
    with pytest.raises(
        UserError, match=r"checkpoint\.pt: checkpoint of another training: model: expected espcn_rgb"
    ):
        case.run("other", "espcn_rgb")
    assert checkpoint.read_bytes() == before


@pytest.mark.parametrize("key", ["magnitudes", "network"])
def test_a_checkpoint_of_another_version_is_refused(
    case: Case, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    interrupt_at(monkeypatch, 6)
    with pytest.raises(KeyboardInterrupt):
        case.run("older")
    checkpoint = case.folder / "older" / "checkpoint.pt"
    content = torch.load(checkpoint, weights_only=True)
    content["state"][key].clear() if key == "network" else content["state"].pop(key)
    torch.save(content, checkpoint)
    with pytest.raises(UserError, match=r"checkpoint\.pt: expected a checkpoint, found something else"):
        case.run("older")


def test_a_patch_larger_than_an_image(case: Case) -> None:
    with pytest.raises(UserError, match=r"image1: expected at least 10x10 LR pixels"):
        case.run("large", settings=TrainingSettings.model_validate({"patches": [8, 10]}))


def test_moving_average_forgets_the_start() -> None:
    average = torch.tensor(100.0)
    for count in range(1, 2000):
        average = moving_average(0.99, average, torch.tensor(1.0), count)
    assert average.item() == pytest.approx(1.0, abs=1e-4)
    # (1 + 1) / (10 + 1) of the old value remain after the second step, not 0.99 of it.
    second = moving_average(0.99, torch.tensor(100.0), torch.tensor(0.0), 1)
    assert second.item() == pytest.approx(100 * 2 / 11, rel=1e-6)
    late = moving_average(0.99, torch.tensor(100.0), torch.tensor(0.0), 10_000)
    assert late.item() == pytest.approx(99.0, rel=1e-6)


def test_grey_difference_of_one_level() -> None:
    reference = np.full((10, 12, 3), 100, np.uint8)
    # Studio-swing luma has a gain of 219 / 255 for grey.
    expected = 20 * math.log10(255 / (219 / 255))
    assert psnr_y_db(reference + 1, reference, 2) == pytest.approx(expected, abs=1e-6)


def test_difference_in_green_alone() -> None:
    reference = np.full((10, 12, 3), 100, np.uint8)
    upscaled = reference.copy()
    upscaled[..., 1] += 2
    assert psnr_y_db(upscaled, reference, 2) == pytest.approx(
        20 * math.log10(255 / (2 * 128.553 / 255)), abs=1e-6
    )


def test_border_of_two_pixels_does_not_count() -> None:
    reference = np.full((10, 12, 3), 100, np.uint8)
    upscaled = reference.copy()
    upscaled[:2], upscaled[-2:], upscaled[:, :2], upscaled[:, -2:] = 0, 0, 0, 0
    assert psnr_y_db(upscaled, reference, 2) == 60
    upscaled[2, 2] = 0
    assert psnr_y_db(upscaled, reference, 2) < 60


class Repeat(Network):
    """Repeat each pixel four times, and add some levels."""

    def __init__(self, levels: float):
        super().__init__()
        self.trunk = nn.Identity()  # pyright: ignore[reportAttributeAccessIssue]
        self.levels = levels

    def forward(self, frame: torch.Tensor) -> torch.Tensor:
        return nn.functional.interpolate(frame, scale_factor=2.0) + self.levels / 255


def test_upscale_rounds_to_the_nearest_level() -> None:
    frame = np.random.default_rng(2).integers(0, 250, (4, 5, 3), np.uint8)
    repeated = frame.repeat(2, 0).repeat(2, 1)
    assert np.array_equal(upscale(Repeat(0.4), frame), repeated)
    assert np.array_equal(upscale(Repeat(0.6), frame), repeated + 1)


def test_validation_is_the_mean_over_the_images(make_pairs: MakePairs) -> None:
    pairs = open_pairs(make_pairs("set", [(12, 20), (16, 9)]), 2)
    for score, method in ((validate(Repeat(0), pairs), "nearest"), (validate_bicubic(pairs), "bicubic")):
        singles = []
        for low, high in zip(pairs.lr, pairs.hr, strict=True):
            up = enlarge_bicubic(low, 2) if method == "bicubic" else low.repeat(2, 0).repeat(2, 1)
            luma = (up.astype(float) - high)[2:-2, 2:-2] @ np.array([65.481, 128.553, 24.966]) / 255
            singles.append(10 * np.log10(255**2 / np.mean(luma**2)))
        assert score == pytest.approx(np.mean(singles), abs=1e-9)
