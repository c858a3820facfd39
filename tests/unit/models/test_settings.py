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
