"""A pinned file under its name: from a folder that has it, or from an address."""

import fcntl
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from superres.data.download.addresses import is_address, readable_address
from superres.data.download.download import Patience, download
from superres.data.download.http_faults import NotThereError
from superres.data.download.partial import Partial
from superres.data.download.receipts import accept_digest, verify_file, write_receipt
from superres.data.download.space import check_space
from superres.data.sources.source import Download, PinnedFile
from superres.device.base.errors import UserError


def fetch_file(
    wanted: Download,
    *,
    store: Path,
    out: Path,
    room: Sequence[tuple[Path, int]] = (),
    patience: Patience | None = None,
) -> None:
    """Make `out` a link to the pinned file, with its receipt beside it, once its content is known to be right.

    The folder `store`, where downloads stay, is looked into first, then the file's places: folders, then addresses.
    `room` is what else (folders, and bytes in each) has to fit on the disk before a download begins. Raises
    UserError if a place has another file under this name, or none has the file.
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
        digest = _download_to(final, file, addresses, room, patience or Patience())
        write_receipt(final, file, digest, _receipt(out))
        _link(final, file, out)


def _download_to(
    final: Path,
    file: PinnedFile,
    addresses: Sequence[str],
    room: Sequence[tuple[Path, int]],
    patience: Patience,
) -> str:
    """Download a file from the first address that has it; its sha256."""
    with Partial(final.with_name(f"{final.name}.part"), file) as partial:
        needs = [(final.parent, file.bytes - partial.size), *room]
        check_space(needs, f"download of {file.name} and what is made of it")
        for i, address in enumerate(addresses):
            try:
                _download_right(address, file, partial, patience)
                break
            except NotThereError as error:
                if i == len(addresses) - 1:
                    raise
                sys.stderr.write(f"{error}; {readable_address(addresses[i + 1])} is tried next\n")
        partial.move_to(final)
        return partial.digest


def _download_right(address: str, file: PinnedFile, partial: Partial, patience: Patience) -> None:
    download(address, file, partial, patience)
    if partial.digest != file.sha256 and partial.resumed:
        # Its parts may be of different versions; only a file in one piece shows what the server has.
        sys.stderr.write(
            f"{file.name}: its sha256 is wrong, and it came in parts: it is downloaded again in one piece\n"
        )
        partial.restart()
        download(address, file, partial, patience)
    try:
        where = f"{file.name} from {readable_address(address)}"
        accept_digest(partial.path, file, partial.digest, where, "correct the study if this file is meant")
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
    """Hold off another run that fetches the same file; the system frees the lock however this process ends."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stderr.write(f"fetch_file {name}: another run fetches it; waiting for that\n")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
