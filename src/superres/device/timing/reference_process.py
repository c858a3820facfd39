"""Another arm's session in a process of its own, which times frames on request.

Two runtimes in one process would share malloc, environment and thread pool
settings. Only one of the two processes works at a time; the other waits for
a message, its threads asleep.
"""

import multiprocessing
import signal
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Dict, List, Optional, Type

from superres.device.base.errors import UnsupportedError, UserError
from superres.device.base.garbage import spare_imports
from superres.device.tasks.engine import Engine, open_clip_frames, read_clip
from superres.device.timing.timing import Timed, for_seconds, no_garbage_collection, rest, time_block

_SECONDS_TO_STOP = 10.0
_ERRORS: Dict[str, Type[Exception]] = {error.__name__: error for error in (UserError, UnsupportedError)}


class Partner:
    """A session in another process, used as a context manager; leaving it ends the process.

    It opens its engine while this process goes on; `wait` returns facts of
    the engine for the record, or raises the error of opening it. If this
    process ends in any way, the other's pipe breaks, and it ends too.
    """

    def __init__(self, engine: Engine, lr: Path, clip: Path):
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(engine, lr, clip, other), daemon=True)
        self._process.start()
        other.close()
        self._facts: Optional[Dict[str, Any]] = None

    @property
    def process(self) -> int:
        """The process's number."""
        return self._process.pid or 0

    def wait(self) -> Dict[str, Any]:
        """Return the opened engine's facts; raises UserError or UnsupportedError if opening it did."""
        facts = self._receive() if self._facts is None else self._facts
        self._facts = facts
        return facts

    def block(self, first: int, seconds: float) -> List[Timed]:
        """Time frames from the clip's frame `first` on for some seconds, at least one."""
        self.wait()
        return self._receive((first, seconds))

    def __enter__(self) -> "Partner":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], *_: object) -> None:
        self._pipe.close()
        self._process.join(_SECONDS_TO_STOP if kind is None else 0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _receive(self, question: Any = None) -> Any:
        try:
            if question is not None:
                self._pipe.send(question)
            kind, value = self._pipe.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            self._process.join()
            code = self._process.exitcode
            raise RuntimeError(f"the process of the other arm ended with exit code {code}") from None
        if kind in _ERRORS:
            raise _ERRORS[kind](value)
        return value


def _serve(engine: Engine, lr: Path, clip: Path, pipe: Connection) -> None:
    """Open the engine, then time a block of frames for every message, until the pipe ends."""
    # Ctrl-C is meant for the process that started this one, which then ends the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    spare_imports()
    try:
        frames = open_clip_frames(lr, read_clip(clip).lr_shapes(engine.settings.scale))
        session, facts = engine.open(frames.shapes)
    except (UserError, UnsupportedError) as error:
        pipe.send((type(error).__name__, str(error)))
        return
    with no_garbage_collection():
        try:
            pipe.send(("opened", facts))
            while True:
                first, seconds = pipe.recv()
                timed = time_block(session, frames, first, for_seconds(seconds))
                rest()
                pipe.send(("timed", timed))
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return
