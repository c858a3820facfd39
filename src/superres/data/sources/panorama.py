"""A rectilinear camera inside a 360-degree photograph in equirectangular projection."""

import functools
import math

import cv2
import numpy as np

from superres.data.sources.overlap import half_width
from superres.device.base.errors import UserError

# What the interpolation kernel reads beside a point, rounded up.
_MARGIN = 8
# OpenCV addresses pixels with 16 bits.
_MAX_SIDE = 32767


def render_view(
    panorama: np.ndarray, *, yaw: float, pitch: float, fov: float, width: int, height: int, supersampling: int
) -> np.ndarray:
    """Render what a rectilinear camera inside a panorama sees.

    `panorama` is uint8 H x W x 3: its columns span yaw -180 to 180 degrees (0 in the middle, growing to
    the right), its rows pitch 90 to -90. The camera looks at `yaw` and `pitch` with a horizontal field of
    view `fov`, in degrees. Sampled with OpenCV's bicubic kernel at `supersampling` times the size, then
    area-averaged; the result is uint8 height x width x 3. Raises UserError if the part of the panorama
    that is seen is too large for OpenCV.
    """
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


def _unwrapped(panorama: np.ndarray, first: int, count: int) -> np.ndarray:
    """`count` columns from `first` on, around the circle; copied only where the seam lies among them."""
    columns = panorama.shape[1]
    first %= columns
    if first + count <= columns:
        return panorama[:, first : first + count]
    return np.take(panorama, np.arange(first, first + count), axis=1, mode="wrap")


@functools.lru_cache(maxsize=1)
def _view_grid(
    *, pitch: float, fov: float, width: int, height: int, supersampling: int, rows: int
) -> tuple[np.ndarray, np.ndarray]:
    """Where each sample of a view at yaw 0 lies: its yaw in degrees and its row in the panorama.

    Both are float32, (height x width) x supersampling. A turning camera uses one grid for all frames.
    """
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
