"""A file that is being downloaded: what is there of it, of which version of the file, and how it gets on."""

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
    """The bytes of a pinned file that have arrived, in the file `path`, and in `path`.json what they are of.

    Used as a context manager; what has arrived stays when it ends, however it ends. `size` is the number of
    bytes, `resumed` whether they came over more than one connection.
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
        """The ETag of the version that the bytes are of."""
        return self._version.get("etag")

    @property
    def validator(self) -> str | None:
        """What If-Range asks for: a strong ETag, else the time of the last change, else nothing."""
        etag = self.etag
        return etag if etag and not etag.startswith("W/") else self._version.get("last_modified")

    @property
    def digest(self) -> str:
        """Sha256 of what has arrived, in hexadecimal."""
        return self._digest.hexdigest()

    def append(self, block: bytes) -> None:
        """Add bytes; raises UserError if the disk is full, and keeps what it has."""
        self._stream.write(block)
        # Out of Python's buffer: a full disk shows here, and a killed process loses nothing.
        self._stream.flush()
        self._digest.update(block)
        self.size += len(block)

    def restart(self) -> None:
        """Forget what has arrived."""
        self._stream.seek(0)
        self._stream.truncate()
        self._digest, self._version = hashlib.sha256(), {}
        self.size, self.resumed = 0, False

    def note_version(self, etag: str | None, last_modified: str | None) -> None:
        """Write down which version of the file the bytes to come are of, as a server names it."""
        self._version = {"sha256": self._file.sha256, "etag": etag, "last_modified": last_modified}
        temporary = self._version_path.with_name(f"{self._version_path.name}.new")
        temporary.write_text(json.dumps(self._version), encoding="utf-8")
        temporary.replace(self._version_path)

    def move_to(self, final: Path) -> None:
        """Give the whole file its final name, once it is on the disk itself."""
        os.fsync(self._stream.fileno())
        self.path.replace(final)
        self._version_path.unlink(missing_ok=True)

    def discard(self) -> None:
        """Delete what has arrived."""
        self.path.unlink(missing_ok=True)
        self._version_path.unlink(missing_ok=True)

    def _read_version(self) -> dict[str, str | None]:
        try:
            version = json.loads(self._version_path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return version if isinstance(version, dict) else {}


class _Lines:
    """Where there is no terminal: what tqdm draws, one line below the other on stderr."""

    def write(self, text: str) -> None:
        if text.strip():
            sys.stderr.write(text.strip() + "\n")

    def flush(self) -> None:
        sys.stderr.flush()


def progress_bar(label: str, total: int, done: int) -> tqdm:
    """Progress in bytes, on the terminal of the process: jobs write their own stderr into a log too."""
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
