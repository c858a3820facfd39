"""Whether a failure comes from a full disk, a quota or a limit on the size of files."""

import errno
import os
import tempfile
from pathlib import Path
from typing import Optional

from superres.device.base.errors import UserError

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_TEXTS = tuple(os.strerror(number) for number in NO_ROOM)
_PROBE_BYTES = 1 << 20


def no_room(error: Optional[BaseException], folder: Path) -> Optional[str]:
    """Return why nothing more can be written to `folder`, None if `error` has another cause.

    Libraries tell of a full disk in words of their own, or not at all. So a file is written to see whether
    there is room: call this before what was written is removed.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            return os.strerror(error.errno).lower()
        for text in _TEXTS:
            if text in str(error):
                return text.lower()
        error = error.__cause__ or error.__context__
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
