"""From the planes of a video frame to RGB: chroma upsampling at the right phase, then the colour matrix."""

import cv2
import numpy as np

# Luma weights of red and blue: ITU-R BT.601 and BT.709.
_LUMA_WEIGHTS = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}
# Whether chroma samples share a luma sample's position: horizontally, vertically.
_COSITED = {"left": (True, False), "center": (False, False), "topleft": (True, True)}


def rgb_matrix(matrix: str, limited: bool) -> np.ndarray:
    """The 3 x 4 matrix, in float64, from (Y, Cb, Cr, 1) in levels of 0 to 255 to RGB in the same levels.

    `matrix` is `bt601` or `bt709`. Limited range puts Y in 16 to 235 and chroma in 16 to 240; full range
    uses 0 to 255. ITU-R BT.709-6, items 3.2 to 3.5; BT.601 has the same form with its own weights.
    """
    red, blue = _LUMA_WEIGHTS[matrix]
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
    offset = gains @ [16 if limited else 0, 128, 128]
    return np.column_stack([gains, -offset])


def upsample_chroma(plane: np.ndarray, width: int, height: int, siting: str) -> np.ndarray:
    """Upsample a chroma plane to width x height bilinearly, with its samples where `siting` says they lie.

    `plane` is uint8; the result is float32, in the same levels. `siting` is `left` (as MPEG-2), `center`
    (as JPEG) or `topleft`. A direction that isn't subsampled is left alone.
    """
    cosited_across, cosited_down = _COSITED[siting]
    levels = plane.astype(np.float32)
    if plane.shape[0] != height:
        levels = _double_rows(levels, cosited_down)
    if plane.shape[1] == width:
        return levels
    return cv2.transpose(_double_rows(cv2.transpose(levels), cosited_across))


def _double_rows(levels: np.ndarray, cosited: bool) -> np.ndarray:
    doubled = np.empty((2 * levels.shape[0], levels.shape[1]), np.float32)
    after = np.concatenate([levels[1:], levels[-1:]])
    if cosited:
        doubled[0::2] = levels
        doubled[1::2] = (levels + after) / 2
    else:
        before = np.concatenate([levels[:1], levels[:-1]])
        doubled[0::2] = levels * 0.75 + before * 0.25
        doubled[1::2] = levels * 0.75 + after * 0.25
    return doubled


def yuv_to_rgb(
    planes: tuple[np.ndarray, np.ndarray, np.ndarray], matrix: str, limited: bool, siting: str
) -> np.ndarray:
    """Convert a frame's uint8 planes (H x W, and two of that size or subsampled by 2) to uint8 H x W x 3 RGB.

    Computed in float32, rounded once, halves to even. `siting`: see `upsample_chroma`.
    """
    luma, *chroma = planes
    height, width = luma.shape
    upsampled = [upsample_chroma(plane, width, height, siting) for plane in chroma]
    merged = cv2.merge([luma.astype(np.float32), *upsampled])
    levels = cv2.transform(merged, rgb_matrix(matrix, limited))
    np.rint(levels, out=levels)
    return np.clip(levels, 0, 255, out=levels).astype(np.uint8)
