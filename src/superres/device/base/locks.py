"""Locks on open files, also on file systems that have none."""

import errno
import fcntl
from typing import IO, Union

# What NFS, Lustre and FUSE answer where they are mounted without locks.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL)


def lock(file: Union[IO[str], IO[bytes], int], *, shared: bool = False, wait: bool = False) -> bool:
    """Lock an open file until it is closed; return False if its file system has no locks.

    Raises BlockingIOError if another process holds the lock, unless told to `wait` for it.
    """
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return False
    return True
