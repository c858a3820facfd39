"""A job on a device: one folder that says all of its state, whoever asks and whatever has died since.

request.json   what the host asked for          in/    links to its inputs in the store
log            what the worker wrote            out/   its outputs
result.json    how it ended, written last       agent  held locked by the agent while it lives
users          held locked, shared, by whoever needs the folder
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Dict, List, Optional, Set

from superres.device.agent.locks import closing, is_locked, take_lock
from superres.device.agent.store import Store

_KEPT_SECONDS = 7 * 24 * 3600
"""How long a result waits for a host that has gone away."""


class JobFolder:
    """The folder of one job below a device's `jobs/`, by the job's key."""

    def __init__(self, path: Path):
        self.path = path
        self.log = path / "log"

    def use(self) -> int:
        """Make the folder and hold it; returns the descriptor that does so."""
        while True:
            self.path.mkdir(parents=True, exist_ok=True)
            try:
                descriptor = take_lock(self.path / "users", shared=True)
            except FileNotFoundError:
                continue
            if descriptor is None:
                # It is being removed at this moment.
                time.sleep(0.05)
                continue
            if (self.path / "users").exists():
                return descriptor
            os.close(descriptor)

    def is_running(self) -> bool:
        """Whether the job's agent is alive."""
        return is_locked(self.path / "agent")

    def result(self) -> Optional[Dict[str, Any]]:
        """How the job ended; None if it hasn't."""
        try:
            return json.loads((self.path / "result.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None

    def prepare(self, request: Dict[str, Any], store: Store) -> None:
        """Begin anew: the request, and links to the inputs, which may still have to arrive."""
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
        mine = take_lock(self.path / "agent")
        if mine is None:
            return
        with closing(mine), (self.path / "agent.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, str(worker), "agent", str(self.path), str(worker), *map(str, locks)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(mine, *locks),
                start_new_session=True,
            )
        (self.path / "agent.pid").write_text(str(process.pid), encoding="ascii")

    def stop(self) -> None:
        """Stop the agent, which stops its worker, and wait until it is gone."""
        while self.is_running():
            with suppress(FileNotFoundError, ProcessLookupError, ValueError):
                os.kill(int((self.path / "agent.pid").read_text(encoding="ascii")), signal.SIGTERM)
            time.sleep(0.1)

    def agents_last_words(self) -> str:
        """The end of what the agent itself wrote."""
        try:
            return (self.path / "agent.log").read_text(encoding="utf-8", errors="replace").strip()[-300:]
        except FileNotFoundError:
            return ""

    def needed(self) -> Set[str]:
        """Hashes of the inputs."""
        try:
            request = json.loads((self.path / "request.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return set()
        return {sha256 for sha256, _ in request["files"].values()}

    def remove(self) -> bool:
        """Remove the folder unless somebody uses it; returns whether it is gone."""
        descriptor = take_lock(self.path / "users")
        if descriptor is None:
            return False
        with closing(descriptor):
            shutil.rmtree(str(self.path))
        return True


def all_jobs(folder: Path) -> List[JobFolder]:
    """The jobs that a device knows of."""
    return [JobFolder(path) for path in folder.iterdir()] if folder.is_dir() else []


def needed_files(folder: Path) -> Set[str]:
    """Hashes of the inputs of all jobs that somebody uses; others that can't come to anything any more are removed."""
    needed: Set[str] = set()
    for job in all_jobs(folder):
        if is_locked(job.path / "users"):
            needed |= job.needed()
        elif job.result() is None or job.path.stat().st_mtime < time.time() - _KEPT_SECONDS:
            job.remove()
    return needed
