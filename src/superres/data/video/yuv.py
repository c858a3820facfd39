"""Convert planes of a video frame to RGB and back: the colour matrix, and chroma at the right position."""

import cv2
import numpy as np

# Luma weights of red and blue: ITU-R BT.601, BT.709 and BT.2020, SMPTE 240M, and FCC's of 1953.
LUMA_WEIGHTS = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "bt2020": (0.2627, 0.0593),
    "smpte240m": (0.212, 0.087),
    "fcc": (0.3, 0.11),
}
# Whether chroma samples share a luma sample's position, horizontally and vertically.
COSITED = {
    "left": (True, False),
    "center": (False, False),
    "topleft": (True, True),
    "top": (False, True),
}

# Rows of a strip. Narrower frames are not cut into strips.
_STRIP = 64
_NOTHING = np.zeros(4)


def rgb_matrix(matrix: str, limited: bool, bits: int = 8) -> np.ndarray:
    """Return the 3 x 4 matrix, in float64, from (Y, Cb, Cr, 1) to RGB, both in levels of 0 to 255.

    `matrix` is one of LUMA_WEIGHTS. Limited range puts Y in 16 to 235 and chroma in 16 to 240; full range
    uses 0 to 255. ITU-R BT.709-6, items 3.2 to 3.5; the others have the same form with their own weights. Of
    more bits, (Y, Cb, Cr) are in units of 2^(bits - 8) (BT.2100, table 9).
    """
    red, blue = LUMA_WEIGHTS[matrix]
    green = 1 - red - blue
    gains = np.array(
        [
            [1, 0, 2 * (1 - red)],
            [1, -2 * (1 - blue) * blue / green, -2 * (1 - red) * red / green],
            [1, 2 * (1 - blue), 0],
        ]
    )
    if limited:
        gains *= [255 / 219, 255 / 224, 255 / 224]
    else:
        gains *= 255 * 2 ** (bits - 8) / (2**bits - 1)
    offset = gains @ [16 if limited else 0, 128, 128]
    return np.column_stack([gains, -offset])


def upsample_chroma(plane: np.ndarray, width: int, height: int, siting: str) -> tuple[np.ndarray, int]:
    """Upsample a chroma plane (uint8 or uint16) to width x height, bilinearly and exactly.

    Returns integers in fractions of a level, and their number per level (1, 4 or 16). Bilinear weights are
    fourths, and integers take half the time of floats. `siting` is the position of the samples: `left`
    (MPEG-2), `center` (JPEG), `topleft` or `top`. A direction that isn't subsampled stays as it is.
    """
    cosited_across, cosited_down = COSITED[siting]
    parts, steps = plane.astype(np.int16 if plane.dtype == np.uint8 else np.int32), 1
    if plane.shape[0] != height:
        parts, steps = _double_rows(parts, cosited_down)[:height], 4
    if plane.shape[1] != width:
        parts, steps = _double_rows(parts.T, cosited_across)[:width].T, 4 * steps
    return parts, steps


def _double_rows(parts: np.ndarray, cosited: bool) -> np.ndarray:
    """Double the rows, in fourths of the unit of `parts` and in its memory order."""
    doubled = np.empty(
        (2 * parts.shape[0], parts.shape[1]), parts.dtype, "F" if parts.flags.f_contiguous else "C"
    )
    after = np.concatenate([parts[1:], parts[-1:]])
    if cosited:
        doubled[0::2] = parts * 4
        doubled[1::2] = (parts + after) * 2
    else:
        before = np.concatenate([parts[:1], parts[:-1]])
        doubled[0::2] = parts * 3 + before
        doubled[1::2] = parts * 3 + after
    return doubled


def _levels(parts: np.ndarray, steps: int) -> np.ndarray:
    levels = parts.astype(np.float32)
    return levels if steps == 1 else levels * np.float32(1 / steps)


def yuv_to_rgb(
    planes: tuple[np.ndarray, np.ndarray, np.ndarray], matrix: str, limited: bool, siting: str, bits: int = 8
) -> np.ndarray:
    """Convert a frame's planes (H x W, and two of that size or subsampled by 2) to uint8 H x W x 3 RGB.

    Planes are uint8, or uint16 with the number of `bits`. Computed in float32, rounded once, halves to even.
    `siting`: see `upsample_chroma`.
    """
    luma, *chroma = planes
    height, width = luma.shape
    unit = 2 ** (bits - 8)
    upsampled = [upsample_chroma(plane, width, height, siting) for plane in chroma]
    to_rgb = rgb_matrix(matrix, limited, bits)
    rgb = np.empty((height, width, 3), np.uint8)
    # The floats of a strip stay in the CPU's cache: a whole frame at once takes three times as long. Each
    # strip has one extra row, which the next strip overwrites. OpenCV rounds the last pixels of an array
    # differently, and the frame would depend on the cuts.
    step = _STRIP if width >= _STRIP else height
    for top in range(0, height, step):
        rows = slice(top, top + step + 1)
        strip = [
            _levels(luma[rows], unit),
            *(_levels(parts[rows], steps * unit) for parts, steps in upsampled),
        ]
        # Adding zero converts to 8 bits: rounded to the nearest, halves to even, and saturated.
        cv2.add(cv2.transform(cv2.merge(strip), to_rgb), _NOTHING, dst=rgb[rows], dtype=cv2.CV_8U)
    return rgb


def rgb_to_yuv(
    rgb: np.ndarray, matrix: str, limited: bool, siting: str, sampling: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Convert uint8 H x W x 3 RGB to 8-bit planes, the inverse of `yuv_to_rgb`.

    `sampling` is 420, 422 or 444. A subsampled chroma sample is the mean of two neighbours, or 1:2:1 where it
    shares a luma sample's position. A last odd row or column counts twice. Computed in float32, rounded once.
    """
    rows, columns = rgb.shape[:2]
    if rows % 2 or columns % 2:
        even = np.pad(rgb, [(0, rows % 2), (0, columns % 2), (0, 0)], "edge")
        luma, *chroma = rgb_to_yuv(even, matrix, limited, siting, sampling)
        small = (
            -(-rows // 2) if sampling == "420" else rows,
            columns if sampling == "444" else -(-columns // 2),
        )
        blue, red = (plane[: small[0], : small[1]] for plane in chroma)
        return luma[:rows, :columns], blue, red
    to_rgb = rgb_matrix(matrix, limited)
    to_yuv = np.linalg.inv(to_rgb[:, :3])
    offset = np.array([16 if limited else 0, 128, 128])
    height, width = rgb.shape[:2]
    luma = np.empty((height, width, 1), np.uint8)
    down, across = (2 if sampling == "420" else 1), (1 if sampling == "444" else 2)
    chroma = np.empty((height // down, width // across, 2), np.uint8)
    cosited_across, cosited_down = COSITED[siting]
    for top in range(0, height, _STRIP):
        rows = slice(top, min(top + _STRIP, height))
        _apply(rgb[rows], np.column_stack([to_yuv[:1], offset[:1]]), luma[rows])
        # A row more on top, which a cosited sample at the strip's edge needs.
        above = rgb[max(top - 1, 0) : rows.stop]
        sums, weight = (above if top else np.concatenate([above[:1], above])), 1
        sums, weight = _halve_rows(sums, cosited_down) if down == 2 else (sums[1:], weight)
        if across == 2:
            sums, weight = _halve_columns(sums.astype(np.uint16, copy=False), cosited_across, weight)
        _apply(
            sums,
            np.column_stack([to_yuv[1:] / weight, offset[1:]]),
            chroma[rows.start // down : -(-rows.stop // down)],
        )
    blue, red = cv2.split(chroma)
    return luma[..., 0], blue, red


def _halve_rows(rows: np.ndarray, cosited: bool) -> tuple[np.ndarray, int]:
    """Return sums of pairs of rows after the first, or of 1:2:1 around the first of each, and their weight.

    Twice as fast by OpenCV as by NumPy, and as exact: 16 bits hold every sum.
    """
    first = rows[1::2]
    sums = cv2.add(first, rows[2::2], dtype=cv2.CV_16U)
    return (sums, 2) if not cosited else (sums + cv2.add(first, rows[0:-1:2], dtype=cv2.CV_16U), 4)


def _halve_columns(sums: np.ndarray, cosited: bool, weight: int) -> tuple[np.ndarray, int]:
    """Return sums of pairs of columns, or of 1:2:1 around the first of each, and their weight.

    All columns are added and half of them kept: steps over three channels would take three times as long.
    """
    padded = cv2.copyMakeBorder(sums, 0, 0, 1, 1, cv2.BORDER_REPLICATE)
    pairs = padded[:, :-1] + padded[:, 1:]
    wanted = pairs[:, :-1] + pairs[:, 1:] if cosited else pairs[:, 1:]
    height, width = sums.shape[:2]
    halved = cv2.resize(wanted, (width // 2, height), interpolation=cv2.INTER_NEAREST)
    return halved, weight * (4 if cosited else 2)


def _apply(values: np.ndarray, matrix: np.ndarray, out: np.ndarray) -> None:
    """Write the product of a matrix and each pixel, rounded to 8 bits and saturated."""
    product = cv2.transform(np.ascontiguousarray(values, np.float32), matrix)
    rounded = cv2.add(product, _NOTHING, dtype=cv2.CV_8U)
    out[...] = rounded.reshape(out.shape)
