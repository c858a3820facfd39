"""A device on this machine, with a quick worker."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from far_side import FarSide, find_python38, wait_until
from superres.targets.remote import errand as remote

from .quick import WORK, repack


@pytest.fixture(scope="module")
def worker() -> Iterator[None]:
    """A worker with the agent as it is, and a quick task in place of what needs numpy."""
    quick = repack("superres/device/tasks/worker.py", lambda text: WORK)
    before, remote.pack_worker = remote.pack_worker, lambda: quick
    yield
    remote.pack_worker = before


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FarSide]:
    # The agent needs no numpy: any Python 3.8 will do, and the one of the tests where there is none.
    side = FarSide.make(tmp_path_factory.mktemp("far"), find_python38() or sys.executable)
    side.start()
    yield side
    side.stop_sessions()
    side.stop()


@pytest.fixture
def far(worker: None, server: FarSide, tmp_path: Path) -> Iterator[FarSide]:
    """The same sshd with a work folder of its own, in which no process may be left and no lock held."""
    side = FarSide(server.folder, server.with_device(workdir=str(tmp_path / "work")), server.process)
    yield side
    server.process = side.process
    try:
        wait_until(lambda: not side.processes(), "the device's processes to end")
    finally:
        for pid in side.processes():
            os.kill(pid, signal.SIGKILL)
    assert not side.parts()


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """The worker waits until this file is there."""
    return tmp_path / "gate"
