"""The agent: runs one job's worker, outlives every connection, and writes the result."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, Dict, List, Optional

from superres.device.base.outputs import sha256_file, write_whole

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_SECONDS_TO_STOP = 10.0
_RESERVE_BYTES = 1 << 16


def main(arguments: List[str]) -> int:
    """Run the job of a folder: FOLDER WORKER LOCK..., the descriptors of locks that the worker holds too."""
    signal.signal(signal.SIGTERM, _leave)
    folder, worker, locks = Path(arguments[0]), arguments[1], [int(lock) for lock in arguments[2:]]
    write_whole(folder / "agent.pid", str(os.getpid()).encode("ascii"))
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    # Freed at the end, it makes room for the result on a full disk.
    reserve = folder / "reserve"
    reserve.write_bytes(bytes(_RESERVE_BYTES))
    ending = _run_worker(folder, worker, request, locks)
    outputs = {}
    if ending["returncode"] == 0:
        outputs = {name: _describe(folder / place) for name, place in request["job"]["outputs"].items()}
    reserve.unlink()
    write_whole(folder / "result.json", json.dumps({**ending, "outputs": outputs}).encode("utf-8"))
    return 0


def _run_worker(folder: Path, worker: str, request: Dict[str, Any], locks: List[int]) -> Dict[str, Any]:
    """Return the worker's return code, whether it timed out, and its seconds."""
    started = time.monotonic()
    timed_out = False
    with (folder / "log").open("ab") as log:
        # Its stdin carries nothing; its end tells the worker that the agent is gone.
        process = subprocess.Popen(
            [sys.executable, "-u", worker, "work", "--with-stdin", "job.json"],
            cwd=str(folder),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env=_environment(request),
            # The device is busy while the worker runs, even if the agent has been killed.
            pass_fds=locks,
            start_new_session=True,
        )
        try:
            returncode = process.wait(request["timeout_s"])
        except subprocess.TimeoutExpired:
            timed_out = True
            returncode = _stop(process)
        finally:
            _stop(process)
    return {"returncode": returncode, "timed_out": timed_out, "seconds": time.monotonic() - started}


def _environment(request: Dict[str, Any]) -> Dict[str, str]:
    threads = str(request["job"]["threads"])
    return {**os.environ, **dict.fromkeys(_THREAD_VARIABLES, threads), **request["environment"]}


def _stop(process: "subprocess.Popen[bytes]") -> int:
    """End the worker and its children; returns its return code."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_SECONDS_TO_STOP)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def _describe(path: Path) -> Dict[str, Any]:
    return {"sha256": sha256_file(path), "bytes": path.stat().st_size}


def _leave(number: int, frame: Optional[FrameType]) -> None:
    # An exception runs `finally`, which stops the worker.
    raise SystemExit(128 + number)
