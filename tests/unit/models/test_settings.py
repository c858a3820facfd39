"""Settings of a training and its schedule, and the built-in models."""

import math
from typing import Any

import pytest
from pydantic import ValidationError

from superres.models.networks import NETWORKS
from superres.models.settings import FOLDED_FROM, MODELS, TrainingSettings, weights_name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "greater than or equal to 1"),
        ({"patches": [32, 7]}, "greater than or equal to 8"),
        ({"patches": []}, "at least 1 item"),
        ({"patches": [32, 32]}, "expected each entry once, found 32 twice"),
        ({"int8_noise": -1}, "greater than or equal to 0"),
        ({"learning_rate": math.nan}, "finite"),
        ({"learning_rate": math.inf}, "finite"),
        ({"learning_rate": 0.0}, "greater than 0"),
        ({"ema_decay": 1.0}, "less than 1"),
        ({"final_lr_fraction": 1.5}, "less than or equal to 1"),
        ({"rate": 1.5}, "not permitted"),
    ],
)
def test_a_value_outside_its_range_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message) as caught:
        TrainingSettings(**changes)
    (error,) = caught.value.errors()
    assert error["loc"][0] == next(iter(changes))


def test_every_network_is_a_model_and_every_model_but_bicubic_has_a_network() -> None:
    assert {weights_name(name) for name in MODELS} - {"bicubic"} == set(NETWORKS)
    assert FOLDED_FROM == {"espcn_ycbcr_folded": "espcn_ycbcr"}
    assert list(MODELS)[-1] == "bicubic"


SETTINGS = TrainingSettings(steps=110, warmup_steps=10, learning_rate=2.0, final_lr_fraction=0.1, l1_steps=30)


@pytest.mark.parametrize(
    ("step", "rate"),
    [(1, 0.2), (5, 1.0), (10, 2.0), (60, 0.2 + 1.8 / 2), (110, 0.2)],
)
def test_learning_rate(step: int, rate: float) -> None:
    assert SETTINGS.learning_rate_at(step) == pytest.approx(rate, rel=1e-12)


def test_learning_rate_without_warmup_starts_near_its_peak() -> None:
    settings = TrainingSettings(steps=1000, warmup_steps=0, learning_rate=1.0)
    assert settings.learning_rate_at(1) == pytest.approx(1.0, abs=1e-4)


def test_a_training_that_ends_within_its_warmup() -> None:
    settings = TrainingSettings(steps=3, warmup_steps=10, learning_rate=1.0)
    assert settings.learning_rate_at(3) == pytest.approx(0.3)


def test_objective_changes_after_l1_steps() -> None:
    assert [SETTINGS.objective_at(step) for step in (1, 30, 31, 110)] == ["l1", "l1", "mse", "mse"]
