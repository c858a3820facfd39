"""Is there room on the disk? Asked before anything is written; a disk that fills up gets one line."""

import errno
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from superres.device.base.errors import UserError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def check_space(needs: Sequence[tuple[Path, int]], what: str) -> None:
    """Raise UserError if some file system lacks room for `needs` (folders, and bytes in each).

    A folder need not exist yet; folders of one file system are taken together. `what` names the work.
    """
    systems: dict[int, tuple[Path, int]] = {}
    for folder, needed in needs:
        there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        first, sum_before = systems.get(there.stat().st_dev, (folder, 0))
        systems[there.stat().st_dev] = (first, sum_before + needed)
        free = shutil.disk_usage(there).free
        if sum_before + needed > free:
            raise UserError(
                f"{what}: expected {megabytes(sum_before + needed)} of free disk space at {first}, found "
                f"{megabytes(free)}; free some, or make the folder a link to a larger disk"
            )


@contextmanager
def naming_full_disk(path: Path, then: str) -> Iterator[None]:
    """Turn a full disk (or quota, or limit of a file's size) into a UserError that says what to do `then`."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise UserError(
            f"{path}: expected room for it, found: {error.strerror}; free some disk space, {then}"
        ) from error


def megabytes(count: int) -> str:
    """A number of bytes as people read it."""
    return f"{count / 1e6:,.0f} MB" if count >= 1e7 else f"{count / 1e3:,.1f} kB"
