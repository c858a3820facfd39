"""The quality of shards is that of one job, and shards of different engines aren't mixed."""

import json
from pathlib import Path

import numpy as np
import pytest

from superres.device.base.errors import UserError
from superres.report.metrics.shards import join_quality

RECORD = {
    "status": "ok",
    "settings": {"border": 0},
    "runtime": "openvino",
    "precision": "fp32",
    "versions": {"openvino": "1"},
    "engine_sha256": "e",
    "clip": "c",
    "clip_sha256": "c",
    "frames": 2,
    "seconds": 1.5,
    "open_seconds": 0.5,
    "runtime_seconds": 0.25,
    "total_seconds": 0.75,
}


def write_shard(
    folder: Path, number: int, rows: str, sample: np.ndarray, **changes: object
) -> dict[str, Path]:
    paths = {name: folder / f"{number}.{name}" for name in ("quality", "record", "sample")}
    paths["quality"].write_text(f"frame,psnr_db\n{rows}", encoding="utf-8")
    settings = {"border": 0, "first": 2 * number, "end": 2 * number + 2}
    paths["record"].write_text(json.dumps({**RECORD, "settings": settings, **changes}), encoding="utf-8")
    with paths["sample"].open("wb") as file:
        np.save(file, sample)
    return paths


NONE = np.zeros((0, 0, 3), np.uint8)
FRAME = np.full((2, 2, 3), 7, np.uint8)


def join(folder: Path, *shards: dict[str, Path]) -> dict[str, Path]:
    joined = {name: folder / f"whole.{name}" for name in shards[0]}
    join_quality(*([shard[name] for shard in shards] for name in shards[0]), **joined)
    return joined


def test_rows_follow_each_other_and_times_add_up(tmp_path: Path):
    shards = [
        write_shard(tmp_path, 0, "0,30.5\n1,31.5\n", NONE),
        write_shard(tmp_path, 1, "2,32.5\n", FRAME, frames=1, seconds=0.25),
    ]
    joined = join(tmp_path, *shards)
    assert joined["quality"].read_text() == "frame,psnr_db\n0,30.5\n1,31.5\n2,32.5\n"
    record = json.loads(joined["record"].read_text())
    assert record == {
        **RECORD,
        **{"frames": 3, "seconds": 1.75, "open_seconds": 1.0, "runtime_seconds": 0.5, "total_seconds": 1.5},
        "shards": 2,
    }
    assert (np.load(joined["sample"]) == FRAME).all()


@pytest.mark.parametrize("key", ["engine_sha256", "clip_sha256", "versions"])
def test_shards_of_other_engines_are_refused(tmp_path: Path, key: str):
    shards = [
        write_shard(tmp_path, 0, "0,30.5\n", FRAME),
        write_shard(tmp_path, 1, "2,3\n", NONE, **{key: "x"}),
    ]
    with pytest.raises(
        UserError, match=rf"1.record: expected {key} .*, found x; measure all shards on equal"
    ):
        join(tmp_path, *shards)
    assert not (tmp_path / "whole.record").exists()


def test_an_arm_that_cannot_run_on_one_machine_has_no_rows(tmp_path: Path):
    shards = [
        write_shard(tmp_path, 0, "0,30.5\n", FRAME),
        write_shard(tmp_path, 1, "", NONE, status="not run: no such kernel"),
    ]
    joined = join(tmp_path, *shards)
    assert joined["quality"].read_text() == "frame,psnr_db\n"
    record = json.loads(joined["record"].read_text())
    assert record["status"] == "not run: no such kernel" and record["settings"] == {"border": 0}
    assert np.load(joined["sample"]).size == 0
