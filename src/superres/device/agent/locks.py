"""Locks of files: the system frees them when the last process that has them open ends, however it ends."""

import fcntl
import os
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Optional


def take_lock(path: Path, shared: bool = False) -> Optional[int]:
    """A descriptor that holds the lock, None if somebody else holds it; children that inherit it hold it too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(str(path), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def is_locked(path: Path) -> bool:
    """Whether some process holds the lock; it isn't if there is no such file."""
    if not path.exists():
        return False
    descriptor = take_lock(path)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


@contextmanager
def closing(descriptor: int) -> Iterator[int]:
    """Let go of a lock at the end; children that inherited it go on to hold it."""
    try:
        yield descriptor
    finally:
        os.close(descriptor)
