"""Give an upscaled frame the chroma of its HR frame: what its luma alone is worth in PSNR over R, G and B."""

from __future__ import annotations

from typing import TYPE_CHECKING

from superres.device.base.errors import UserError
from superres.device.frames.psnr import luma_weights

if TYPE_CHECKING:
    import numpy as np

UPSCALED, OF_HR, OF_HR_420 = CHROMAS = ("upscaled", "hr", "hr-420")
"""Where chroma comes from: the arm itself, the HR frame, or the HR frame as a 4:2:0 video keeps it."""


def with_chroma(upscaled: np.ndarray, hr: np.ndarray, chroma: str) -> np.ndarray:
    """Return a frame with its own luma and the chroma of the HR frame, one of CHROMAS.

    All are uint8 H x W x 3, RGB; chroma is that of full-range BT.601. Its inverse adds luma to R, G and B
    alike, so with C the frame that gives chroma, the result is C + (Y - luma of C) (1, 1, 1), rounded.
    A frame of another size is returned as it is. Raises UserError for an unknown source.
    """
    import numpy as np

    if chroma not in CHROMAS:
        raise UserError(f"quality: expected {', '.join(CHROMAS)} as chroma, found {chroma!r}")
    if chroma == UPSCALED or upscaled.shape != hr.shape:
        return upscaled
    giving = hr.astype(np.float32) if chroma == OF_HR else as_420(hr)
    weights = np.array(luma_weights("full-range")[0], np.float32)
    levels = giving + ((upscaled - giving) @ weights)[..., None]
    return np.clip(np.rint(levels, out=levels), 0, 255, out=levels).astype(np.uint8)


def as_420(frame: np.ndarray) -> np.ndarray:
    """Return a frame, float32, after planes of half its size: means of 2 x 2 pixels, bilinearly doubled.

    That treats R, G and B alike, as it treats chroma; the planes aren't rounded. A last odd row or column is
    repeated.
    """
    import numpy as np

    height, width, planes = frame.shape
    even = np.pad(frame, [(0, height % 2), (0, width % 2), (0, 0)], "edge")
    pairs = even.reshape(-(-height // 2), 2, -(-width // 2), 2, planes)
    halved = pairs.mean((1, 3), dtype=np.float32)
    for axis in (0, 1):
        halved = _doubled(halved, axis)
    return halved[:height, :width]


def _doubled(values: np.ndarray, axis: int) -> np.ndarray:
    """Double an axis: three quarters of the nearest value and one of the next, the ends repeated."""
    import numpy as np

    rows = np.moveaxis(values, axis, 0)
    before, after = (np.concatenate(pair) for pair in ((rows[:1], rows[:-1]), (rows[1:], rows[-1:])))
    doubled = np.stack([0.75 * rows + 0.25 * before, 0.75 * rows + 0.25 * after], axis=1)
    return np.moveaxis(doubled.reshape(-1, *rows.shape[1:]), 0, axis)
