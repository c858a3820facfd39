"""Whenever a run is killed, nothing that it left is wrong, and the next call ends with the same bytes."""

import os
import signal
import time
from pathlib import Path

import pytest

from .conftest import Undisturbed
from .small import SmallStudy, kill_at, make_small, moments, processes_of, wait_for

SEED = 21
# The last files come within moments of each other; a run has to be there to be killed.
LAST = 8


def kill_and_look(study: SmallStudy, moment: tuple[int, float], undisturbed: Undisturbed) -> None:
    """Start the study, kill it, and compare every file that has its final name."""
    kill_at(study, study.start(), *moment)
    for name, content in study.contents().items():
        assert content == undisturbed.contents[name], f"{name} is half-written or wrong"


def test_a_run_that_is_killed_five_times_ends_with_the_same_bytes(undisturbed: Undisturbed, tmp_path: Path):
    study = make_small(tmp_path)
    for moment in moments(SEED, 5, undisturbed.events // 6):
        kill_and_look(study, moment, undisturbed)
    study.finish()
    assert study.contents() == undisturbed.contents
    study.verify()
    assert not list(study.results.rglob("*.part*"))


def test_the_next_call_waits_for_jobs_whose_call_was_killed_alone(undisturbed: Undisturbed, tmp_path: Path):
    """As the system does where memory ends: it takes the largest process, and leaves the others."""
    study = make_small(tmp_path)
    run = study.start()
    engine = study.results / "logs/build_engine/local/openvino/espcn_rgb/fp32.log"
    wait_for(engine, run)
    # The jobs stand still, so that they are there however long the next call takes to look.
    left = [pid for pid in processes_of(run) if pid != run.pid]
    for pid in left:
        os.kill(pid, signal.SIGSTOP)
    run.kill()
    run.wait()
    again = study.start(study.folder / "said.txt")
    while "waits for jobs of an earlier call" not in (study.folder / "said.txt").read_text():
        assert again.poll() is None
        time.sleep(0.01)
    for pid in left:
        os.kill(pid, signal.SIGCONT)
    assert again.wait() == 0
    assert study.contents() == undisturbed.contents


@pytest.mark.thorough
@pytest.mark.parametrize("number", range(30))
def test_a_run_that_is_killed_anywhere_ends_with_the_same_bytes(
    number: int, undisturbed: Undisturbed, tmp_path: Path
):
    study = make_small(tmp_path)
    kill_and_look(study, moments(SEED + 1, 30, undisturbed.events - LAST)[number], undisturbed)
    study.finish()
    assert study.contents() == undisturbed.contents
    assert not list(study.results.rglob("*.part*"))
