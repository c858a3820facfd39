"""A file that is being downloaded: what is there of it so far, its hash, and which version of the file it is of."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from superres.data.download.space import naming_full_disk
from superres.data.sources.source import PinnedFile

_BLOCK = 1 << 20
# What is written is put on the disk itself this often: a machine that goes down loses no more.
_SYNC_EVERY = 64 << 20


class Partial:
    """The bytes of a pinned file that have arrived, in the file `path`, and in `path`.json what they are of.

    Used as a context manager; what has arrived stays when it ends, however it ends. `size` is the number of bytes,
    `resumed` whether they came over more than one connection.
    """

    def __init__(self, path: Path, file: PinnedFile):
        self.path, self._file = path, file
        self._facts_path = path.with_name(path.name + ".json")
        self.size = 0
        self.resumed = False
        self._unsynced = 0

    def __enter__(self) -> "Partial":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._stream = self.path.open("r+b" if self.path.exists() else "w+b")
        self._digest = hashlib.sha256()
        self._facts = self._read_facts()
        there = os.fstat(self._stream.fileno()).st_size
        if self._facts.get("sha256") != self._file.sha256 or not 0 < there <= self._file.bytes:
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
        return self._facts.get("etag")

    @property
    def validator(self) -> str | None:
        """What If-Range asks for: a strong ETag, else the time of the last change, else nothing."""
        etag = self.etag
        return etag if etag and not etag.startswith("W/") else self._facts.get("last_modified")

    @property
    def digest(self) -> str:
        """Sha256 of what has arrived, in hexadecimal."""
        return self._digest.hexdigest()

    def append(self, block: bytes) -> None:
        """Add bytes; raises UserError if the disk is full, and keeps what it has."""
        with naming_full_disk(self.path, "and run it again: the download goes on where it stopped"):
            self._stream.write(block)
            # Out of Python's buffer, so that a full disk is met here and a killed process loses nothing.
            self._stream.flush()
        self._digest.update(block)
        self.size += len(block)
        self._unsynced += len(block)
        if self._unsynced >= _SYNC_EVERY:
            self.sync()

    def sync(self) -> None:
        """Put what has arrived on the disk itself."""
        os.fsync(self._stream.fileno())
        self._unsynced = 0

    def restart(self) -> None:
        """Forget what has arrived."""
        self._stream.seek(0)
        self._stream.truncate()
        self._digest = hashlib.sha256()
        self.size, self.resumed = 0, False
        self._facts = {}

    def note_version(self, headers: Mapping[str, str]) -> None:
        """Write down which version of the file the bytes to come are of, by a response's headers."""
        self._facts = {
            "sha256": self._file.sha256,
            "etag": headers.get("ETag"),
            "last_modified": headers.get("Last-Modified"),
        }
        temporary = self._facts_path.with_name(self._facts_path.name + ".new")
        with naming_full_disk(temporary, "and run it again"):
            temporary.write_text(json.dumps(self._facts), encoding="utf-8")
        temporary.replace(self._facts_path)

    def move_to(self, final: Path) -> None:
        """Give the whole file its final name."""
        self.sync()
        self.path.replace(final)
        self._facts_path.unlink(missing_ok=True)

    def discard(self) -> None:
        """Delete what has arrived."""
        self.path.unlink(missing_ok=True)
        self._facts_path.unlink(missing_ok=True)

    def _read_facts(self) -> dict[str, str | None]:
        try:
            facts = json.loads(self._facts_path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return facts if isinstance(facts, dict) else {}
