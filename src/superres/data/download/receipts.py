"""Pinned files that are there already: verified once, and again whenever their size or time has changed.

A receipt lies beside the name under which a file is found. It says what was verified: the real file, its size, its time
of change and its sha256.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from superres.data.download.space import megabytes
from superres.data.sources.source import PinnedFile
from superres.data.sources.yuv4mpeg import read_header
from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs, write_json

_AWAY = "take it away (then it is fetched), or correct the study if this file is meant"


def verify_file(path: Path, file: PinnedFile, receipt: Path) -> None:
    """Check that the file at `path` (a link is followed) is the pinned one, and write the receipt.

    Costs nothing while the receipt is that of this very file. Raises UserError if the file is missing or another
    one; with `mismatch` warn, a hash that differs is said on stderr, and the structure decides.
    """
    if not path.is_file():
        raise UserError(f"{path}: expected the file {file.name}, found nothing; run its download again")
    check_size(path, file)
    identity = _identity(path, file)
    if _read(receipt) != identity:
        sys.stderr.write(f"{path}: checking {megabytes(file.bytes)} against its sha256\n")
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        accept_digest(path, file, digest, str(path), _AWAY)
        _write(receipt, identity, digest)


def check_size(path: Path, file: PinnedFile) -> None:
    """Raise UserError if the file at `path` hasn't the pinned number of bytes."""
    found = path.stat().st_size
    if found != file.bytes:
        raise UserError(
            f"{path}: expected {file.bytes} bytes, found {found}: it isn't the file that the study pins, and is not used; "
            f"{_AWAY}"
        )


def accept_digest(path: Path, file: PinnedFile, digest: str, where: str, advice: str) -> None:
    """Raise UserError if the content's sha256 isn't the pinned one, unless a sound structure may stand in for it.

    `where` and `advice` are the beginning and the end of the message.
    """
    if digest == file.sha256:
        return
    if file.mismatch == "error":
        raise UserError(
            f"{where}: expected sha256 {file.sha256}, found {digest}: it isn't the file that the study pins, and is not "
            f"used; {advice}"
        )
    header = read_header(path)
    sys.stderr.write(
        f"warning: {where}: expected sha256 {file.sha256}, found {digest}; it is used all the same, for its size is right "
        f"and it holds {header.frames} whole frames of {header.width}x{header.height}\n"
    )


def write_receipt(path: Path, file: PinnedFile, digest: str, receipt: Path) -> None:
    """Write down that the file at `path` has been verified, with the sha256 that it has."""
    _write(receipt, _identity(path, file), digest)


def _write(receipt: Path, identity: dict[str, Any], digest: str) -> None:
    with Outputs({"receipt": str(receipt)}) as outputs:
        write_json(outputs["receipt"], {**identity, "sha256": digest})


def _identity(path: Path, file: PinnedFile) -> dict[str, Any]:
    real = path.resolve()
    facts = real.stat()
    return {
        "file": str(real),
        "bytes": facts.st_size,
        "changed_ns": facts.st_mtime_ns,
        "pinned_sha256": file.sha256,
    }


def _read(receipt: Path) -> dict[str, Any] | None:
    """What a receipt says, without the hash that was found; None for one that isn't there or broken."""
    try:
        content = json.loads(receipt.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return (
        {key: value for key, value in content.items() if key != "sha256"}
        if isinstance(content, dict)
        else None
    )
