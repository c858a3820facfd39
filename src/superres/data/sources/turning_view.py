"""A rectilinear camera that turns inside a 360-degree photograph in equirectangular projection."""

import functools
import math
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from superres.data.sources.package_images import PackageImages, open_member, package_of
from superres.data.sources.reading import FrameReader, Origin, numbered_names, picture_digest
from superres.data.sources.source import PackageFile, Source, SourceKind
from superres.device.base.errors import UserError
from superres.keys import Whole

if TYPE_CHECKING:
    import numpy as np

Sector = tuple[float, float]

# Reach of the interpolation kernel in pixels, rounded up.
_MARGIN = 8
# OpenCV addresses pixels with 16 bits.
_MAX_SIDE = 32767


class TurningView(SourceKind):
    """Views of a camera that turns inside one 360-degree photograph.

    Frame k looks at yaw `yaw + k * yaw_step`, positive to the right, and at `pitch`, positive is up.
    """

    type: Literal["turning-view"] = "turning-view"
    package: Annotated[str, Field(description="Name of the package with the 360-degree photograph.")]
    member: Annotated[str, Field(description="The photograph's path inside the package.")]
    count: Annotated[Whole, Field(ge=1, le=1_000_000, description="Number of views.")]
    width: Annotated[Whole, Field(ge=16, le=16384, description="Width of a view in pixels.")]
    height: Annotated[Whole, Field(ge=16, le=16384, description="Height of a view in pixels.")]
    fov: Annotated[float, Field(gt=0, lt=170, description="Horizontal field of view in degrees.")]
    yaw: Annotated[
        float,
        Field(description="Direction of the first view in degrees; 0 is the photograph's middle column."),
    ]
    yaw_step: Annotated[float, Field(description="Degrees from one view to the next.")] = 0.0
    pitch: Annotated[float, Field(ge=-60, le=60, description="Degrees above the horizon.")] = 0.0
    supersampling: Annotated[
        Whole,
        Field(
            ge=1, le=4, description="Views are rendered at this many times their size, then area-averaged."
        ),
    ] = 2

    def size(self, source: Source) -> tuple[int, int]:
        """Return the size of a view."""
        return self.height, self.width

    def check(self, source: Source, smallest: int) -> None:
        """Check nothing: the keys have bounds, and the package is downloaded later."""

    def number(self, source: Source) -> int:
        """Number of views."""
        return self.count

    def open(self, source: Source, wheels: Path) -> FrameReader:
        """Open the views that are taken."""
        return _ViewReader(self, source, wheels)

    def shared(self, mine: Source, theirs: Source) -> str | None:
        """Compare photographs, whatever the directions of the views, and patterns of the same package."""
        package, other = package_of(mine).package, theirs.kind
        if theirs.package is None or theirs.package.package != package:
            return None
        if isinstance(other, PackageImages) and any(fnmatchcase(self.member, p) for p in other.members):
            return f"both take {self.member} from the package {package}"
        if isinstance(other, TurningView) and self.member == other.member:
            return f"both look into {self.member} from the package {package}"
        return None


class _ViewReader(FrameReader):
    def __init__(self, view: TurningView, source: Source, wheels: Path):
        self._view, self._package, self._wheels = view, package_of(source), wheels
        names = numbered_names(view.member, range(view.count))
        super().__init__(names, [(view.height, view.width)] * len(names))

    def _read(self, index: int) -> "tuple[np.ndarray, Origin]":
        view = self._view
        panorama, digest = _read_panorama(self._package, view.member, self._wheels)
        frame = render_view(
            panorama,
            yaw=view.yaw + index * view.yaw_step,
            pitch=view.pitch,
            fov=view.fov,
            width=view.width,
            height=view.height,
            supersampling=view.supersampling,
        )
        return frame, Origin(self.names[index], digest, frame_sector(view, index))


@functools.lru_cache(maxsize=1)
def _read_panorama(package: PackageFile, member: str, wheels: Path) -> "tuple[np.ndarray, str]":
    """Return a panorama and its digest, decoded once for all views into it."""
    from superres.data.sources.pictures import read_picture

    panorama = read_picture(open_member(package, member, wheels), member)
    return panorama, picture_digest(panorama)


def half_width(fov: float, pitch: float, width: int, height: int) -> float:
    """Return how far a view reaches to either side of its yaw, in degrees (180 if it contains a pole).

    `fov` is horizontal and below 180, both angles in degrees. A point at (u, v) on the image plane at
    distance 1 has yaw atan2(u, cos(pitch) + v sin(pitch)), with v pointing down. So the widest yaw is in the
    corners nearer to the pole.
    """
    half = math.tan(math.radians(fov) / 2)
    tilt = math.radians(abs(pitch))
    depth = math.cos(tilt) - math.sin(tilt) * half * height / width
    return 180.0 if depth <= 0 else math.degrees(math.atan2(half, depth))


def frame_sector(view: TurningView, frame: int) -> Sector:
    """Return the lowest and highest yaw in frame `frame` of a turning view, in degrees (not wrapped)."""
    yaw = view.yaw + frame * view.yaw_step
    reach = half_width(view.fov, view.pitch, view.width, view.height)
    return yaw - reach, yaw + reach


def render_view(
    panorama: "np.ndarray",
    *,
    yaw: float,
    pitch: float,
    fov: float,
    width: int,
    height: int,
    supersampling: int,
) -> "np.ndarray":
    """Render the view of a rectilinear camera inside a panorama; the result is uint8 height x width x 3.

    `panorama` is uint8 H x W x 3. Its columns span yaw -180 to 180 degrees (0 in the middle, growing to the
    right), its rows pitch 90 to -90. The camera looks at `yaw` and `pitch` with the horizontal field of view
    `fov`, in degrees. Samples with OpenCV's bicubic kernel at `supersampling` times the size, then averages
    areas. Raises UserError if the visible part of the panorama is too large for OpenCV.
    """
    import cv2
    import numpy as np

    rows, columns = panorama.shape[:2]
    grid_yaw, grid_y = _view_grid(
        pitch=pitch, fov=fov, width=width, height=height, supersampling=supersampling, rows=rows
    )
    per_degree = columns / 360
    reach = half_width(fov, pitch, width, height)
    first = math.floor((yaw - reach + 180) * per_degree - 0.5) - _MARGIN
    count = math.ceil(2 * reach * per_degree) + 2 * _MARGIN + 1
    top = max(0, math.floor(float(grid_y.min())) - _MARGIN)
    bottom = min(rows, math.ceil(float(grid_y.max())) + _MARGIN + 1)
    largest = max(count, bottom - top, width * supersampling, height * supersampling)
    if largest > _MAX_SIDE:
        raise UserError(
            f"turning view: expected at most {_MAX_SIDE} pixels to a side, found {largest}; "
            "lower fov or supersampling, or shrink the panorama"
        )
    seen = _unwrapped(panorama[top:bottom], first, count)
    map_x = grid_yaw * np.float32(per_degree) + np.float32((yaw + 180) * per_degree - 0.5 - first)
    view = cv2.remap(seen, map_x, grid_y - np.float32(top), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    if supersampling == 1:
        return view
    return cv2.resize(view, (width, height), interpolation=cv2.INTER_AREA)


def _unwrapped(panorama: "np.ndarray", first: int, count: int) -> "np.ndarray":
    """Return `count` columns from `first` on, around the circle; a copy only if they cross the seam."""
    import numpy as np

    columns = panorama.shape[1]
    first %= columns
    if first + count <= columns:
        return panorama[:, first : first + count]
    return np.take(panorama, np.arange(first, first + count), axis=1, mode="wrap")


@functools.lru_cache(maxsize=1)
def _view_grid(
    *, pitch: float, fov: float, width: int, height: int, supersampling: int, rows: int
) -> "tuple[np.ndarray, np.ndarray]":
    """Return the yaw in degrees and the panorama's row of each sample of a view at yaw 0.

    Both are float32, (height x width) x supersampling. A turning camera uses one grid for all frames.
    """
    import numpy as np

    half = math.tan(math.radians(fov) / 2)
    samples_x, samples_y = width * supersampling, height * supersampling
    right = (((np.arange(samples_x) + 0.5) / samples_x * 2 - 1) * half).astype(np.float32)[None, :]
    down = (((np.arange(samples_y) + 0.5) / samples_y * 2 - 1) * half * height / width)[:, None]
    cos, sin = math.cos(math.radians(pitch)), math.sin(math.radians(pitch))
    ahead = (cos + down * sin).astype(np.float32)
    up = (sin - down * cos).astype(np.float32)
    yaw = np.degrees(np.arctan2(right, ahead))
    latitude = np.arctan2(up, np.hypot(right, ahead))
    row = np.float32(rows / 2 - 0.5) - latitude * np.float32(rows / math.pi)
    for grid in (yaw, row):
        grid.setflags(write=False)
    return yaw, row
