"""Memory that a job may take on this machine, and the refusal of one that needs more."""

import os
import re
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Optional

from superres.device.base.errors import UserError

_GIB = 1 << 30
# Version 1 of control groups writes about 2^63 where there is no limit.
_NO_LIMIT = 1 << 60
# Addresses that PyTorch, OpenVINO and Polars take when they are loaded, and some for work.
_LEAST = 2 * _GIB
# Threads reserve addresses that they never use.
_SPARE = 1 << 30


def available_memory() -> Optional[int]:
    """Return the bytes that this process can still take without swapping; None if the system doesn't say.

    The least of what the kernel calls available, and of the limits of this process and its container.
    """
    limits = [*_of_system(), *_of_container(), *_of_process()]
    return max(0, min(limits)) if limits else None


def check_memory(needed: int, what: str, remedy: str) -> None:
    """Raise UserError if a job needs more memory than there is.

    `needed` are bytes; `what` names the job at the beginning of the message, `remedy` ends it.
    """
    available = available_memory()
    if available is not None and needed > available:
        raise UserError(
            f"{what}: expected {needed / _GIB:.1f} GiB of free memory, found {available / _GIB:.1f}; {remedy}"
        )


def check_limit() -> None:
    """Raise UserError if processes may take less memory than libraries need: they fail, or wait for ever."""
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < _LEAST:
        raise UserError(
            f"memory: expected a limit of at least {_LEAST / _GIB:.0f} GiB for a process, found "
            f"{limit / _GIB:.1f}; lift it: ulimit -v unlimited"
        )


@contextmanager
def within_free_memory(most: int) -> Iterator[None]:
    """Let an allocation beyond the free memory, or beyond so many bytes more, fail in this process.

    Otherwise the system ends one that it chooses, and a graph of others may ask for any amount.
    """
    available = available_memory()
    if available is None:
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    limit = _taken() + min(available, most) + _SPARE
    if before[1] != resource.RLIM_INFINITY:
        limit = min(limit, before[1])
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def _taken() -> int:
    """Return the bytes of addresses that this process has taken; 0 if the system doesn't say."""
    pages = re.match(r"\d+", _read("/proc/self/statm"))
    return int(pages.group()) * os.sysconf("SC_PAGESIZE") if pages else 0


def _of_system() -> Iterator[int]:
    for line in _read("/proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            yield int(line.split()[1]) * 1024


def _of_container() -> Iterator[int]:
    """Yield what a control group leaves: version 2, then version 1."""
    for limit, used in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ):
        most, now = _read(limit).strip(), _read(used).strip()
        if most.isdigit() and now.isdigit() and int(most) < _NO_LIMIT:
            yield int(most) - int(now)


def _of_process() -> Iterator[int]:
    try:
        import resource
    except ImportError:
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return
    yield limit - _taken()


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
