"""A device's files by content: each is named by its SHA-256, sent once, and removed when space is needed."""

import hashlib
import os
import shutil
from pathlib import Path
from typing import Callable, Collection, Iterator

from superres.device.base.errors import UserError
from superres.device.base.room import NO_ROOM

_BLOCK = 1 << 20
_SPARE_BYTES = 1 << 20
"""Space left free on the disk for a job's result."""


class Store:
    """A folder of files named by their SHA-256; incomplete ones end in `.part`.

    Above `limit_bytes` the least recently used are removed.
    """

    def __init__(self, folder: Path, limit_bytes: int):
        self.folder = folder
        self.limit_bytes = limit_bytes
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, sha256: str) -> Path:
        """Return the path of a file, present or not."""
        return self.folder / sha256

    def has(self, sha256: str, size: int) -> bool:
        """Return whether a file is complete here; marks it as used now."""
        path = self.path(sha256)
        if not path.is_file() or path.stat().st_size != size:
            return False
        os.utime(str(path))
        return True

    def make_room(self, size: int, kept: Collection[str]) -> None:
        """Remove the least recently used files until `size` more bytes fit, except those in `kept`.

        The limit is the disk's if that is smaller, as on a module with 16 GB of eMMC. Raises UserError if
        they still don't fit into the limit or onto the disk.
        """
        files = sorted((path.stat().st_mtime, path.stat().st_size, path) for path in self.folder.iterdir())
        total = sum(entry[1] for entry in files)
        on_disk = total + shutil.disk_usage(str(self.folder)).free - _SPARE_BYTES
        for _, bytes_, path in files:
            if total + size <= min(self.limit_bytes, on_disk):
                break
            if path.name.split(".")[0] not in kept:
                path.unlink()
                total -= bytes_
        if total + size > self.limit_bytes:
            raise UserError(
                f"{self.folder}: expected room for {_mb(total + size)} in a store of "
                f"{_mb(self.limit_bytes)}; raise the target's store_limit_gb"
            )
        free = shutil.disk_usage(str(self.folder)).free
        if size + _SPARE_BYTES > free:
            raise UserError(
                no_space(self.folder, f"expected {_mb(size + _SPARE_BYTES)} free, found {_mb(free)}")
            )

    def partial(self, sha256: str) -> Path:
        """Return the path of a file that is still arriving."""
        return self.folder / f"{sha256}.part"

    def arrived(self, sha256: str, beat: Callable[[], None]) -> "Arrival":
        """Resume a file's arrival; `beat` is called while its part is read again."""
        return Arrival(self, sha256, beat)

    def keep(self, path: Path, sha256: str) -> None:
        """Link a file with a known hash into the store; its old path stays."""
        try:
            os.link(str(path), str(self.path(sha256)))
        except FileExistsError:
            os.utime(str(self.path(sha256)))

    def leave_cache(self) -> None:
        """Take the files' pages out of the system's cache: on a Jetson they fill the GPU's memory."""
        for path in self.folder.iterdir():
            with path.open("rb") as file:
                forget_pages(file.fileno())

    def clear(self) -> int:
        """Remove everything; returns the number of bytes."""
        files = list(self.folder.iterdir())
        count = sum(path.stat().st_size for path in files)
        for path in files:
            path.unlink()
        return count


class Arrival:
    """A file on its way into a store: `offset` bytes are here, `write` takes the others."""

    def __init__(self, store: Store, sha256: str, beat: Callable[[], None]):
        self._store, self._sha256 = store, sha256
        self._path = store.partial(sha256)
        self._digest = hashlib.sha256()
        self.offset = 0
        if self._path.is_file():
            for block in read_blocks(self._path):
                self._digest.update(block)
                self.offset += len(block)
                beat()

    def __enter__(self) -> "Arrival":
        self._file = self._path.open("ab")
        return self

    def write(self, block: bytes) -> None:
        """Add a block; raises UserError if the disk is full."""
        try:
            self._file.write(block)
            self._file.flush()
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            # The part would keep the disk full.
            self._path.unlink()
            raise UserError(no_space(self._store.folder, str(error))) from error
        self._digest.update(block)

    def __exit__(self, *exception: object) -> None:
        if exception[0] is None:
            # Written later, it would disturb the job that waits for it, and stay in the cache until then.
            os.fsync(self._file.fileno())
            forget_pages(self._file.fileno())
        self._file.close()

    def accept(self) -> bool:
        """Rename the file if its hash is right, remove it otherwise; returns which."""
        if self._digest.hexdigest() != self._sha256:
            self._path.unlink()
            return False
        self._path.replace(self._store.path(self._sha256))
        return True


def read_blocks(path: Path) -> Iterator[bytes]:
    """Yield a file's content, block by block."""
    with path.open("rb") as file:
        yield from iter(lambda: file.read(_BLOCK), b"")


def forget_pages(descriptor: int) -> None:
    """Take a file's pages out of the system's cache, where that can be asked for."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def no_space(folder: Path, found: str) -> str:
    """Return the message for a full disk."""
    return f"{folder}: no space left: {found}; free some, or run clean_device (docs/jetson.md)"


def _mb(size: float) -> str:
    return f"{size / 1e6:.1f} MB"
