"""A network in whole numbers: from a uint8 frame to a uint8 frame by integer sums, products with constants and shifts.

What a program in C for a signal processor, or a circuit, would compute, to the last bit. A tensor holds whole
numbers n; what they mean, n 2^-f for fraction bits f, was settled when the tables were made
(`superres.quantization.fixed_point`). No value of a frame is ever a float here. Rounding is to nearest, half to even,
as in ONNX's QuantizeLinear; right shifts of negative numbers round down before that is put right.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Set
from zipfile import BadZipFile

import numpy as np

from superres.device.base.errors import UserError

INPUT = "frame"
WHITE = 255
_FORMAT = "superres fixed point 1"
# Rows of a convolution that are summed at a time: few enough that the sums stay near the processor.
_ROWS = 16


class Instruction(NamedTuple):
    """One operation (a key of `_OPERATIONS`), the tensors that it reads, the one that it makes, constants by name."""

    operation: str
    inputs: Sequence[str]
    output: str
    constants: Mapping[str, Any]


@dataclass(frozen=True)
class Tables:
    """A network: instructions in their order; the last output holds levels 0..255 with `fraction_bits`."""

    program: Sequence[Instruction]
    fraction_bits: int


def write_tables(tables: Tables, path: Path) -> None:
    """Write tables as .npz without pickles; the same tables give the same bytes."""
    arrays: Dict[str, np.ndarray] = {}
    program: List[Any] = []
    for index, step in enumerate(tables.program):
        plain = {}
        for name, value in step.constants.items():
            if isinstance(value, np.ndarray):
                arrays[f"{index}.{name}"] = value
            else:
                plain[name] = value
        program.append([step.operation, list(step.inputs), step.output, plain])
    head = {"format": _FORMAT, "fraction_bits": tables.fraction_bits, "program": program}
    text = json.dumps(head, sort_keys=True).encode("ascii")
    with path.open("wb") as file:
        np.savez_compressed(file, head=np.frombuffer(text, np.uint8), **arrays)  # pyright: ignore[reportArgumentType]


def read_tables(path: Path) -> Tables:
    """Read what `write_tables` wrote; raises UserError for any other file."""
    try:
        with np.load(str(path), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        head = json.loads(arrays.pop("head").tobytes().decode("ascii"))
        program = [Instruction(*entry) for entry in head["program"]]
        for name, array in arrays.items():
            index, _, constant = name.partition(".")
            program[int(index)].constants[constant] = array  # type: ignore[index]
        if head["format"] != _FORMAT or any(step.operation not in _OPERATIONS for step in program):
            raise ValueError(head["format"])
        return Tables(program, int(head["fraction_bits"]))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, EOFError, BadZipFile) as error:
        raise UserError(
            f"{path}: expected the tables of a fixed-point network, found something else: {error!r}"
        ) from error


def upscale(tables: Tables, frame: np.ndarray, threads: int = 1) -> np.ndarray:
    """Upscale a uint8 frame H x W x 3 to a uint8 frame 2H x 2W x 3."""
    planes = upscale_levels(tables, frame, threads)
    pixels = np.empty((*planes.shape[1:], len(planes)), np.uint8)
    for channel, plane in enumerate(planes):
        pixels[..., channel] = np.clip(_rounded(plane, tables.fraction_bits), 0, WHITE)
    return pixels


def upscale_levels(tables: Tables, frame: np.ndarray, threads: int = 1) -> np.ndarray:
    """The same before it is rounded and limited to 0..255: int64 3 x 2H x 2W with `tables.fraction_bits`."""
    values: Dict[str, np.ndarray] = {INPUT: frame.transpose(2, 0, 1)}
    last_use = _last_uses(tables.program)
    with ThreadPoolExecutor(threads) as pool:
        for index, step in enumerate(tables.program):
            inputs = [values[name] for name in step.inputs]
            if step.operation == "convolve":
                values[step.output] = _convolve(*inputs, pool=pool, **step.constants)
            else:
                values[step.output] = _OPERATIONS[step.operation](*inputs, **step.constants)
            for name in last_use[index]:
                del values[name]
    return values[tables.program[-1].output].astype(np.int64)


def _last_uses(program: Sequence[Instruction]) -> List[Set[str]]:
    """For each instruction the tensors that nothing reads behind it."""
    seen: Set[str] = {program[-1].output}
    uses: List[Set[str]] = []
    for step in reversed(program):
        names = {*step.inputs, step.output} - seen
        uses.append(names)
        seen |= names
    return uses[::-1]


def _convolve(
    data: np.ndarray, *, weights: np.ndarray, bias: np.ndarray, pads: Sequence[int], pool: ThreadPoolExecutor
) -> np.ndarray:
    """I x H x W by weights O x I x kh x kw, in their type; zeros around: `pads` top, left, bottom, right."""
    top, left, bottom, right = pads
    channels, height, width = data.shape
    taps_y, taps_x = weights.shape[2:]
    rows, columns = height + top + bottom - taps_y + 1, width + left + right - taps_x + 1
    taps = [
        (y, x, np.ascontiguousarray(weights[:, :, y, x]))
        for y in range(taps_y)
        for x in range(taps_x)
        if weights[:, :, y, x].any()
    ]
    result = np.empty((len(weights), rows, columns), weights.dtype)

    def fill(first: int) -> None:
        count = min(_ROWS, rows - first)
        strip = np.zeros((channels, count + taps_y - 1, columns + taps_x - 1), weights.dtype)
        begin, end = max(first - top, 0), min(first - top + count + taps_y - 1, height)
        strip[:, begin - first + top : end - first + top, left : left + width] = data[:, begin:end]
        sums = np.repeat(bias, count * columns).reshape(len(bias), -1)
        for y, x, tap in taps:
            window = np.ascontiguousarray(strip[:, y : y + count, x : x + columns])
            # Of whole numbers, einsum makes whole numbers: sum over the input channels.
            sums += np.einsum("oi,ip->op", tap, window.reshape(channels, -1))
        result[:, first : first + count] = sums.reshape(len(bias), count, columns)

    for _ in pool.map(fill, range(0, rows, _ROWS)):
        pass
    return result


def _rounded(values: np.ndarray, bits: int) -> np.ndarray:
    """n 2^-bits, rounded to nearest, half to even; exact for negative bits. int64."""
    values = values.astype(np.int64)
    if bits <= 0:
        return values << -bits
    # One less than half, and one more for an odd neighbour below: then ties go to the even one.
    return (values + ((1 << (bits - 1)) - 1) + ((values >> bits) & 1)) >> bits


def _shift(
    data: np.ndarray, *, bits: np.ndarray, low: Optional[int] = None, high: Optional[int] = None
) -> np.ndarray:
    """Divide every channel by 2 to the power of its `bits`, then limit to low..high where they are given."""
    result = np.empty(data.shape, _type_for(low, high))
    for channel, plane in enumerate(data):
        rounded = _rounded(plane, int(bits[channel]))
        result[channel] = rounded if low is None else np.clip(rounded, low, high)
    return result


def _divide(data: np.ndarray, *, left: int, divisor: int, low: int, high: int) -> np.ndarray:
    """n 2^left / divisor, rounded half to even and limited to low..high."""
    result = np.empty(data.shape, _type_for(low, high))
    for channel, plane in enumerate(data):
        quotient, rest = np.divmod(plane.astype(np.int64) << left, divisor)
        quotient += (2 * rest > divisor) | ((2 * rest == divisor) & (quotient % 2 == 1))
        result[channel] = np.clip(quotient, low, high)
    return result


def _type_for(low: Optional[int], high: Optional[int]) -> type:
    if low is None or high is None:
        return np.int64
    if low >= 0 and high <= WHITE:
        return np.uint8
    return np.int8 if low >= -128 and high <= 127 else np.int64


def _limit(data: np.ndarray, *, low: int, high: Optional[int] = None) -> np.ndarray:
    limited = np.maximum(data, data.dtype.type(low))
    return limited if high is None else np.minimum(limited, high)


def _multiply(data: np.ndarray, *, by: int) -> np.ndarray:
    return data.astype(np.int64) * by


def _offset(data: np.ndarray, *, by: int) -> np.ndarray:
    return data.astype(np.int64) + by


def _add(data: np.ndarray, other: np.ndarray) -> np.ndarray:
    return data.astype(np.int64) + other


def _subtract(data: np.ndarray, other: np.ndarray) -> np.ndarray:
    return data.astype(np.int64) - other


def _pad(data: np.ndarray, *, pads: Sequence[int], value: Optional[int] = None) -> np.ndarray:
    """Put rows and columns around, top, left, bottom, right: of `value`, or the border's own repeated."""
    top, left, bottom, right = pads
    around = ((0, 0), (top, bottom), (left, right))
    data = data.astype(np.int64)
    if value is None:
        return np.pad(data, around, mode="edge")
    return np.pad(data, around, constant_values=value)


def _take(data: np.ndarray, *, first: int, end: int) -> np.ndarray:
    return data[first:end]


def _join(*parts: np.ndarray) -> np.ndarray:
    return np.concatenate(parts)


def _double(data: np.ndarray, *, taps: np.ndarray) -> np.ndarray:
    """Double rows, then columns: two new ones a pixel, each a sum over the pixels around it by `taps` 2 x (2R + 1)."""
    for axis in (1, 2):
        data = _double_axis(data.astype(np.int64), taps, axis)
    return data


def _double_axis(data: np.ndarray, taps: np.ndarray, axis: int) -> np.ndarray:
    radius = taps.shape[1] // 2
    around = [(0, 0)] * 3
    around[axis] = (radius, radius)
    padded = np.pad(data, around, mode="edge")
    size = data.shape[axis]
    phases = [
        sum(int(tap) * np.take(padded, range(k, k + size), axis) for k, tap in enumerate(row)) for row in taps
    ]
    shape = list(data.shape)
    shape[axis] *= 2
    return np.stack(phases, axis + 1).reshape(shape)


def _depth_to_space(data: np.ndarray) -> np.ndarray:
    """4C x H x W to C x 2H x 2W: channel 4c + 2i + j is sub-pixel (i, j) of channel c."""
    channels, height, width = data.shape
    blocks = data.reshape(channels // 4, 2, 2, height, width)
    return blocks.transpose(0, 3, 1, 4, 2).reshape(channels // 4, 2 * height, 2 * width)


_OPERATIONS: Dict[str, Callable[..., np.ndarray]] = {
    "add": _add,
    "convolve": _convolve,
    "depth_to_space": _depth_to_space,
    "divide": _divide,
    "double": _double,
    "join": _join,
    "limit": _limit,
    "multiply": _multiply,
    "offset": _offset,
    "pad": _pad,
    "shift": _shift,
    "subtract": _subtract,
    "take": _take,
}
