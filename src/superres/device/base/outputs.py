"""Files of tasks: outputs that appear together, JSON, CSV and SHA-256."""

import csv
import hashlib
import json
import os
from pathlib import Path
from typing import Any, Dict, Iterable, Mapping, Optional, Sequence, Type

from superres.device.base.errors import UserError
from superres.device.base.room import no_room, room_error


class Outputs:
    """Temporary paths for the outputs of a task, by name.

    A context manager: at the end every file gets its final name, the record last; an exception removes
    the temporary files. Raises UserError instead of any exception that comes from a full disk.
    """

    def __init__(self, finals: Mapping[str, str]):
        self._finals: Dict[str, Path] = {name: Path(path) for name, path in finals.items()}

    def __getitem__(self, name: str) -> Path:
        final = self._finals[name]
        return final.with_name(final.name + ".part")

    def __contains__(self, name: object) -> bool:
        return name in self._finals

    def __enter__(self) -> "Outputs":
        for final in self._finals.values():
            final.parent.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], *_: object
    ) -> None:
        try:
            if isinstance(error, Exception):
                for folder in {final.parent for final in self._finals.values()}:
                    reason = no_room(error, folder)
                    if reason is not None:
                        raise room_error(f"outputs in {folder}", reason) from error
            if kind is None:
                # A final record implies that the other files are final.
                for name in sorted(self._finals, key=lambda name: name == "record"):
                    self[name].replace(self._finals[name])
        finally:
            for name in self._finals:
                self[name].unlink(missing_ok=True)


def read_json(path: Path, keys: Sequence[str]) -> Dict[str, Any]:
    """Read a JSON object; raises UserError if it is none or lacks one of `keys`."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: expected a JSON file, found something else: {error}") from error
    missing = [key for key in keys if not isinstance(data, dict) or key not in data]
    if missing:
        raise UserError(f"{path}: expected the keys {', '.join(keys)}, missing: {', '.join(missing)}")
    return data


def recorded_path(path: str) -> str:
    """Return a path as records have it: a full one, which only this machine has, is only a name."""
    return Path(path).name if Path(path).is_absolute() else path


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write a record as readable JSON."""
    path.write_text(json.dumps(data, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write rows as CSV; floats keep all their digits."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that no reader ever sees in part, not even after a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()
