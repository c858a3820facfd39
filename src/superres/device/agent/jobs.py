"""A job on a device: one folder with all of its state, whichever processes have ended.

request.json   the host's request               in/    links to its inputs in the store
log            the worker's output              out/   its outputs
result.json    the result, written last         agent  locked by the agent while it runs
users          locked, shared, by all who need the folder

The system frees a lock when the last process that has the file open ends.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Set

from superres.device.agent.store import Store
from superres.device.base.errors import UserError
from superres.device.base.locks import lock

_GONE = ".gone-"
_KEPT_SECONDS = 7 * 24 * 3600
"""The time that a result waits for a lost host."""


class JobFolder:
    """The folder of one job below a device's `jobs/`, by the job's key."""

    def __init__(self, path: Path):
        self.path = path
        self.log = path / "log"

    def use(self) -> int:
        """Make the folder and hold its lock; returns the descriptor."""
        users = self.path / "users"
        while True:
            # Another process may be removing the folder.
            with suppress(FileNotFoundError):
                self.path.mkdir(parents=True, exist_ok=True)
                descriptor = take_lock(users, shared=True)
                if descriptor is not None:
                    if is_at(descriptor, users):
                        return descriptor
                    os.close(descriptor)
            time.sleep(0.02)

    def is_running(self) -> bool:
        """Return whether the job's agent is alive."""
        return is_locked(self.path / "agent")

    def result(self) -> Optional[Dict[str, Any]]:
        """Return the job's result; None if it hasn't ended."""
        try:
            return json.loads((self.path / "result.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None

    def prepare(self, request: Dict[str, Any], store: Store) -> None:
        """Start over: write the request, and links to the inputs, which may arrive later."""
        for name in ("in", "out"):
            shutil.rmtree(str(self.path / name), ignore_errors=True)
        self.log.write_bytes(b"")
        (self.path / "out").mkdir()
        (self.path / "request.json").write_text(json.dumps(request), encoding="utf-8")
        (self.path / "job.json").write_text(json.dumps(request["job"]), encoding="utf-8")
        for place, (sha256, _) in request["files"].items():
            link = self.path / place
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(store.path(sha256).resolve())

    def start(self, worker: Path, *locks: int) -> None:
        """Start the agent, which outlives this process and inherits the locks."""
        while True:
            mine = take_lock(self.path / "agent")
            if mine is not None:
                break
            # Another process is testing it: a real holder would hold the device's lock as well.
            time.sleep(0.01)
        # The agent writes its own: never is the one of another process there while it runs.
        with suppress(FileNotFoundError):
            (self.path / "agent.pid").unlink()
        with closing(mine), (self.path / "agent.log").open("wb") as log:
            subprocess.Popen(
                [sys.executable, str(worker), "agent", str(self.path), str(worker), *map(str, locks)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(mine, *locks),
                start_new_session=True,
            )

    def stop(self) -> None:
        """Stop the agent, which stops its worker, and wait until it is gone."""
        while self.is_running():
            with suppress(FileNotFoundError, ProcessLookupError, ValueError):
                os.kill(int((self.path / "agent.pid").read_text(encoding="ascii")), signal.SIGTERM)
            time.sleep(0.1)

    def agents_last_words(self) -> str:
        """Return the end of the agent's own log."""
        try:
            return (self.path / "agent.log").read_text(encoding="utf-8", errors="replace").strip()[-300:]
        except FileNotFoundError:
            return ""

    def needed(self) -> Set[str]:
        """Return the hashes of the inputs."""
        try:
            request = json.loads((self.path / "request.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return set()
        return {sha256 for sha256, _ in request["files"].values()}

    def age(self) -> float:
        """Return the seconds since its last change; 0 if it is gone."""
        try:
            return time.time() - self.path.stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def remove(self) -> bool:
        """Remove the folder unless it is in use; returns whether it is gone."""
        users = self.path / "users"
        for _ in range(10):
            try:
                descriptor = take_lock(users, create=False)
            except FileNotFoundError:
                return False
            if descriptor is not None:
                break
            # It may be a process that only tests the lock.
            time.sleep(0.02)
        else:
            return False
        with closing(descriptor):
            if not is_at(descriptor, users):
                return False
            # A rename is atomic: nobody finds a part of it.
            gone = self.path.with_name(f"{_GONE}{os.getpid()}-{self.path.name}")
            self.path.rename(gone)
        shutil.rmtree(str(gone), ignore_errors=True)
        return True


def all_jobs(folder: Path) -> List[JobFolder]:
    """Return the jobs on a device."""
    if not folder.is_dir():
        return []
    return [JobFolder(path) for path in folder.iterdir() if not path.name.startswith(_GONE)]


def needed_files(folder: Path) -> Set[str]:
    """Return hashes of the inputs of all jobs in use; removes jobs that are dead or too old."""
    needed: Set[str] = set()
    for path in folder.glob(f"{_GONE}*"):
        shutil.rmtree(str(path), ignore_errors=True)
    for job in all_jobs(folder):
        if is_locked(job.path / "users", shared=True):
            needed |= job.needed()
        elif job.result() is None or job.age() > _KEPT_SECONDS:
            job.remove()
    return needed


def take_lock(path: Path, *, shared: bool = False, create: bool = True) -> Optional[int]:
    """Return a descriptor that holds the lock, None if it is taken; children that inherit it hold it too.

    Raises FileNotFoundError if the file, or the folder to create it in, is missing, and UserError if its file
    system has no locks.
    """
    descriptor = os.open(str(path), os.O_RDWR | (os.O_CREAT if create else 0), 0o600)
    try:
        locked = lock(descriptor, shared=shared)
    except BlockingIOError:
        os.close(descriptor)
        return None
    if not locked:
        # A lock is all that tells a job in use from one to be removed.
        os.close(descriptor)
        raise UserError(f"{path.parent}: expected a file system with locks, found none; name another workdir")
    return descriptor


def is_locked(path: Path, *, shared: bool = False) -> bool:
    """Return whether a process holds the lock, alone or (`shared`) with others; False without the file.

    The test holds the lock for a moment. Two tests at once don't disturb each other for an exclusive lock.
    """
    try:
        descriptor = take_lock(path, shared=not shared, create=False)
    except FileNotFoundError:
        return False
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


def is_at(descriptor: int, path: Path) -> bool:
    """Return whether the locked file is still the one at this path."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def closing(descriptor: int) -> Iterator[int]:
    """Release a lock at the end; children that inherited it keep it."""
    try:
        yield descriptor
    finally:
        os.close(descriptor)
