"""Which frames of two frame files are whole, for a call that goes on where a killed one stopped."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from superres.data.sources.reading import Origin
from superres.imports import ROOT, modules_behind


@dataclass(frozen=True)
class WrittenFrame:
    """A frame that has been written: digests of its HR and LR pixels, and where it comes from."""

    hr: str
    lr: str
    origin: Origin


class FrameJournal:
    """Notes in the file `path` what has been written so far of the clip that `content` describes.

    Used as a context manager. `written` is what an earlier call has noted, by the frame's index; empty if that was of other
    content, if one of `files` has changed its size or time since, or if the code was another. A digest beside each
    frame lets the reader see whether it really is in its file. The journal goes away with its purpose: at the end, and with
    an error, after which the frame files are gone too. Only what is no Exception leaves it.
    """

    def __init__(self, path: Path, content: Mapping[str, Any], files: Sequence[Path]):
        self._path = path
        self._identity = _identity(content, files)
        self.written: dict[int, WrittenFrame] = {}

    def __enter__(self) -> "FrameJournal":
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self.written = _read(self._path, self._identity)
        self._file = self._path.open("w", encoding="utf-8")
        self._file.write(self._identity + "\n")
        for index, frame in self.written.items():
            self._write(index, frame)
        self._file.flush()
        return self

    def note(self, index: int, frame: WrittenFrame) -> None:
        """Note that a frame has been written."""
        if index not in self.written or self.written[index] != frame:
            self._write(index, frame)
            self._file.flush()

    def _write(self, index: int, frame: WrittenFrame) -> None:
        self._file.write(json.dumps({"index": index, **dataclasses.asdict(frame)}) + "\n")

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if kind is None or issubclass(kind, Exception):
            self._path.unlink()


def _identity(content: Mapping[str, Any], files: Sequence[Path]) -> str:
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    for file in files:
        facts = file.stat()
        digest.update(f"{file} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    for module in modules_behind("data/clips.py"):
        digest.update((ROOT / module).read_bytes())
    return digest.hexdigest()


def _read(path: Path, identity: str) -> dict[int, WrittenFrame]:
    try:
        first, *lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError):
        return {}
    if first != identity:
        return {}
    written = {}
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            # The last line of a call that was killed while it wrote it.
            break
        origin = Origin(**{**entry["origin"], "yaw_degrees": _pair(entry["origin"]["yaw_degrees"])})
        written[entry["index"]] = WrittenFrame(entry["hr"], entry["lr"], origin)
    return written


def _pair(values: Sequence[float] | None) -> tuple[float, float] | None:
    return None if values is None else (values[0], values[1])
