import math
from typing import Any

import pytest

from superres.device.base.errors import UserError
from superres.models.settings import TrainingSettings


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps: expected a finite number from 1 up, found 0"),
        ({"patches": [32, -3]}, "patches: expected a finite number from 1 up, found -3"),
        ({"patches": []}, "patches: expected at least one size, found none"),
        ({"int8_noise": -1}, "int8_noise: expected a finite number from 0 up, found -1"),
        ({"learning_rate": math.nan}, "learning_rate: expected a finite number from 0 up, found nan"),
        ({"learning_rate": math.inf}, "learning_rate: .* found inf"),
        ({"ema_decay": 1.0}, "ema_decay below 1"),
        ({"final_lr_fraction": 1.5}, "final_lr_fraction at most 1"),
    ],
)
def test_a_value_outside_its_range_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        TrainingSettings(**changes)
