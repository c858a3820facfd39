"""Real runtimes on frames in tiles: the same picture as in one pass, and the record says so."""

import dataclasses

import pytest

from superres.device.base.outputs import read_json
from superres.device.machine import memory
from superres.device.runtimes import tiled

from ..run_worker import run

FOOTPRINT = {"bytes_per_pixel": 100, "radius": 4, "multiple": 1}


def _with_footprint(job):
    return dataclasses.replace(job, settings={**job.settings, "footprint": FOOTPRINT})


ARMS = [("pytorch", "fp32"), ("onnxruntime", "int8-minmax"), ("openvino", "int8-minmax")]


@pytest.mark.parametrize(("runtime", "precision"), ARMS)
def test_quality_in_tiles_is_that_of_whole_frames(runtime, precision, tiny_arm, monkeypatch):
    arm = tiny_arm(runtime, precision)
    assert run(arm.build_engine(), arm.folder) == run(arm.measure_quality(), arm.folder) == 0
    whole = arm.path("quality.csv").read_text()
    monkeypatch.setattr(tiled, "TILE_BYTES", 150 * FOOTPRINT["bytes_per_pixel"])
    assert run(_with_footprint(arm.build_engine()), arm.folder) == 0
    assert run(arm.measure_quality(), arm.folder) == 0
    assert read_json(arm.path("quality.json"), ())["session"]["tiles"] == 2
    assert arm.path("quality.csv").read_text() == whole
    assert run(arm.measure_latency(), arm.folder) == 0
    assert read_json(arm.path("latency.json"), ())["session"]["tiles"] == 2


def test_frames_without_room_are_refused_in_one_line(tiny_arm, monkeypatch, capsys):
    arm = tiny_arm("onnxruntime", "fp32")
    assert run(_with_footprint(arm.build_engine()), arm.folder) == 0
    monkeypatch.setattr(memory, "available_memory", lambda: 100)
    assert run(arm.measure_quality(), arm.folder) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "onnxruntime fp32 on frames of 16x12: expected 0.0 GiB of free memory" in error
    assert not arm.path("quality.csv").exists()
