"""Open an archive of results that somebody else gives, whose names, sizes and contents can't be trusted."""

import re
import stat
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from superres.data.sources.images import check_letters
from superres.data.sources.source import correct_path, what_is_there
from superres.data.sources.zip_images import check_member_name, naming_damage, opened_zip
from superres.device.base.errors import UserError
from superres.device.base.outputs import sha256_file

SUMS = "SHA256SUMS"
"""The file with the hash of each other file of an archive, as sha256sum writes it."""

_LARGEST_BYTES, _LARGEST_MEMBER = 1 << 30, 1 << 28
# Two hashes and a name of 255 bytes in each of four folders.
_LONGEST_NAME = 1000
_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")


@dataclass(frozen=True)
class Opened:
    """An archive that has been opened: the folder with its files, its checksums, and what to say about it.

    `sums` are by name; None in a folder that is no archive.
    """

    folder: Path
    sums: Mapping[str, str] | None
    notes: list[str] = field(default_factory=list)


@contextmanager
def opened_archive(path: Path) -> Iterator[Opened]:
    """Open a zip archive of `export_results`, or a folder: an unpacked one, or results of a study.

    Raises UserError for a missing or damaged archive, one that doesn't fit the checksum beside it, and one
    with names that lead out of it, links, encrypted, repeated or huge files.
    """
    try:
        path.stat()
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        # A name that is too long or has a zero byte, a loop of links, a folder that nobody may enter.
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(
            f"archive {str(path)[:200]}: expected a zip archive, found: {reason}; {correct_path(path)}"
        ) from error
    if path.is_dir():
        yield Opened(path, read_sums(path / SUMS) if (path / SUMS).is_file() else None)
        return
    if not path.is_file():
        raise UserError(
            f"archive {path}: expected a zip archive, found {what_is_there(path)}; {correct_path(path)}"
        )
    notes = _check_beside(path)
    with tempfile.TemporaryDirectory(prefix="superres-") as temporary:
        folder = _unpack(path, Path(temporary))
        if not (folder / SUMS).is_file():
            raise UserError(
                f"archive {path}: expected one of export_results, found no {SUMS} in it; pack it again"
            )
        yield Opened(folder, read_sums(folder / SUMS), notes)


def sums_text(files: Mapping[str, str]) -> str:
    """Return the text of a file of checksums, for `sha256sum --check`; `files` are hashes by name."""
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(files.items()))


def read_sums(path: Path) -> dict[str, str]:
    """Return the hashes by name of a file of checksums; raises UserError for any other file."""
    found: dict[str, str] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path.name}: expected checksums, found: {error}; fetch it again") from error
    for number, line in enumerate(lines, start=1):
        match = _LINE.fullmatch(line)
        if match is None or match[2] in found:
            raise UserError(
                f"{path.name}: expected a hash and a name of its own in each line, found in line {number}: "
                f"{line[:100]!r}"
            )
        found[match[2]] = match[1]
    return found


def _check_beside(path: Path) -> list[str]:
    """Compare an archive with the checksum beside it; returns a note if there is none."""
    beside = path.with_name(f"{path.name}.sha256")
    if not beside.is_file():
        return [f"no {beside.name} beside the archive: only its content is checked"]
    expected, found = read_sums(beside), sha256_file(path)
    # Whoever renames an archive leaves the name in the checksum.
    if found not in expected.values():
        raise UserError(
            f"archive {path}: expected sha256 {', '.join(expected.values()) or 'of a file'}, as "
            f"{beside.name} says, found {found}; fetch both again"
        )
    return []


def _unpack(path: Path, out: Path) -> Path:
    """Write the files of an archive below `out`, and return the folder that has all of them."""
    with opened_zip(path) as archive:
        members = archive.infolist()
        _check_members(members, path)
        for member in members:
            if not member.is_dir():
                with naming_damage(path, member.filename):
                    content = archive.read(member)
                _unpack_file(out / member.filename, content, member.filename, path)
    folders = list(out.iterdir())
    if len(folders) != 1 or not folders[0].is_dir():
        found = "nothing" if not folders else "a file" if len(folders) == 1 else f"{len(folders)} entries"
        raise UserError(f"archive {path}: expected one folder in it, found {found}; pack it again")
    return folders[0]


def _unpack_file(file: Path, content: bytes, name: str, path: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise UserError(
            f"archive {path}: expected names of files in folders, found {name!r}, which is both; don't use "
            "this archive"
        ) from error


def _check_members(members: list[zipfile.ZipInfo], path: Path) -> None:
    """Raise UserError for members that no archive of results has."""
    seen: set[str] = set()
    total = 0
    for member in members:
        name = member.filename
        check_member_name(name, seen, path)
        check_letters(name, path)
        total += member.file_size
        mode = member.external_attr >> 16
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _refused(path, "files", f"{name!r}, which is a link or a device")
        if member.flag_bits & 1:
            raise _refused(path, "files that anyone can read", f"{name!r} encrypted")
        if len(name.encode()) > _LONGEST_NAME or any(
            len(part.encode()) > 255 for part in PurePosixPath(name).parts
        ):
            raise _refused(path, "names that fit into a file system", f"one of {len(name.encode())} bytes")
        if member.file_size > _LARGEST_MEMBER or total > _LARGEST_BYTES:
            raise _refused(path, "figures and plots", f"{name!r} with {member.file_size} bytes")


def _refused(path: Path, expected: str, found: str) -> UserError:
    return UserError(f"archive {path}: expected {expected}, found {found}; don't use this archive")
