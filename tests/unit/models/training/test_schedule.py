import pytest

from superres.models.settings import TrainingSettings

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
