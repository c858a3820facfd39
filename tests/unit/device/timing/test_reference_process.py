"""A session in a process of its own: what it times, and how it ends."""

import dataclasses
import os
import signal
import time
from pathlib import Path

import pytest

from superres.device.base.errors import UnsupportedError, UserError
from superres.device.tasks import worker
from superres.device.tasks.engine import Engine
from superres.device.timing.reference_process import Partner


@pytest.fixture
def engine(tiny_arm) -> tuple[Engine, Path, Path]:
    arm = tiny_arm("opencv", "uint8")
    worker.run_job(arm.build_engine())
    files = arm.path("engine.bin"), arm.path("engine.json")
    return Engine("opencv", "uint8", 1, {"frames": "uint8"}, *files), arm.path("c.x2.npy"), arm.path("c.json")


def gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def test_it_times_blocks_of_frames_around_the_clip(engine):
    with Partner(*engine) as partner:
        assert set(partner.wait()) == {"engine_sha256"}
        seconds = 0.02
        # As long as the machine needs for three frames: the clip's end and what follows it.
        while len(timed := partner.block(2, seconds)) < 3:
            seconds *= 2
        first, *rest = timed
        assert (first.frame, first.height, first.width) == (2, 12, 16)
        assert [each.frame for each in rest[:2]] == [0, 1]
        assert len(partner.block(0, 0)) == 1
        process = partner.process
    assert gone(process)


def test_what_keeps_it_from_opening_is_said_here(engine):
    arm, *clip = engine
    with (
        pytest.raises(UserError, match="expected precision fp32, found uint8"),
        Partner(dataclasses.replace(arm, precision="fp32"), *clip) as partner,
    ):
        partner.wait()


def test_an_engine_that_was_not_built_is_unsupported(tiny_arm):
    arm = tiny_arm("opencv", "fp16")
    worker.run_job(arm.build_engine())
    files = arm.path("engine.bin"), arm.path("engine.json")
    engine = Engine("opencv", "fp16", 1, {"frames": "uint8"}, *files)
    with (
        pytest.raises(UnsupportedError, match="interpolates in uint8 only"),
        Partner(engine, arm.path("c.x2.npy"), arm.path("c.json")) as partner,
    ):
        partner.wait()


def test_its_death_is_an_error_with_its_signal(engine):
    with Partner(*engine) as partner:
        partner.wait()
        os.kill(partner.process, signal.SIGKILL)
        with pytest.raises(RuntimeError, match="exit code -9"):
            while True:
                partner.block(0, 0)
                time.sleep(0.01)
