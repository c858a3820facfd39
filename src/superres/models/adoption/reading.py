"""Ways to feed a network with a photograph, and how close each comes to the original.

Computed in float64 around the foreign graph as it is, apart from the graph that is written afterwards.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np

from superres.models.adoption.ends import Ends
from superres.models.adoption.statements import Activation, Adoption, Colour, Range, Swing

Run = Callable[[np.ndarray], np.ndarray]
"""Runs the network on its own input, and returns its output."""

RANGES: dict[Range, tuple[float, float]] = {"0..1": (1.0, 0.0), "0..255": (255.0, 0.0), "-1..1": (2.0, -1.0)}
"""Factor and offset from [0, 1] to a network's values."""

ACTIVATIONS: dict[Activation, Callable[[np.ndarray], np.ndarray]] = {
    "sigmoid": lambda values: (1 + np.tanh(values / 2)) / 2,
    "tanh": np.tanh,
}
"""Activations that a network may end with."""

LUMA_ROW = np.array([0.299, 0.587, 0.114])
"""Weights of R, G and B in full-range BT.601 luma."""

# ITU-R BT.601-7, section 2.5.1: Cb = (B - Y) / 1.772, Cr = (R - Y) / 1.402, around 0.5.
_YCBCR = np.stack([LUMA_ROW, (np.eye(3)[2] - LUMA_ROW) / 1.772, (np.eye(3)[0] - LUMA_ROW) / 1.402])


@dataclass(frozen=True)
class Reading:
    """One meaning of a network's values: colours, range from black to white, swing of luma and chroma.

    `output_range` is that of its output, if it is another than that of its input.
    """

    colour: Colour
    range: Range
    swing: Swing = "full"
    output_range: Range | None = None

    def __str__(self) -> str:
        swing = f", {self.swing} swing" if self.colour in ("luma", "ycbcr") else ""
        other = f", output in {self.output_range}" if self.output_range else ""
        return f"{self.colour} in {self.range}{other}{swing}"

    @property
    def to_network(self) -> tuple[np.ndarray, np.ndarray]:
        """Matrix and offset from RGB in [0, 1] to the network's channels, in the range of its input."""
        return self._to_channels(self.range)

    @property
    def to_result(self) -> tuple[np.ndarray, np.ndarray]:
        """Matrix and offset from RGB in [0, 1] to the network's channels, in the range of its output."""
        return self._to_channels(self.output_range or self.range)

    @property
    def to_rgb(self) -> tuple[np.ndarray, np.ndarray]:
        """Matrix and offset from the network's three channels to RGB in [0, 1]."""
        matrix, offset = self.to_result
        inverse = np.linalg.inv(matrix)
        return inverse, -inverse @ offset

    def _to_channels(self, values: Range) -> tuple[np.ndarray, np.ndarray]:
        matrix, offset = self._colours()
        factor, shift = RANGES[values]
        return factor * matrix, factor * offset + shift

    def _colours(self) -> tuple[np.ndarray, np.ndarray]:
        match self.colour:
            case "rgb":
                return np.eye(3), np.zeros(3)
            case "bgr":
                return np.eye(3)[::-1].copy(), np.zeros(3)
            case "luma":
                gain, black = self.luma
                return gain * LUMA_ROW[None], np.array([black])
            case "ycbcr":
                gain, black = self.luma
                chroma = 1.0 if self.swing == "full" else 224 / 255
                gains = np.array([gain, chroma, chroma])
                return gains[:, None] * _YCBCR, np.array([black, 0.5, 0.5])

    @property
    def luma(self) -> tuple[float, float]:
        """Factor and offset from full-range luma in [0, 1] to this swing."""
        return (1.0, 0.0) if self.swing == "full" else (219 / 255, 16 / 255)


@dataclass(frozen=True)
class Tried:
    """A reading and the PSNR of its picture in dB, against the photograph."""

    reading: Reading
    psnr_db: float


def readings(ends: Ends, *, mixed: bool = False) -> Iterator[Reading]:
    """Yield the readings that fit a network's ends, the usual ones first.

    Values of 8 bits are levels. Two ends of floats have one range, or with `mixed`, two different ones.
    """
    all_colours: tuple[Colour, ...] = ("luma",) if ends.channels == 1 else ("rgb", "bgr", "ycbcr")
    every: tuple[Range, ...] = ("0..1", "0..255", "-1..1")
    of_input, of_output = (
        every if kind != "uint8" else every[1:2] for kind in (ends.input_type, ends.output_type)
    )
    levels = "uint8" in (ends.input_type, ends.output_type)
    pairs = sorted(product(of_input, of_output), key=lambda pair: pair[0] != pair[1])
    pairs = [pair for pair in pairs if levels or (pair[0] != pair[1]) == mixed]
    for colour, (first, last) in product(all_colours, pairs):
        for swing in ("full", "studio") if colour in ("luma", "ycbcr") else ("full",):
            yield Reading(colour, first, swing, last if last != first else None)


def fits(reading: Reading, stated: Adoption, ends: Ends) -> bool:
    """Return whether a reading may be taken: colours are stated or usual, the rest is stated or free."""
    given = reading.output_range or reading.range
    same = stated.range if ends.output_type != "uint8" else None
    return (
        reading.colour == (stated.colour or usual_colour(ends))
        and reading.range == (stated.range or reading.range)
        and given == (stated.output_range or same or given)
        and reading.swing == (stated.swing or reading.swing)
    )


def usual_colour(ends: Ends) -> Colour:
    """Return what the channels of a network are, unless the study states other colours."""
    return "luma" if ends.channels == 1 else "rgb"


def try_reading(run: Run, ends: Ends, reading: Reading, lr: np.ndarray, scale: int) -> np.ndarray:
    """Return the picture of a reading, float64 sH x sW x 3 RGB in [0, 1], not clipped.

    `lr` is uint8 H x W x 3. A network on luma gets bicubic chroma beside it.
    """
    rgb = lr / 255.0
    matrix, offset = reading.to_network
    planes = rgb @ matrix.T + offset
    found = _picture(run(_as_input(planes, ends)), ends)
    if not np.isfinite(found).all():
        # No picture in any reading.
        return np.full((scale * lr.shape[0], scale * lr.shape[1], 3), np.nan)
    if ends.channels == 3:
        matrix, offset = reading.to_rgb
        return found @ matrix.T + offset
    matrix, offset = reading.to_result
    [[factor], shift] = matrix @ np.ones((3, 1)), offset[0]
    chroma = rgb - (rgb @ LUMA_ROW)[..., None]
    return enlarge(chroma, scale) + (found - shift) / factor


def _as_input(planes: np.ndarray, ends: Ends) -> np.ndarray:
    if ends.input_type == "uint8":
        planes = np.clip(np.rint(planes), 0, 255)
    batch = planes[None] if ends.layout == "NHWC" else planes.transpose(2, 0, 1)[None]
    return np.ascontiguousarray(batch.astype("uint8" if ends.input_type == "uint8" else "float32"))


def _picture(output: np.ndarray, ends: Ends) -> np.ndarray:
    found = output[0].astype(np.float64)
    return found if ends.layout == "NHWC" else found.transpose(1, 2, 0)


def psnr_of(picture: np.ndarray, hr: np.ndarray, border: int = 4) -> float:
    """Return the PSNR of a picture in [0, 1], rounded to levels, against uint8 `hr`; nan becomes -inf."""
    inside = (slice(border, hr.shape[0] - border), slice(border, hr.shape[1] - border))
    if not np.isfinite(picture).all():
        return float("-inf")
    levels = np.clip(np.rint(255 * picture[inside]), 0, 255)
    mse = float(np.mean((levels - hr[inside]) ** 2))
    return 10 * float(np.log10(255**2 / max(mse, 1e-6)))


def cubic(distance: np.ndarray, a: float = -0.5) -> np.ndarray:
    """Keys' cubic convolution kernel, 1981; a = -0.5 as in MATLAB's imresize."""
    d = np.abs(distance)
    near = (a + 2) * d**3 - (a + 3) * d**2 + 1
    far = a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0.0))


def enlarge(picture: np.ndarray, scale: int) -> np.ndarray:
    """Enlarge a picture H x W x C by bicubic interpolation with repeated borders."""
    for axis in (0, 1):
        picture = np.moveaxis(
            np.tensordot(_interpolation(picture.shape[axis], scale), picture, (1, axis)), 0, axis
        )
    return picture


@cache
def _interpolation(size: int, scale: int) -> np.ndarray:
    """Return the matrix (scale size) x size of an interpolation along one side."""
    matrix = np.zeros((scale * size, size))
    for place in range(scale * size):
        centre = (place + 0.5) / scale - 0.5
        for at in range(int(np.floor(centre)) - 1, int(np.floor(centre)) + 3):
            matrix[place, min(max(at, 0), size - 1)] += cubic(np.array(at - centre))
    return matrix
