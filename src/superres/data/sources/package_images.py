"""Photographs inside a Python package, made smaller by averaging if the study asks for it."""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from superres.data.sources.packages import match_members, open_member, package_of
from superres.data.sources.reading import FrameReader, Origin, even_shape, picture_digest
from superres.data.sources.source import FrameRange, Source, SourceKind, select_frames
from superres.data.sources.turning_view import TurningView
from superres.keys import Some, Whole

if TYPE_CHECKING:
    import numpy as np


class PackageImages(SourceKind):
    """Photographs inside a package: every member that matches one of the patterns.

    `shrink` n area-averages n x n pixels, which takes JPEG artefacts away.
    """

    type: Literal["package-images"] = "package-images"
    package: Annotated[str, Field(description="Name of the package that carries the photographs.")]
    members: Annotated[Some[str], Field(description="File-name patterns (*, ?, [...]).")]
    shrink: Annotated[Whole, Field(ge=1, le=8, description="Area-average n x n pixels into one.")] = 1
    frames: FrameRange = FrameRange()

    def check(self, source: Source, smallest: int) -> None:
        """Raise UserError for an installed package without the photographs; a wheel isn't there yet."""
        package = package_of(source)
        if package.version is None:
            members = match_members(package, self.members, Path())
            select_frames(source.frames, len(members), f"package {package.package}")

    def open(self, source: Source, wheels: Path) -> FrameReader:
        """Open the frames that are taken."""
        return _PackageReader(self, source, wheels)

    def shared(self, mine: Source, theirs: Source) -> str | None:
        """Compare patterns with those of the same package, and with a view's photograph there."""
        package, other = package_of(mine).package, theirs.kind
        if theirs.package is None or theirs.package.package != package:
            return None
        if isinstance(other, PackageImages):
            for one in self.members:
                for two in other.members:
                    if one == two or fnmatchcase(one, two) or fnmatchcase(two, one):
                        return f"both take {one} from the package {package} (as {two} in the other)"
        if isinstance(other, TurningView) and any(fnmatchcase(other.member, p) for p in self.members):
            return f"both take {other.member} from the package {package}"
        return None


class _PackageReader(FrameReader):
    def __init__(self, kind: PackageImages, source: Source, wheels: Path):
        from superres.data.sources.pictures import picture_size

        self._package, self._shrink, self._wheels = package_of(source), kind.shrink, wheels
        members = match_members(self._package, kind.members, wheels)
        taken = select_frames(source.frames, len(members), f"package {self._package.package}")
        self._members = [members[index] for index in taken]
        sizes = [picture_size(open_member(self._package, m, wheels), m) for m in self._members]
        super().__init__(
            [Path(member).name for member in self._members],
            [
                even_shape(h // kind.shrink, w // kind.shrink, m)
                for (h, w), m in zip(sizes, self._members, strict=True)
            ],
        )

    def _read(self, index: int) -> "tuple[np.ndarray, Origin]":
        import cv2

        from superres.data.sources.pictures import read_picture

        member, shrink = self._members[index], self._shrink
        picture = read_picture(open_member(self._package, member, self._wheels), member)
        origin = Origin(self.names[index], picture_digest(picture), None)
        height, width = self.shapes[index]
        cropped = picture[: height * shrink, : width * shrink]
        if shrink > 1:
            cropped = cv2.resize(cropped, (width, height), interpolation=cv2.INTER_AREA)
        return cropped, origin
