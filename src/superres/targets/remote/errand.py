"""A job on a device: send its files once, fetch its outputs, and survive lost connections."""

import hashlib
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from superres.device.agent.connection import Connection, ConnectionLostError
from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs
from superres.device.job import Job
from superres.targets.outcome import WorkerLines, sigterm_as_exit
from superres.targets.remote.parcel import Parcel, Worker, pack_job, pack_worker
from superres.targets.remote.ssh import Patience, connect
from superres.targets.settings import Device

T = TypeVar("T")

_MOST_RESTARTS = 3
"""How often an agent may vanish without a result, as in a restart of the device, before the job fails."""


def run_on_device(
    job: Job,
    device: Device,
    log: Callable[[str], object] | None = None,
    patience: Patience | None = None,
) -> None:
    """Run a job on a device and wait for its outputs. All appear, verified, or none.

    A lost connection is made again for a while and finds the job by its key. So does a later call with the
    same job. Raises UserError for a user's mistake and a device that can't be used, RuntimeError for a worker
    that broke. Ctrl-C and SIGTERM stop the job on the device too.
    """
    say: Callable[[str], object] = log if log is not None else sys.stderr.write
    errand = _Errand(job, device, pack_worker(), patience or Patience.with_device(device), say)
    with sigterm_as_exit():
        _persist(device, errand.patience, say, errand.run)


def ask(device: Device, operation: str, patience: Patience | None = None, **request: Any) -> dict[str, Any]:
    """Run a short operation, `describe` or `clean`, on a device and return its answer."""
    patience = patience or Patience.with_device(device)

    def once(tries: _Tries) -> dict[str, Any]:
        with connect(device, pack_worker(), patience) as (connection, _):
            tries.heard()
            connection.send(op=operation, silence_s=patience.silence_s, **request)
            return _next(connection, device, lambda message: None)

    return _persist(device, patience, sys.stderr.write, once)


def _persist(
    device: Device, patience: Patience, log: Callable[[str], object], once: Callable[["_Tries"], T]
) -> T:
    """Call `once` until its connection holds. Raises UserError when patience ends."""
    tries = _Tries(patience)
    while True:
        try:
            return once(tries)
        except ConnectionLostError as error:
            pause = tries.pause()
            if pause is None:
                raise UserError(
                    f"target {device.name}: expected to reach it, tried {tries.described}: {error}; "
                    f"check that `ssh {device.ssh}` works. A job that runs there goes on, and the "
                    "next call finds it"
                ) from error
            log(f"target {device.name}: {error}; trying again in {pause:g} s\n")
            time.sleep(pause)


class _Tries:
    """Counts lost connections without progress, and the time since the device last answered."""

    def __init__(self, patience: Patience):
        self._patience = patience
        self._started = self._heard = time.monotonic()
        self._count = 0

    def heard(self) -> None:
        """Note that the device has answered."""
        self._heard = time.monotonic()

    def got_on(self) -> None:
        """Note progress that a new connection won't repeat."""
        self.heard()
        self._count = 0

    def pause(self) -> float | None:
        """Return the seconds until the next try; None for no more tries."""
        pauses, limit = self._patience.pauses, self._limit
        pause = pauses[min(self._count, len(pauses) - 1)]
        self._count += 1
        late = time.monotonic() + pause - self._heard > limit
        return None if late or self._count > self._patience.most_tries else pause

    @property
    def _limit(self) -> float:
        return self._patience.reconnect_s if self._heard > self._started else self._patience.first_s

    @property
    def described(self) -> str:
        """How often, or for how long, it was tried."""
        if self._count > self._patience.most_tries:
            return f"{self._patience.most_tries} times"
        return f"for {self._limit:g} s"


class _Errand:
    """The state of a job on a device, kept from one connection to the next."""

    def __init__(
        self, job: Job, device: Device, worker: Worker, patience: Patience, log: Callable[[str], object]
    ):
        self.patience = patience
        self._job, self._device, self._worker, self._log = job, device, worker, log
        self._parcel: Parcel | None = None
        self._lines = WorkerLines(log)
        self._read = self._restarts = 0
        self._busy = False

    def run(self, tries: _Tries) -> None:
        """Use one connection, up to the outputs."""
        with connect(self._device, self._worker, self.patience) as (connection, hello):
            tries.heard()
            parcel = self._parcel or self._pack(hello["cpus"])
            connection.send(**self._request(parcel))
            result = self._wait(connection, parcel, tries)
            self._fetch(connection, result)
        if result["timed_out"]:
            minutes = self._device.timeout_minutes
            raise UserError(
                f"target {self._device.name}: {self._job.task} {self._job.label}: expected it to take at "
                f"most {minutes:g} minutes, stopped it then; raise the target's timeout_minutes"
            )
        self._lines.finish(self._job, result["returncode"], f"target {self._device.name}: ")

    def _pack(self, cpus: int) -> Parcel:
        self._parcel = pack_job(self._job, self._device, self._worker, cpus)
        self._lines = WorkerLines(self._log, self._parcel.names)
        return self._parcel

    def _request(self, parcel: Parcel) -> dict[str, Any]:
        return {
            "op": "run",
            "key": parcel.key,
            "job": asdict(parcel.job),
            "files": parcel.files,
            # The other jobs of an arm read its engine, so the device keeps a copy.
            "keep": ["engine", "record"] if parcel.job.task == "build_engine" else [],
            "environment": {"SUPERRES_WORKER": self._worker.sha256, "SUPERRES_CACHE": "../../cache"},
            "limit_bytes": int(self._device.store_limit_gb * 1e9),
            "timeout_s": self._device.timeout_minutes * 60,
            "silence_s": self.patience.silence_s,
            "log_from": self._read,
        }

    def _wait(self, connection: Connection, parcel: Parcel, tries: _Tries) -> dict[str, Any]:
        """Send the files that the device asks for and relay its worker's lines, until the job ends."""
        sending = False
        try:
            while True:
                message = _next(connection, self._device, self._say_busy)
                tries.heard()
                if "need" in message:
                    sending = True
                    self._send(connection, parcel.local[message["need"]], message["offset"])
                    sending = False
                    tries.got_on()
                elif "log" in message:
                    tries.got_on()
                    self._read = message["end"]
                    self._lines.add(message["log"])
                elif "gone" in message:
                    self._count_restart(message["gone"])
                elif "result" in message:
                    return message["result"]
        except (KeyboardInterrupt, SystemExit):
            # No message fits into the middle of a file. The end of the connection stops the job.
            if not sending:
                _cancel(connection)
            raise

    def _send(self, connection: Connection, path: Path, offset: int) -> None:
        size = path.stat().st_size - offset
        if size < 0:
            raise UserError(f"{path}: it was changed while it was sent; run it again")
        self._log(f"target {self._device.name}: sending {path} ({size / 1e6:.1f} MB)\n")
        with path.open("rb") as file:
            file.seek(offset)
            try:
                connection.send_file(file, size)
            except ConnectionLostError:
                # A device that refuses the rest of a file has sent the reason.
                _next(connection, self._device, self._say_busy)
                raise

    def _fetch(self, connection: Connection, result: Mapping[str, Any]) -> None:
        """Receive the outputs, check them, and rename all at once."""
        if result["outputs"]:
            with Outputs(self._job.outputs) as outputs:
                for name, described in result["outputs"].items():
                    digest = hashlib.sha256()
                    with outputs[name].open("wb") as file:

                        def write(block: bytes, file=file, digest=digest) -> None:
                            file.write(block)
                            digest.update(block)

                        connection.receive_bytes(described["bytes"], write)
                    if digest.hexdigest() != described["sha256"]:
                        connection.send(done=True)
                        raise RuntimeError(
                            f"{self._job.task} {self._job.label}: {name} arrived as something else"
                        )
        connection.send(done=True)

    def _say_busy(self, message: Mapping[str, Any]) -> None:
        if message.get("busy") and not self._busy:
            self._busy = True
            self._log(
                f"target {self._device.name}: {self._job.label}: waiting for another job on the device\n"
            )

    def _count_restart(self, last_words: str) -> None:
        self._restarts += 1
        self._read = 0
        if self._restarts >= _MOST_RESTARTS:
            raise RuntimeError(
                f"{self._job.task} {self._job.label}: its agent on target {self._device.name} ended "
                f"{self._restarts} times without a result: {last_words or 'no reason given'}"
            )
        raise ConnectionLostError("the job's agent is gone, as after a restart of the device")


def _next(
    connection: Connection, device: Device, on_beat: Callable[[Mapping[str, Any]], None]
) -> dict[str, Any]:
    """Return the next message that is no heartbeat. Raises UserError for a refusal."""
    while True:
        message = connection.receive()
        if "error" in message:
            raise UserError(f"target {device.name}: {message['error']}")
        if "beat" not in message:
            return message
        on_beat(message)


def _cancel(connection: Connection) -> None:
    """Tell the device to stop the job, if the connection still holds."""
    try:
        connection.send(cancel=True)
        while "cancelled" not in connection.receive():
            pass
    except ConnectionLostError:
        pass
