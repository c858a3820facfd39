"""Whether a failure comes from what a machine lacks: room on its disk, memory, or rights to write."""

import errno
import os
import tempfile
from pathlib import Path
from typing import Iterator, Optional

from superres.device.base.errors import UserError

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_TEXTS = tuple(os.strerror(number) for number in NO_ROOM)
_PROBE_BYTES = 1 << 20
_NO_RIGHTS = (errno.EROFS, errno.EACCES, errno.EPERM)
# What numpy, OpenCV, PyTorch, onnxruntime, OpenVINO, the loader of libraries and Python's threads say.
_NO_MEMORY = (
    "bad_alloc",
    "bad allocation",
    "annot allocate memory",
    "can't allocate memory",
    "nable to allocate",
    "nsufficient memory",
    "OutOfMemory",
    "out of memory",
    "failed to map segment",
    "can't start new thread",
)


def no_room(error: Optional[BaseException], folder: Path) -> Optional[str]:
    """Return why nothing more can be written to `folder`, None if `error` has another cause.

    Libraries tell of a full disk in words of their own, or not at all. So a file is written to see whether
    there is room: call this before what was written is removed.
    """
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.errno in NO_ROOM:
            return os.strerror(cause.errno).lower()
        for text in _TEXTS:
            if text in str(cause):
                return text.lower()
    try:
        with tempfile.TemporaryFile(dir=str(folder)) as file:
            file.write(b"\0" * _PROBE_BYTES)
            file.flush()
            os.fsync(file.fileno())
    except OSError as found:
        return os.strerror(found.errno).lower() if found.errno in NO_ROOM else None
    return None


def room_error(where: str, reason: str) -> UserError:
    """Return the error of a disk without room for the outputs `where`."""
    return UserError(
        f"{where}: expected room for them on the disk, found none ({reason}); free some, and run it again"
    )


def lacking(error: BaseException, folder: Path) -> Optional[UserError]:
    """Return the one line for an exception that comes from what the machine lacks, None for any other.

    `folder` is where outputs are written.
    """
    reason = no_room(error, folder)
    if reason is not None:
        return room_error("outputs", reason)
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.errno in _NO_RIGHTS:
            return UserError(
                f"{cause.filename or folder}: expected a place that this user may write to, found: "
                f"{os.strerror(cause.errno).lower()}; change its rights, and run it again"
            )
        if is_no_memory(cause):
            return UserError(
                f"memory: expected enough for this job, found too little ({_first_line(cause)}); close other "
                "programs, lift the limit (ulimit -v) or give fewer --cores, and run it again"
            )
    return None


def is_no_memory(error: BaseException) -> bool:
    """Return whether an exception says that there is no memory left."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    text = str(error)
    return any(words in text for words in _NO_MEMORY)


def _causes(error: Optional[BaseException]) -> Iterator[BaseException]:
    """Yield an exception and those that it comes from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:200] if text else type(error).__name__
