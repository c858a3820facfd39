"""Fetch a pinned file from a folder or an address, and verify it before it is used.

Each fetched file has a receipt next to it: the verified file, its size, time of change and sha256. Light:
HTTP is imported when a download starts.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from superres.data.download.addresses import is_address, readable_address
from superres.data.download.verify import (
    accept_digest,
    check_space,
    identify,
    naming_full_disk,
    verify_file,
    write_receipt,
)
from superres.data.sources.source import Download, PinnedFile
from superres.device.base.errors import UserError
from superres.device.base.locks import lock

if TYPE_CHECKING:
    from superres.data.download.http import Patience
    from superres.data.download.partial import Partial


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
        write_receipt(_receipt(out), identify(final, file), digest)
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
    """Wait while another run fetches the same file. The lock ends with this process."""
    with path.open("w") as file:
        try:
            lock(file)
        except BlockingIOError:
            sys.stderr.write(f"fetch_file {name}: waiting for another run that fetches it\n")
            lock(file, wait=True)
        yield
