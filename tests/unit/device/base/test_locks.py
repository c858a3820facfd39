"""Locks, and file systems without them."""

import errno
import fcntl
from pathlib import Path

import pytest

from superres.device.agent.jobs import take_lock
from superres.device.base.errors import UserError
from superres.device.base.locks import lock


def test_a_lock_is_held_by_one_or_shared_by_many(tmp_path: Path):
    with (tmp_path / "a").open("w") as one, (tmp_path / "a").open("w") as two:
        assert lock(one)
        with pytest.raises(BlockingIOError):
            lock(two)
        with pytest.raises(BlockingIOError):
            lock(two, shared=True)
        assert lock(one, shared=True) and lock(two, shared=True)


def refuse(number: int):
    def flock(*_: object) -> None:
        raise OSError(number, "refused")

    return flock


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP])
def test_a_file_system_may_have_none(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fcntl, "flock", refuse(number))
    with (tmp_path / "a").open("w") as file:
        assert lock(file) is False and lock(file, wait=True) is False
    # On a device, a lock is all that tells a job in use from one to be removed.
    with pytest.raises(
        UserError, match="expected a file system with locks, found none; name another workdir"
    ):
        take_lock(tmp_path / "a")


def test_any_other_failure_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fcntl, "flock", refuse(errno.EIO))
    with (tmp_path / "a").open("w") as file, pytest.raises(OSError, match="refused"):
        lock(file)
