"""What a training does at each step: learning rate and objective, as functions of the step alone."""

import math
from typing import Literal

from superres.models.settings import TrainingSettings

Objective = Literal["l1", "mse"]


def learning_rate_at(step: int, settings: TrainingSettings) -> float:
    """Learning rate of a step (1 to `settings.steps`): linear warm-up, then a cosine down.

    Loshchilov and Hutter, arXiv:1608.03983, Eq. 5, without restarts; the last step has
    `learning_rate` times `final_lr_fraction`.
    """
    if step <= settings.warmup_steps:
        return settings.learning_rate * step / settings.warmup_steps
    progress = (step - settings.warmup_steps) / max(1, settings.steps - settings.warmup_steps)
    cosine = (1 + math.cos(math.pi * progress)) / 2
    floor = settings.final_lr_fraction
    return settings.learning_rate * (floor + (1 - floor) * cosine)


def objective_at(step: int, settings: TrainingSettings) -> Objective:
    """What a step minimises: mean absolute error for the first `l1_steps` steps, mean squared error after."""
    return "l1" if step <= settings.l1_steps else "mse"
