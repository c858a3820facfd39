"""A file that is being downloaded: its bytes, the version that they belong to, and a progress bar."""

import hashlib
import json
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from tqdm import tqdm

from superres.data.sources.source import PinnedFile

_BLOCK = 1 << 20


class Partial:
    """The bytes of a pinned file that have arrived, in the file `path`, with their version in `path`.json.

    A context manager. The bytes stay when it ends, also after an error. `size` is their number, `resumed`
    whether they came over more than one connection. Raises OSError if the disk is full.
    """

    def __init__(self, path: Path, file: PinnedFile):
        self.path, self._file = path, file
        self._version_path = path.with_name(f"{path.name}.json")
        self.size, self.resumed = 0, False

    def __enter__(self) -> "Partial":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._stream = self.path.open("r+b" if self.path.exists() else "w+b")
        self._digest, self._version = hashlib.sha256(), self._read_version()
        there = os.fstat(self._stream.fileno()).st_size
        if self._version.get("sha256") != self._file.sha256 or not 0 < there <= self._file.bytes:
            self.restart()
        else:
            while block := self._stream.read(_BLOCK):
                self._digest.update(block)
                self.size += len(block)
            self.resumed = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
        if self.size == 0:
            self.discard()

    @property
    def etag(self) -> str | None:
        """The ETag of the version that the bytes belong to."""
        return self._version.get("etag")

    @property
    def validator(self) -> str | None:
        """The value of If-Range: a strong ETag, else the time of the last change, else None."""
        etag = self.etag
        return etag if etag and not etag.startswith("W/") else self._version.get("last_modified")

    @property
    def digest(self) -> str:
        """The sha256 of the bytes, in hexadecimal."""
        return self._digest.hexdigest()

    def append(self, block: bytes) -> None:
        """Add bytes. If the disk is full, the bytes before them stay."""
        self._stream.write(block)
        # Out of Python's buffer: a full disk shows here, and a killed process loses nothing.
        self._stream.flush()
        self._digest.update(block)
        self.size += len(block)

    def restart(self) -> None:
        """Drop the bytes and start again."""
        self._stream.seek(0)
        self._stream.truncate()
        self._digest, self._version = hashlib.sha256(), {}
        self.size, self.resumed = 0, False

    def note_version(self, etag: str | None, last_modified: str | None) -> None:
        """Record the version of the file that the next bytes belong to, as the server names it."""
        self._version = {"sha256": self._file.sha256, "etag": etag, "last_modified": last_modified}
        temporary = self._version_path.with_name(f"{self._version_path.name}.new")
        temporary.write_text(json.dumps(self._version), encoding="utf-8")
        temporary.replace(self._version_path)

    def move_to(self, final: Path) -> None:
        """Give the complete file its final name, after it has reached the disk."""
        os.fsync(self._stream.fileno())
        self.path.replace(final)
        self._version_path.unlink(missing_ok=True)

    def discard(self) -> None:
        """Delete the bytes and their version."""
        self.path.unlink(missing_ok=True)
        self._version_path.unlink(missing_ok=True)

    def _read_version(self) -> dict[str, str | None]:
        try:
            version = json.loads(self._version_path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return version if isinstance(version, dict) else {}


class _Lines:
    """Prints tqdm's output as lines on stderr where there is no terminal."""

    def write(self, text: str) -> None:
        if text.strip():
            sys.stderr.write(text.strip() + "\n")

    def flush(self) -> None:
        sys.stderr.flush()


def progress_bar(label: str, total: int, done: int) -> tqdm:
    """Return a progress bar in bytes on the terminal of the process; a job also logs its stderr."""
    bytes_of: dict[str, Any] = {
        "desc": label,
        "total": total,
        "initial": done,
        "unit": "B",
        "unit_scale": True,
    }
    if sys.__stderr__ is not None and sys.__stderr__.isatty():
        return tqdm(file=sys.__stderr__, mininterval=0.5, **bytes_of)
    line = "{desc}: {n_fmt}/{total_fmt}, {percentage:.0f} %, {rate_fmt}, {remaining} left"
    return tqdm(file=_Lines(), mininterval=5.0, delay=1e-9, bar_format=line, **bytes_of)
