"""What a study may wish of the arm to ship."""

from typing import Any

import pytest

from superres.device.base.errors import UserError
from superres.study.keys.report import Recommend
from superres.study.load import load_study

from .test_load import Config, edited


def wished(wish: Any) -> Recommend:
    def change(config: Config) -> None:
        config["recommend"] = wish

    return load_study(edited(change)).recommend


def test_wishes() -> None:
    assert wished({}).model_dump() == dict.fromkeys(("fps", "loss_db", "psnr_db", "own_psnr_db"))
    asked = wished({"fps": 30, "loss_db": 0, "own_psnr_db": 38}).model_dump()
    assert asked == {"fps": 30.0, "loss_db": 0.0, "psnr_db": None, "own_psnr_db": 38.0}


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"fps": 0}, r"recommend\.fps: expected more than 0, found 0"),
        ({"psnr_db": float("nan")}, r"recommend\.psnr_db: expected a finite number, found nan"),
        ({"psnr_db": -3}, r"recommend\.psnr_db: expected more than 0, found -3"),
        ({"loss_db": -0.1}, r"recommend\.loss_db: expected 0 or more, found -0\.1"),
        ({"own_psnr_db": 0}, r"recommend\.own_psnr_db: expected more than 0, found 0"),
        # 100 dB are an error of a thousandth of a level; a squared error of 1,000 dB is none at all.
        ({"own_psnr_db": 1000}, r"recommend\.own_psnr_db: expected 100 or less, found 1000"),
        ({"own_psnr_db": "38 dB"}, r"recommend\.own_psnr_db: expected a number, found '38 dB'"),
        ({"own_psnr_db": None}, r"recommend\.own_psnr_db: expected a number, found None"),
        ({"loss_db": "little"}, r"recommend\.loss_db: expected a number, found 'little'"),
        ({"speed": 30}, r"recommend\.speed: unknown key"),
        (30, r"recommend: expected a mapping of keys, found 30"),
    ],
)
def test_mistakes(wish: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        wished(wish)
