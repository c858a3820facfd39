"""Check pinned files against their size and hash, and disks for room; nothing is fetched here.

What reads fetched files imports this module and not the client.
"""

import hashlib
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from superres.data.sources.source import PinnedFile
from superres.data.video.y4m import read_header
from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs, write_json
from superres.device.base.room import NO_ROOM

_AWAY = "remove it (it is then fetched), or correct the study if this file is meant"


def verify_file(path: Path, file: PinnedFile, receipt: Path) -> None:
    """Check that the file at `path` (links are followed) is the pinned one, and write the receipt.

    The content is read only if the receipt doesn't match. Raises UserError if the file is missing or another
    one. With `mismatch` warn, a wrong hash is a warning if the file is a sound y4m file.
    """
    if not path.is_file():
        raise UserError(f"{path}: expected the file {file.name}, found nothing; run its download again")
    check_size(path, file)
    identity = identify(path, file)
    if _read_receipt(receipt) != identity:
        sys.stderr.write(f"{path}: checking {megabytes(file.bytes)} against its sha256\n")
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        accept_digest(path, file, digest, str(path), _AWAY)
        write_receipt(receipt, identity, digest)


def check_size(path: Path, file: PinnedFile) -> None:
    """Raise UserError if the file at `path` doesn't have the pinned number of bytes."""
    found = path.stat().st_size
    if found != file.bytes:
        raise UserError(
            f"{path}: expected {file.bytes} bytes, found {found}: it isn't the file that the study pins and "
            f"is not used; {_AWAY}"
        )


def accept_digest(path: Path, file: PinnedFile, digest: str, where: str, advice: str) -> None:
    """Raise UserError for a wrong sha256; with `mismatch` warn, only if the structure is unsound too.

    `where` and `advice` begin and end the message.
    """
    if digest == file.sha256:
        return
    if file.mismatch == "error":
        raise UserError(
            f"{where}: expected sha256 {file.sha256}, found {digest}: it isn't the file that the study pins "
            f"and is not used; {advice}"
        )
    header = read_header(path)
    sys.stderr.write(
        f"warning: {where}: expected sha256 {file.sha256}, found {digest}; it is used because its "
        f"size is right and it holds {header.frames} whole frames of {header.width}x{header.height}\n"
    )


def write_receipt(receipt: Path, identity: dict[str, Any], digest: str) -> None:
    """Write down that a file, as `identify` describes it, was verified and has this sha256."""
    with Outputs({"receipt": str(receipt)}) as outputs:
        write_json(outputs["receipt"], {**identity, "sha256": digest})


def identify(path: Path, file: PinnedFile) -> dict[str, Any]:
    """Describe a file for its receipt: links followed, size and time of change, and the pinned sha256."""
    real = path.resolve()
    facts = real.stat()
    return {
        "file": str(real),
        "bytes": facts.st_size,
        "changed_ns": facts.st_mtime_ns,
        "pinned_sha256": file.sha256,
    }


def _read_receipt(receipt: Path) -> dict[str, Any] | None:
    """Return a receipt without the hash that was found; None if it is missing or broken."""
    try:
        content = json.loads(receipt.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return (
        {key: value for key, value in content.items() if key != "sha256"}
        if isinstance(content, dict)
        else None
    )


def check_space(needs: Sequence[tuple[Path, int]], what: str) -> None:
    """Raise UserError if a file system lacks room for `needs` (folders, and bytes in each).

    Folders of one file system are added up; they may not exist yet. `what` names the work in the message.
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
    """Turn a full disk, quota or file size limit into a UserError that ends with `then`, the next step."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise UserError(
            f"{path}: expected room for it, found: {error.strerror}; free some disk space, {then}"
        ) from error


def megabytes(count: int) -> str:
    """Format a number of bytes for people."""
    return f"{count / 1e6:,.0f} MB" if count >= 1e7 else f"{count / 1e3:,.1f} kB"
