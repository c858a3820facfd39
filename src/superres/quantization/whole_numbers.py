"""Whole numbers for the tensors of a graph: what they mean, how large they get, and the operations that make them."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from superres.device.base.errors import UserError
from superres.device.fixed_point import WHITE, Instruction

CONSTANT_BITS = 24
"""Most fraction bits of a constant, and of what a product of levels with one gives."""

LIMIT = 1 << 62
"""All whole numbers stay below this; int64 has room for half a step more."""


@dataclass(frozen=True)
class Tensor:
    """Whole numbers n by name, at most `bound` large.

    They mean n 2^-f, and of that the 255th part where they count levels; `bits` has f for each channel (int64).
    """

    name: str
    bits: np.ndarray
    levels: bool
    bound: int

    @property
    def channels(self) -> int:
        return len(self.bits)


@dataclass(frozen=True)
class Constant:
    """Whole numbers, and their fraction bits: one value, or one for each output channel."""

    values: np.ndarray
    bits: np.ndarray


class Assembler:
    """Appends operations to a program; `where` says what is being assembled, for the error of a value too large."""

    def __init__(self) -> None:
        self.program: list[Instruction] = []
        self.where = ""

    def error(self, expected: str, found: object) -> UserError:
        """What a node has that can't be assembled."""
        return UserError(f"{self.where}: expected {expected} in fixed point, found {found}")

    def emit(self, operation: str, inputs: list[Tensor], result: Tensor, **constants: Any) -> Tensor:
        """Append an operation; gives its result under a name of its own."""
        self.require(result.bound)
        named = replace(result, name=f"t{len(self.program)}")
        self.program.append(Instruction(operation, [item.name for item in inputs], named.name, constants))
        return named

    def require(self, bound: int) -> None:
        """Raise UserError for numbers that don't stay below LIMIT."""
        if bound >= LIMIT:
            raise self.error("numbers of 62 bits", f"up to {bound}")

    def shifted(self, tensor: Tensor, bits: np.ndarray) -> Tensor:
        """The same with other fraction bits: rounded where they are fewer."""
        if np.array_equal(bits, tensor.bits):
            return tensor
        fewer = tensor.bits - bits
        self.require_shift(tensor, fewer)
        least = int(fewer.min())
        bound = (tensor.bound >> least) + 1 if least > 0 else tensor.bound << -least
        return self.emit("shift", [tensor], replace(tensor, bits=bits, bound=bound), bits=fewer)

    def require_shift(self, tensor: Tensor, fewer: np.ndarray) -> None:
        """Raise UserError where a shift leaves 62 bits, to the left or by more than all of them to the right."""
        self.require(tensor.bound << max(0, -int(fewer.min())))
        self.require(1 << max(0, int(fewer.max())))

    def uniform(self, tensor: Tensor) -> Tensor:
        """The same fraction bits in all channels, the most that one has."""
        return self.shifted(tensor, np.full_like(tensor.bits, tensor.bits.max()))

    def trimmed(self, tensor: Tensor) -> Tensor:
        """At most CONSTANT_BITS fraction bits."""
        return self.shifted(tensor, np.minimum(tensor.bits, CONSTANT_BITS))

    def in_levels(self, tensor: Tensor) -> Tensor:
        """The same in levels."""
        if tensor.levels:
            return tensor
        result = replace(tensor, levels=True, bound=WHITE * tensor.bound)
        return self.emit("multiply", [tensor], result, by=WHITE)

    def alike(self, *tensors: Tensor) -> list[Tensor]:
        """All in levels, if one is, and with the same fraction bits."""
        if any(tensor.levels for tensor in tensors):
            tensors = tuple(self.in_levels(tensor) for tensor in tensors)
        most = max(int(tensor.bits.max()) for tensor in tensors)
        return [self.shifted(tensor, np.full_like(tensor.bits, most)) for tensor in tensors]


def steps_of(value: float, tensor: Tensor) -> int:
    """A number in the steps of a tensor with the same fraction bits in all channels."""
    return round(math.ldexp(value * (WHITE if tensor.levels else 1), int(tensor.bits[0])))


def whole(values: np.ndarray) -> tuple[np.ndarray, int]:
    """Whole numbers (int64), and the fraction bits that these values need, at most CONSTANT_BITS."""
    steps = np.rint(np.ldexp(values.astype(np.float64), CONSTANT_BITS)).astype(np.int64)
    bits = CONSTANT_BITS
    while bits > 0 and not (steps & 1).any():
        steps, bits = steps >> 1, bits - 1
    return steps, bits


def doubling_taps(attributes: Mapping[str, Any]) -> np.ndarray | None:
    """Weights 2 x 5 of the pixels around one for its two halves, as ONNX's Resize has them; None for other resizing."""
    mode, place = attributes.get("mode"), attributes.get("coordinate_transformation_mode", b"half_pixel")
    if mode == b"nearest" and place == b"asymmetric" and attributes.get("nearest_mode") == b"floor":
        return np.array([[0, 0, 1, 0, 0]] * 2, np.float64)
    if place != b"half_pixel" or mode not in (b"cubic", b"linear") or attributes.get("exclude_outside", 0):
        return None
    # The first half's centre lies a quarter of a pixel before its pixel's.
    distances = [abs(pixel + 0.25) for pixel in range(-2, 3)]
    kernel = _linear if mode == b"linear" else _cubic(attributes.get("cubic_coeff_a", -0.75))
    first = [kernel(distance) for distance in distances]
    return np.array([first, first[::-1]])


def _linear(distance: float) -> float:
    return max(0.0, 1 - distance)


def _cubic(a: float) -> Callable[[float], float]:
    """Keys' kernel ("Cubic convolution interpolation", 1981, Eq. 15, with its -1/2 as a)."""

    def kernel(x: float) -> float:
        if x <= 1:
            return (a + 2) * x**3 - (a + 3) * x**2 + 1
        return a * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0

    return kernel
