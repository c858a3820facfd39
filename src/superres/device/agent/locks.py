"""Locks of files: the system frees them when the last process that has them open ends, however it ends."""

import fcntl
import os
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Optional


def take_lock(path: Path, *, shared: bool = False, create: bool = True) -> Optional[int]:
    """A descriptor that holds the lock, None if somebody else holds it; children that inherit it hold it too.

    Raises FileNotFoundError if there is no such file, or no folder to create it in.
    """
    descriptor = os.open(str(path), os.O_RDWR | (os.O_CREAT if create else 0), 0o600)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def is_locked(path: Path, *, shared: bool = False) -> bool:
    """Whether some process holds the lock, alone or
    (`shared`) with others; it isn't if there is no such file.

    To ask is to hold it for a moment. That two ask at once says nothing wrong of a lock that is held alone.
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
    """Whether what is locked is the file that has this path now."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def closing(descriptor: int) -> Iterator[int]:
    """Let go of a lock at the end; children that inherited it go on to hold it."""
    try:
        yield descriptor
    finally:
        os.close(descriptor)
