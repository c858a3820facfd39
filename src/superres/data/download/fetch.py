"""Fetch a pinned file from a folder or an address, and verify it before it is used.

Each fetched file has a receipt next to it: the verified file, its size, time of change and sha256. Light:
HTTP is imported when a download starts.
"""

import errno
import fcntl
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from superres.data.download.addresses import is_address, readable_address
from superres.data.sources.source import Download, PinnedFile
from superres.data.sources.y4m import read_header
from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs, write_json

if TYPE_CHECKING:
    from superres.data.download.http import Patience
    from superres.data.download.partial import Partial

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_AWAY = "remove it (it is then fetched), or correct the study if this file is meant"


def fetch_file(
    wanted: Download,
    *,
    store: Path,
    out: Path,
    room: Sequence[tuple[Path, int]] = (),
    patience: "Patience | None" = None,
) -> None:
    """Verify the pinned file, then make `out` a link to it, with a receipt next to it.

    Looks into the folder `store`, where downloads stay, then into the file's places: folders, then addresses.
    `room` (folders, and bytes in each) is disk space that must be free in addition to the download's. Raises
    UserError if a place has another file of this name, or none has the file.
    """
    file = wanted.file
    store.mkdir(parents=True, exist_ok=True)
    with _locked(store / f".{file.name}.lock", file.name):
        final = store / file.name
        for place in (final, *(Path(place) for place in wanted.places if not is_address(place))):
            if place.exists():
                _link(place, file, out)
                return
        addresses = [place for place in wanted.places if is_address(place)]
        digest = _download_to(final, file, addresses, room, patience)
        _write_receipt(_receipt(out), _identity(final, file), digest)
        _link(final, file, out)


def _download_to(
    final: Path,
    file: PinnedFile,
    addresses: Sequence[str],
    room: Sequence[tuple[Path, int]],
    patience: "Patience | None",
) -> str:
    """Download a file from the first address that has it, and return its sha256."""
    from superres.data.download.http import NotThereError
    from superres.data.download.partial import Partial

    part = final.with_name(f"{final.name}.part")
    then = "and run it again: the download continues where it stopped"
    with naming_full_disk(part, then), Partial(part, file) as partial:
        needs = [(final.parent, file.bytes - partial.size), *room]
        check_space(needs, f"download of {file.name} and what is made of it")
        for i, address in enumerate(addresses):
            try:
                _download_right(address, file, partial, patience)
                break
            except NotThereError as error:
                if i == len(addresses) - 1:
                    raise
                sys.stderr.write(f"{error}; trying {readable_address(addresses[i + 1])} next\n")
        partial.move_to(final)
        return partial.digest


def _download_right(address: str, file: PinnedFile, partial: "Partial", patience: "Patience | None") -> None:
    from superres.data.download.http import Patience, download

    patience = patience or Patience()
    download(address, file, partial, patience)
    if partial.digest != file.sha256 and partial.resumed:
        # Its parts may belong to different versions of the file, so download it in one piece.
        sys.stderr.write(
            f"{file.name}: wrong sha256 after a resumed download: downloading it again in one piece\n"
        )
        partial.restart()
        download(address, file, partial, patience)
    try:
        where = f"{file.name} from {readable_address(address)}"
        _accept_digest(partial.path, file, partial.digest, where, "correct the study if this file is meant")
    except UserError:
        partial.discard()
        raise


def _link(real: Path, file: PinnedFile, out: Path) -> None:
    verify_file(real, file, _receipt(out))
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.link")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(os.path.relpath(real, out.parent) if not real.is_absolute() else real)
    temporary.replace(out)


def _receipt(out: Path) -> Path:
    return out.with_name(f"{out.name}.receipt.json")


@contextmanager
def _locked(path: Path, name: str) -> Iterator[None]:
    """Wait while another run fetches the same file. The lock ends with this process."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stderr.write(f"fetch_file {name}: waiting for another run that fetches it\n")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def verify_file(path: Path, file: PinnedFile, receipt: Path) -> None:
    """Check that the file at `path` (links are followed) is the pinned one, and write the receipt.

    The content is read only if the receipt doesn't match. Raises UserError if the file is missing or another
    one. With `mismatch` warn, a wrong hash is a warning if the file is a sound y4m file.
    """
    if not path.is_file():
        raise UserError(f"{path}: expected the file {file.name}, found nothing; run its download again")
    check_size(path, file)
    identity = _identity(path, file)
    if _read_receipt(receipt) != identity:
        sys.stderr.write(f"{path}: checking {megabytes(file.bytes)} against its sha256\n")
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        _accept_digest(path, file, digest, str(path), _AWAY)
        _write_receipt(receipt, identity, digest)


def check_size(path: Path, file: PinnedFile) -> None:
    """Raise UserError if the file at `path` doesn't have the pinned number of bytes."""
    found = path.stat().st_size
    if found != file.bytes:
        raise UserError(
            f"{path}: expected {file.bytes} bytes, found {found}: it isn't the file that the study pins and "
            f"is not used; {_AWAY}"
        )


def _accept_digest(path: Path, file: PinnedFile, digest: str, where: str, advice: str) -> None:
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


def _write_receipt(receipt: Path, identity: dict[str, Any], digest: str) -> None:
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
        if error.errno not in _NO_ROOM:
            raise
        raise UserError(
            f"{path}: expected room for it, found: {error.strerror}; free some disk space, {then}"
        ) from error


def megabytes(count: int) -> str:
    """Format a number of bytes for people."""
    return f"{count / 1e6:,.0f} MB" if count >= 1e7 else f"{count / 1e3:,.1f} kB"
