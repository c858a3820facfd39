"""Convert a decoded frame of any format to 8-bit RGB, upright, by the conversion that y4m files get."""

from dataclasses import dataclass

import av
import numpy as np
from av.video.reformatter import Interpolation

from superres.data.video.colour import Colour
from superres.data.video.yuv import yuv_to_rgb

# RGB of a photograph is 1.2 levels too dark in the mean by libswscale's default, 0.004 with these.
ACCURATE = (
    Interpolation.BICUBIC
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.FULL_CHR_H_INT
)
_SUBSAMPLINGS = {(2, 2): "420", (2, 1): "422", (1, 1): "444", (1, 2): "440"}


@dataclass(frozen=True)
class Turn:
    """How decoded frames become upright: rows and columns swapped, then rows and columns reversed."""

    swapped: bool = False
    rows: bool = False
    columns: bool = False

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Return the height and width of an upright frame."""
        return (width, height) if self.swapped else (height, width)

    def apply(self, picture: np.ndarray) -> np.ndarray:
        """Return a decoded picture upright."""
        if self.swapped:
            picture = picture.swapaxes(0, 1)
        return np.ascontiguousarray(picture[:: -1 if self.rows else 1, :: -1 if self.columns else 1])


def rgb_of(frame: av.VideoFrame, colour: Colour, turn: Turn) -> np.ndarray:
    """Return a frame as uint8 H x W x 3, RGB, upright.

    YUV of 8 to 16 bits is converted in float32 and rounded once. Alpha is dropped.
    """
    form = frame.format
    bits = form.components[0].bits
    if _is_yuv(form):
        picture = yuv_to_rgb(
            _yuv_planes(frame, bits), colour.matrix, colour.range == "limited", colour.siting, bits
        )
    elif form.name.startswith("gray"):
        picture = _grey(frame, bits, colour)
    elif bits > 8:
        picture = _deep_rgb(frame, bits)
    else:
        picture = frame.reformat(format="rgb24", interpolation=ACCURATE).to_ndarray()
    return turn.apply(picture)


def _is_yuv(form: av.VideoFormat) -> bool:
    components = form.components
    return len(components) >= 3 and components[0].is_luma and not form.name.startswith("xyz")


def _yuv_planes(frame: av.VideoFrame, bits: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the planes of a frame; other layouts of the same samples, such as nv12, are sorted first."""
    form = frame.format
    across, down = (16 // size(16) for size in (form.chroma_width, form.chroma_height))
    # Other subsamplings, such as 4:1:1, are upsampled by FFmpeg.
    sampling = _SUBSAMPLINGS.get((across, down), "444")
    deep = f"{bits}le" if bits > 8 else ""
    wanted = f"yuv{sampling}p{deep}"
    if form.name.replace("yuvj", "yuv").replace("yuva", "yuv") != wanted:
        frame = frame.reformat(format=wanted, interpolation=ACCURATE)
    first, second, third = (_plane(frame, index, bits) for index in range(3))
    return first, second, third


def _grey(frame: av.VideoFrame, bits: int, colour: Colour) -> np.ndarray:
    deep = f"{bits}le" if bits > 8 else ""
    if frame.format.name not in (f"gray{deep}", f"gray{bits}"):
        frame = frame.reformat(format=f"gray{deep}", interpolation=ACCURATE)
    luma = _plane(frame, 0, bits)
    neutral = np.full_like(luma, 1 << (bits - 1))
    return yuv_to_rgb((luma, neutral, neutral), colour.matrix, colour.range == "limited", "center", bits)


def _deep_rgb(frame: av.VideoFrame, bits: int) -> np.ndarray:
    """Round RGB of 9 to 16 bits to 8."""
    planar = f"gbrp{bits}le"
    if frame.format.name.replace("gbrap", "gbrp") != planar:
        frame = frame.reformat(format=planar, interpolation=ACCURATE)
    planes = [_plane(frame, index, bits) for index in (2, 0, 1)]
    narrow = np.float32(255 / (2**bits - 1))
    return np.stack([np.rint(plane * narrow).astype(np.uint8) for plane in planes], axis=2)


def _plane(frame: av.VideoFrame, index: int, bits: int) -> np.ndarray:
    """Return a plane as an array that shares the frame's memory."""
    plane = frame.planes[index]
    size = 1 if bits <= 8 else 2
    rows = np.frombuffer(memoryview(plane), np.uint8 if size == 1 else "<u2").reshape(plane.height, -1)
    return rows[:, : plane.width]
