"""The record and the log of a training."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from superres.device.base.errors import UserError
from superres.models.training.record import (
    LogRow,
    TrainingRecord,
    notes,
    read_log,
    write_log,
    write_record,
)

VERSIONS = {"torch": "2"}
RECORD = TrainingRecord(
    "mine", {}, 1, 2, {"steps": 2}, "abc", 30.5, 28.5, 1.5, VERSIONS, {"kind": "plain"}, [16, 16], [2, 1]
)


def test_record_round_trip(tmp_path: Path) -> None:
    write_record(RECORD, tmp_path / "new" / "record.json")
    assert json.loads((tmp_path / "new" / "record.json").read_text()) == asdict(RECORD)


def test_a_training_that_ended_badly_is_named() -> None:
    assert notes(RECORD) == []
    assert notes(replace(RECORD, silent_channels=[2, 2])) == [
        "train mine: 4 of 32 channels are zero on every validation image; a lower learning_rate keeps them"
    ]
    assert notes(replace(RECORD, validation_psnr_y_db=28.4)) == [
        "train mine: 28.40 dB on the validation images, less than bicubic's 28.50; more steps or images, or "
        "another learning_rate, may help"
    ]


ROWS = [
    LogRow(100, 1e-3, 2.5e-2, None, "l1"),
    LogRow(200, 5e-4, 2e-2, 30.125, "l1"),
    LogRow(300, 1e-5, 1e-3, 31.5, "mse"),
]


def test_log_round_trip(tmp_path: Path) -> None:
    write_log(ROWS, tmp_path / "new" / "log.csv")
    assert read_log(tmp_path / "new" / "log.csv") == ROWS
    first = (tmp_path / "new" / "log.csv").read_text().splitlines()[:2]
    assert first == ["step,learning_rate,loss,validation_psnr_y_db,objective", "100,0.001,0.025,,l1"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "expected a training log"),
        ("a,b\n1,2\n", "expected a training log"),
        ("step,learning_rate,loss,validation_psnr_y_db,objective\n1,x,2,,l1\n", "expected a training log"),
        ("step,learning_rate,loss,validation_psnr_y_db,objective\n", "at least one row"),
    ],
)
def test_a_file_that_is_no_log(tmp_path: Path, content: str | None, message: str) -> None:
    log = tmp_path / "log.csv"
    if content is not None:
        log.write_text(content)
    with pytest.raises(UserError, match=message):
        read_log(log)
