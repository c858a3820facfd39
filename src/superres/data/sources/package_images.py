"""Photographs inside Python packages: the source, pinned wheels from pip, and installed packages."""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from fnmatch import fnmatchcase
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from superres.data.download.addresses import redact
from superres.data.sources.crops import Cut, Pictures
from superres.data.sources.reading import FrameReader, Origin, picture_digest
from superres.data.sources.source import (
    FrameRange,
    PackageFile,
    Source,
    frame_indices,
    is_left_behind,
    select_frames,
)
from superres.data.sources.zip_images import DAMAGED
from superres.device.base.errors import UserError
from superres.keys import Some, Whole

if TYPE_CHECKING:
    import numpy as np


class PackageImages(Pictures):
    """Photographs inside a package: every member that matches one of the patterns.

    `shrink` n averages n x n pixels, which removes JPEG artefacts.
    """

    type: Literal["package-images"] = "package-images"
    package: Annotated[str, Field(description="Name of the package with the photographs.")]
    members: Annotated[Some[str], Field(description="File-name patterns (*, ?, [...]).")]
    shrink: Annotated[Whole, Field(ge=1, le=8, description="Area-average n x n pixels into one.")] = 1
    frames: FrameRange = FrameRange()

    def check(self, source: Source, smallest: int) -> None:
        """Raise UserError for an installed package without the photographs; wheels are not checked yet."""
        package = package_of(source)
        if package.version is None:
            members = match_members(package, self.members, Path())
            select_frames(source.frames, len(members), f"package {package.package}")

    def number(self, source: Source) -> int | None:
        """Number of photographs that are taken; None before the wheel is downloaded."""
        package = package_of(source)
        if package.version is not None:
            return source.frames.count
        return len(frame_indices(source.frames, len(match_members(package, self.members, Path()))))

    def open(self, source: Source, wheels: Path) -> FrameReader:
        """Open the frames that are taken."""
        return _PackageReader(self, source, wheels)

    def shared(self, mine: Source, theirs: Source) -> str | None:
        """Compare patterns of the same package."""
        package, other = package_of(mine).package, theirs.kind
        if theirs.package is None or theirs.package.package != package:
            return None
        if isinstance(other, PackageImages):
            for one in self.members:
                for two in other.members:
                    if one == two or fnmatchcase(one, two) or fnmatchcase(two, one):
                        return f"both take {one} from the package {package} (as {two} in the other)"
        return None


class _PackageReader(FrameReader):
    def __init__(self, kind: PackageImages, source: Source, wheels: Path):
        from superres.data.sources.pictures import picture_size

        self._package, self._shrink, self._wheels = package_of(source), kind.shrink, wheels
        members = match_members(self._package, kind.members, wheels)
        taken = select_frames(source.frames, len(members), f"package {self._package.package}")
        self._frames: list[tuple[str, Cut]] = []
        for member in (members[index] for index in taken):
            height, width = picture_size(open_member(self._package, member, wheels), member)
            cut = kind.cut((height // kind.shrink, width // kind.shrink), member)
            self._frames.append((member, cut))
        super().__init__(
            [Path(member).name for member, _ in self._frames], [cut.shape for _, cut in self._frames]
        )

    def _read(self, index: int) -> "tuple[np.ndarray, Origin]":
        import cv2

        from superres.data.sources.pictures import read_picture

        (member, cut), n = self._frames[index], self._shrink
        picture = read_picture(open_member(self._package, member, self._wheels), member)
        origin = Origin(self.names[index], picture_digest(picture), None)
        part = Cut(cut.top * n, cut.left * n, cut.height * n, cut.width * n, cut.shape).of(picture)
        if n > 1:
            part = cv2.resize(part, (cut.width, cut.height), interpolation=cv2.INTER_AREA)
        return cut.filled(part), origin


def download_wheel(package: str, version: str, sha256: str, out: Path) -> None:
    """Download a package's pinned wheel to `out` with pip and its configured index.

    `out` appears when the file is complete. Raises UserError if pip fails or the sha256 isn't the pinned one.
    """
    pinned = f"{package}=={version}"
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".download-", dir=out.parent) as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
        # The package is read, never run: any Python version will do.
        command += ["--ignore-requires-python", "--python-version", "3.13"]
        command += ["--disable-pip-version-check", pinned, "-d", folder]
        ended = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if ended.returncode != 0:
            raise UserError(
                f"download of {pinned}: expected pip to fetch its wheel, found: "
                f"{redact(_last_error(ended.stdout))}"
            )
        files = list(Path(folder).iterdir())
        if len(files) != 1:
            raise UserError(f"download of {pinned}: expected one wheel, found {[f.name for f in files]}")
        found = _sha256(files[0])
        if found != sha256:
            raise UserError(
                f"download of {pinned}: expected sha256 {sha256}, found {found}; "
                "correct the study if this wheel is meant, otherwise don't trust it"
            )
        files[0].replace(out)


def package_of(source: Source) -> PackageFile:
    """Return the package of a source in a package."""
    if source.package is None:
        raise ValueError(f"{type(source.kind).__name__} isn't resolved: it has no package")
    return source.package


def _last_error(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or ["no output"])[-1]


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def open_member(package: PackageFile, member: str, wheels: Path) -> bytes:
    """Return the bytes of one file of a package.

    `member` is its path inside the wheel, which begins with the import name. Reads the wheel in the folder
    `wheels`, or the installed package if no version is pinned. Raises UserError if package, wheel or member
    is missing.
    """
    if package.wheel is None:
        path = Path(str(_installed(package).locate_file(member)))
        if not path.is_file():
            raise UserError(f"package {package.package}: expected a file {member}, found none at {path}")
        try:
            return path.read_bytes()
        except OSError as error:
            raise UserError(
                f"package {package.package}: expected to read {path}, found: {error.strerror}; install the "
                "package again"
            ) from error
    with _opened(package, wheels) as archive:
        if member not in archive.namelist():
            raise UserError(
                f"{wheels / package.wheel}: expected a file {member}, found none; correct the study"
            )
        try:
            return archive.read(member)
        except DAMAGED as error:
            raise UserError(
                f"{wheels / package.wheel}: expected {member} whole, found it damaged ({error}); delete the "
                "wheel, it is fetched again"
            ) from error


def match_members(package: PackageFile, patterns: Sequence[str], wheels: Path) -> list[str]:
    """Return the names of a package's files that match at least one pattern, sorted, each once.

    In a pattern, `*` matches any characters including `/`. Raises UserError for a pattern without a match and
    for a missing package or wheel.
    """
    if package.wheel is None:
        names = [file.as_posix() for file in _installed(package).files or []]
    else:
        with _opened(package, wheels) as archive:
            names = archive.namelist()
    matched: set[str] = set()
    for pattern in patterns:
        found = [name for name in names if fnmatchcase(name, pattern) and not is_left_behind(name)]
        if not found:
            raise UserError(f"package {package.package}: expected a file that matches {pattern}, found none")
        matched.update(found)
    return sorted(matched)


def _installed(package: PackageFile) -> metadata.Distribution:
    try:
        return metadata.distribution(package.package)
    except metadata.PackageNotFoundError as error:
        raise UserError(
            f"package {package.package}: expected it to be installed, since no version is pinned; found none"
        ) from error


def _opened(package: PackageFile, wheels: Path) -> zipfile.ZipFile:
    path = wheels / str(package.wheel)
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError as error:
        raise UserError(
            f"{path}: expected the downloaded wheel, found nothing; run its download again"
        ) from error
    except zipfile.BadZipFile as error:
        raise UserError(
            f"{path}: expected a wheel, found a damaged file; delete it, it is fetched again"
        ) from error
