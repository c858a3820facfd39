"""Serve one connection: run a job and send its outputs, describe the device, or clean up."""

import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, Dict, List, Tuple

from superres.device.agent.connection import Connection, ConnectionLostError
from superres.device.agent.facts import describe_device
from superres.device.agent.jobs import JobFolder, all_jobs, closing, needed_files, take_lock
from superres.device.agent.store import Store
from superres.device.base.errors import UserError

_BEAT_SECONDS = 2.0
_POLL_SECONDS = 0.05


class CancelledError(Exception):
    """The host no longer wants the job."""


def main(work: str, worker: str) -> int:
    """Serve the host at stdin and stdout: WORKDIR, and the worker's own file in its store."""
    connection = Connection(0, 1, silence_s=60.0)
    try:
        connection.send(ready=True, cpus=len(os.sched_getaffinity(0)), python=sys.version.split()[0])
        request = connection.receive()
        connection.silence_s = float(request["silence_s"])
        serve = {"run": _run, "describe": _describe, "clean": _clean}[request["op"]]
        try:
            serve(connection, Path(work), Path(worker), request)
        except (UserError, OSError) as error:
            connection.send(error=str(error))
    except ConnectionLostError:
        # The job goes on; a host that reconnects finds it by its key.
        return 1
    return 0


class Waiter:
    """Sends heartbeats and notices a cancellation while something takes long."""

    def __init__(self, connection: Connection):
        self._connection = connection
        self._beaten = float("-inf")

    def wait(self, seconds: float = 0.0, **state: Any) -> None:
        """Wait some seconds; raises CancelledError, and ConnectionLostError if the host is gone."""
        message = self._connection.poll(seconds)
        if message is not None and message.get("cancel"):
            raise CancelledError
        if time.monotonic() - self._beaten >= _BEAT_SECONDS:
            self._beaten = time.monotonic()
            self._connection.send(beat=True, **state)


def _run(connection: Connection, work: Path, worker: Path, request: Dict[str, Any]) -> None:
    folder = JobFolder(work / "jobs" / request["key"])
    waiter = Waiter(connection)
    delivered = False
    try:
        with closing(folder.use()) as user:
            try:
                if folder.result() is None and not folder.is_running():
                    _start(connection, waiter, work, worker, request=request, folder=folder, user=user)
                _follow(connection, waiter, folder, request["log_from"])
                delivered = _deliver(connection, work, folder, request)
            except CancelledError:
                folder.stop()
                connection.send(cancelled=True)
    finally:
        # Running jobs and undelivered results stay; all else is removed.
        if delivered or (folder.result() is None and not folder.is_running()):
            folder.remove()


def _start(
    connection: Connection,
    waiter: Waiter,
    work: Path,
    worker: Path,
    *,
    request: Dict[str, Any],
    folder: JobFolder,
    user: int,
) -> None:
    """Receive the job's inputs and start its agent, alone on the device: uploads disturb timed jobs."""
    while True:
        device = take_lock(work / "lock")
        if device is not None:
            break
        waiter.wait(_POLL_SECONDS, busy=True)
    with closing(device):
        # Another connection may have started it meanwhile.
        if folder.result() is not None or folder.is_running():
            return
        store = Store(work / "store", int(request["limit_bytes"]))
        folder.prepare(request, store)
        _receive_files(connection, waiter, store, request, kept=needed_files(work / "jobs") | {worker.name})
        if request["job"]["task"] == "build_engine":
            # Free memory decides which kernels TensorRT's builder may use.
            store.leave_cache()
        folder.start(worker, device, user)


def _receive_files(
    connection: Connection, waiter: Waiter, store: Store, request: Dict[str, Any], *, kept: "set[str]"
) -> None:
    """Request the missing files, one after the other."""
    files: List[Tuple[str, int]] = sorted({(sha256, size) for sha256, size in request["files"].values()})
    missing = [(sha256, size) for sha256, size in files if not store.has(sha256, size)]
    if not missing:
        return
    arrived = sum(
        path.stat().st_size for path in (store.partial(name) for name, _ in missing) if path.is_file()
    )
    store.make_room(sum(size for _, size in missing) - arrived, kept)
    for sha256, size in missing:
        arrival = store.arrived(sha256, waiter.wait)
        connection.send(need=sha256, offset=arrival.offset)
        with arrival:
            connection.receive_bytes(size - arrival.offset, arrival.write)
        if not arrival.accept():
            raise UserError(
                "an input arrived as something else: it was changed while it was sent; run it again"
            )


def _follow(connection: Connection, waiter: Waiter, folder: JobFolder, offset: int) -> None:
    """Send the worker's output until it ends, or its agent is gone without a result."""
    with folder.log.open("rb") as log:
        # After a restart of the device the log is shorter than the host expects.
        log.seek(offset if offset <= folder.log.stat().st_size else 0)
        while True:
            # The agent ends right after its result, and holds the lock until then.
            ended = not folder.is_running()
            text = log.read()
            if text:
                connection.send(log=text.decode("utf-8", "replace"), end=log.tell())
            if ended:
                return
            waiter.wait(_POLL_SECONDS)


def _deliver(connection: Connection, work: Path, folder: JobFolder, request: Dict[str, Any]) -> bool:
    """Send the job's result and outputs; returns whether the host has all of it."""
    result = folder.result()
    if result is None:
        connection.send(gone=folder.agents_last_words())
        return False
    places = request["job"]["outputs"]
    with ExitStack() as stack:
        # Open files first: another host that waits for the same job may remove it.
        files: Dict[str, BinaryIO] = {
            name: stack.enter_context((folder.path / places[name]).open("rb")) for name in result["outputs"]
        }
        connection.send(result=result)
        for name, file in files.items():
            connection.send_file(file, result["outputs"][name]["bytes"])
    if not connection.receive().get("done"):
        return False
    store = Store(work / "store", int(request["limit_bytes"]))
    for name in request["keep"]:
        if name in result["outputs"]:
            store.keep(folder.path / places[name], result["outputs"][name]["sha256"])
    return True


def _describe(connection: Connection, work: Path, worker: Path, request: Dict[str, Any]) -> None:
    waiter = Waiter(connection)
    connection.send(facts=describe_device(work, worker, request["runtimes"], waiter.wait))


def _clean(connection: Connection, work: Path, worker: Path, request: Dict[str, Any]) -> None:
    """Remove all files of this package from the device; raises UserError while a job runs."""
    device = take_lock(work / "lock")
    if device is None:
        raise UserError(f"{work}: expected no job at work, found one; wait for it, or stop its run")
    with closing(device):
        removed = sum(job.remove() for job in all_jobs(work / "jobs"))
        size = Store(work / "store", 0).clear()
        cache = Store(work / "cache", 0).clear()
    connection.send(jobs=removed, bytes=size + cache)
