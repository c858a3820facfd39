"""A connection to a device: the user's own OpenSSH, with the worker at the other end."""

import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from superres.device.agent.connection import Connection, ConnectionLostError
from superres.device.base.errors import UserError
from superres.targets.remote.parcel import Worker
from superres.targets.settings import Device

_OPTIONS = {
    "BatchMode": "yes",
    "StrictHostKeyChecking": "yes",
    "ConnectTimeout": "10",
    "ServerAliveInterval": "5",
    "ServerAliveCountMax": "3",
}
_SECONDS_TO_ANSWER = 45.0
_MOST_NOISE = 1 << 16
_MARK = b"superres "

# Errors that a second try can't fix, and what to do about each.
_FINAL = {
    "host identification has changed": (
        "its host key is not the known one: if that is right, `ssh-keygen -R` forgets the old one"
    ),
    "host key verification failed": (
        "its host key isn't known: connect once by hand, `ssh {ssh}`, and check it"
    ),
    "permission denied": "it lets nobody in by key: `ssh-copy-id {ssh}` adds yours",
    "could not resolve hostname": "correct the target's ssh, or its Host in ~/.ssh/config",
    "bad configuration option": "correct the ssh_config",
    "can't open user config file": "correct the target's ssh_config",
    "bad owner or permissions": "correct the ssh_config's permissions",
}

# Runs on the device before the worker has arrived. Any Python 3 can parse it.
_BOOT = r"""
import sys
def say(text):
    sys.stdout.write("\nsuperres " + text + "\n")
    sys.stdout.flush()
if sys.version_info < (3, 8):
    say('{"error": "python: expected Python 3.8 or later, found %s; '
        'name another one as the target\'s python"}' % sys.version.split()[0])
    sys.exit(0)
import hashlib, json, os
work, sha256, size = os.path.abspath(os.path.expanduser(sys.argv[1])), sys.argv[2], int(sys.argv[3])
path = os.path.join(work, "store", sha256)
try:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.isfile(path) and os.path.getsize(path) == size:
        os.utime(path)
    else:
        say('{"need": true}')
        data = b""
        while len(data) < size:
            block = os.read(0, 1 << 16)
            if not block:
                sys.exit(1)
            data += block
        if hashlib.sha256(data).hexdigest() != sha256:
            sys.exit(1)
        part = "%s.%d.part" % (path, os.getpid())
        try:
            with open(part, "wb") as file:
                file.write(data)
            os.replace(part, path)
        finally:
            if os.path.exists(part):
                os.remove(part)
except OSError as error:
    say(json.dumps({"error": "workdir: %s" % error}))
    sys.exit(0)
say('{"ready": true}')
sys.path.insert(0, path)
from superres.device.agent.serve import main
sys.exit(main(work, path))
"""


@dataclass(frozen=True)
class Patience:
    """When connections are tried again, in seconds.

    A connection that is silent for `silence_s` counts as lost. A device that never answered is tried for
    `first_s`, one that has answered before for `reconnect_s`. `pauses` are the times between tries; the last
    one repeats. A device is given up after `most_tries` lost connections without progress.
    """

    silence_s: float = 20.0
    first_s: float = 15.0
    reconnect_s: float = 300.0
    pauses: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
    most_tries: int = 20

    @classmethod
    def with_device(cls, device: Device) -> "Patience":
        """Return the patience with a device, by its target's `reconnect_minutes`."""
        reconnect_s = device.reconnect_minutes * 60
        return cls(first_s=min(cls.first_s, reconnect_s), reconnect_s=reconnect_s)


@contextmanager
def connect(
    device: Device, worker: Worker, patience: Patience
) -> Iterator[tuple[Connection, dict[str, Any]]]:
    """Connect to the worker on a device, and yield the connection and the worker's first message.

    Raises UserError for an error that a second try can't fix, ConnectionLostError for any other.
    """
    with tempfile.TemporaryFile() as errors:
        process = _start_ssh(device, worker, errors)
        try:
            assert process.stdin is not None and process.stdout is not None
            connection = Connection(process.stdout.fileno(), process.stdin.fileno(), _SECONDS_TO_ANSWER)
            try:
                _bring_worker(connection, device, worker)
                hello = connection.receive()
            except ConnectionLostError as error:
                raise _failure(device, process, _text(errors), error) from error
            connection.silence_s = patience.silence_s
            try:
                yield connection, hello
            except ConnectionLostError as error:
                said = _text(errors).splitlines()[-1:]
                raise ConnectionLostError(": ".join([str(error), *said])) from error
        finally:
            _end(process)


def _start_ssh(device: Device, worker: Worker, errors: IO[bytes]) -> subprocess.Popen[bytes]:
    options = [part for name, value in _OPTIONS.items() for part in ("-o", f"{name}={value}")]
    config = ["-F", device.ssh_config] if device.ssh_config else []
    there = [device.python, "-c", _BOOT, device.workdir, worker.sha256, str(len(worker.content))]
    return subprocess.Popen(
        ["ssh", *config, *options, "-T", device.ssh, shlex.join(there)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        bufsize=0,
        # Ctrl-C reaches this process only, which then tells the device.
        start_new_session=True,
    )


def _bring_worker(connection: Connection, device: Device, worker: Worker) -> None:
    """Start the worker on the device, and send it first if it isn't there yet."""
    answer = _first_answer(connection, device)
    if answer.get("need"):
        connection.send_bytes(worker.content)
        answer = _first_answer(connection, device)
    if "error" in answer:
        raise UserError(f"target {device.name}: {answer['error']}")


def _first_answer(connection: Connection, device: Device) -> dict[str, Any]:
    """Return the next message of `_BOOT`, after any text of a login shell."""
    noise = 0
    while noise < _MOST_NOISE:
        line = connection.read_line(_SECONDS_TO_ANSWER)
        if line is None:
            raise ConnectionLostError(f"no answer for {_SECONDS_TO_ANSWER:g} s")
        if line.startswith(_MARK):
            return connection.parse(line[len(_MARK) :])
        noise += len(line) + 1
    raise UserError(
        f"target {device.name}: expected an answer, found {noise} bytes that its shell prints at every "
        "login; silence it for sessions without a terminal"
    )


def _failure(
    device: Device, process: subprocess.Popen[bytes], text: str, error: ConnectionLostError
) -> UserError | ConnectionLostError:
    """Return the error for a connection that failed before the worker answered."""
    returncode = _end(process)
    lines = text.splitlines()
    said = lines[-1] if lines else str(error)
    if returncode == 255:
        for sign, advice in _FINAL.items():
            if sign in text.lower():
                todo = advice.format(ssh=device.ssh)
                return UserError(f"target {device.name}: ssh {device.ssh}: {said}; {todo}")
        return ConnectionLostError(said)
    if returncode in (126, 127):
        return UserError(
            f"target {device.name}: expected a Python on the device, found none at {device.python}: {said}; "
            "correct the target's python"
        )
    if returncode > 0 and lines:
        return UserError(f"target {device.name}: {device.python} ended with {returncode}: {said}")
    return ConnectionLostError(said)


def _end(process: subprocess.Popen[bytes]) -> int:
    """Close a connection and return ssh's exit code. The device notices it by itself."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    try:
        return process.wait(2.0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return -9


def _text(errors: IO[bytes]) -> str:
    errors.seek(0)
    return errors.read().decode("utf-8", "replace").strip()
