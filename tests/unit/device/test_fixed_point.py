"""Arithmetic in whole numbers, against exact fractions, float64 and numbers worked out by hand."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from superres.device import fixed_point
from superres.device.base.errors import UserError
from superres.device.fixed_point import Instruction, Tables, read_tables, upscale, write_tables


def run(
    frame: np.ndarray, *program: tuple[str, dict[str, Any]], bits: int = 0, threads: int = 1
) -> np.ndarray:
    """What a chain of operations makes of a frame H x W x C, before it is rounded."""
    names = ["frame", *(f"t{i}" for i in range(len(program)))]
    steps = [
        Instruction(operation, [names[i]], names[i + 1], constants)
        for i, (operation, constants) in enumerate(program)
    ]
    return fixed_point.upscale_levels(Tables(steps, bits), frame, threads)


def column(values: np.ndarray) -> np.ndarray:
    return values.reshape(-1, 1, 1)


NUMBERS = np.arange(-700, 701)


@pytest.mark.parametrize("bits", [-3, 0, 1, 2, 5, 8, 30])
def test_a_shift_rounds_to_nearest_and_ties_to_even_also_below_zero(bits: int) -> None:
    found = run(column(NUMBERS), ("shift", {"bits": np.array([bits])})).ravel()
    # Python rounds fractions half to even.
    assert found.tolist() == [round(Fraction(int(n)) / Fraction(2) ** bits) for n in NUMBERS]


def test_ties_and_saturation_by_hand() -> None:
    numbers = np.array([1, 2, 3, 5, 6, 7, -1, -2, -3, -6, -7, 509, 510, 600, -514, -515, -600])
    found = run(column(numbers), ("shift", {"bits": np.array([2]), "low": -128, "high": 127})).ravel()
    # 0.25 0.5 0.75 1.25 1.5 1.75 -0.25 -0.5 -0.75 -1.5 -1.75 127.25 127.5 150 -128.5 -128.75 -150
    assert found.tolist() == [0, 0, 1, 1, 2, 2, 0, 0, -1, -2, -2, 127, 127, 127, -128, -128, -128]


@pytest.mark.parametrize(("left", "divisor"), [(7, 255), (8, 255), (0, 255 << 3), (1, 6), (0, 2)])
def test_a_division_rounds_to_nearest_and_ties_to_even(left: int, divisor: int) -> None:
    found = run(
        column(NUMBERS), ("divide", {"left": left, "divisor": divisor, "low": -(10**6), "high": 10**6})
    )
    assert found.ravel().tolist() == [round(Fraction(int(n) << left, divisor)) for n in NUMBERS]


def test_each_channel_has_its_own_shift() -> None:
    frame = np.full((1, 1, 3), 40, np.uint8)
    assert run(frame, ("shift", {"bits": np.array([0, 4, -2])})).ravel().tolist() == [40, 2, 160]


def test_a_convolution_by_hand() -> None:
    frame = np.array([[1, 2], [3, 255]], np.uint8)[..., None]
    weights = np.array([[[[1, 0, -1], [2, -128, 0], [0, 3, 0]]]], np.int32)
    found = run(
        frame, ("convolve", {"weights": weights, "bias": np.array([-7], np.int32), "pads": [1, 1, 1, 1]})
    )
    # Upper left: -128 * 1 + 3 * 3 - 7; upper right: 2 * 1 - 128 * 2 + 3 * 255 - 7; lower left has -1 * 2, and so on.
    assert found.tolist() == [[[-126, 504], [-393, -32640 + 6 + 1 - 7]]]


@pytest.mark.parametrize("kind", [np.int32, np.int64])
@pytest.mark.parametrize(("height", "threads"), [(1, 1), (16, 1), (37, 3)])
def test_convolutions_are_exact(kind: type, height: int, threads: int) -> None:
    random = np.random.default_rng(1)
    frame = random.integers(0, 256, (height, 11, 3), np.uint8)
    weights = random.integers(-128, 128, (4, 3, 5, 3)).astype(kind)
    weights[:, :, 2, 1] = 0
    bias = random.integers(-(2**20), 2**20, 4).astype(kind)
    found = run(
        frame, ("convolve", {"weights": weights, "bias": bias, "pads": [3, 1, 2, 0]}), threads=threads
    )
    padded = torch.nn.functional.pad(
        torch.from_numpy(frame.astype(np.float64)).permute(2, 0, 1), (1, 0, 3, 2)
    )
    wanted = torch.nn.functional.conv2d(
        padded[None], torch.from_numpy(weights.astype(np.float64)), torch.from_numpy(bias.astype(np.float64))
    )
    assert np.array_equal(found, wanted[0].numpy())


@pytest.mark.parametrize(
    ("mode", "first"),
    [("bicubic", [-9, 67, 225, -27, 0]), ("bilinear", [0, 64, 192, 0, 0]), ("nearest", [0, 0, 256, 0, 0])],
)
def test_doubling_is_torchs_interpolation(mode: str, first: list[int]) -> None:
    frame = np.random.default_rng(2).integers(0, 256, (5, 7, 2), np.uint8)
    found = run(frame, ("double", {"taps": np.array([first, first[::-1]])}))
    planes = torch.from_numpy(frame.astype(np.float64)).permute(2, 0, 1)[None]
    wanted = torch.nn.functional.interpolate(planes, scale_factor=2, mode=mode)[0].numpy()
    assert np.array_equal(found, wanted * 2**16)


def test_sub_pixels_go_where_torch_puts_them() -> None:
    frame = np.random.default_rng(3).integers(0, 256, (3, 4, 8), np.uint8)
    wanted = torch.nn.functional.pixel_shuffle(torch.from_numpy(frame).permute(2, 0, 1), 2)
    assert np.array_equal(run(frame, ("depth_to_space", {})), wanted.numpy())


@pytest.mark.parametrize("value", [None, -9])
def test_borders_are_repeated_or_constant(value: int | None) -> None:
    frame = np.array([[1, 2], [3, 4]], np.uint8)[..., None]
    found = run(frame, ("pad", {"pads": [1, 0, 0, 2], "value": value}))[0].tolist()
    rows = [[1, 2, 2, 2], [1, 2, 2, 2], [3, 4, 4, 4]]
    assert found == (rows if value is None else [[-9] * 4, [1, 2, -9, -9], [3, 4, -9, -9]])


def small_tables() -> Tables:
    weights = np.random.default_rng(4).integers(-60, 60, (12, 3, 3, 3)).astype(np.int32)
    convolve = {"weights": weights, "bias": np.arange(12, dtype=np.int32), "pads": [1, 1, 1, 1]}
    program = [
        Instruction("divide", ["frame"], "q", {"left": 7, "divisor": 255, "low": -128, "high": 127}),
        Instruction("convolve", ["q"], "c", convolve),
        Instruction("shift", ["c"], "s", {"bits": np.arange(12) % 3}),
        Instruction("depth_to_space", ["s"], "d", {}),
        Instruction("add", ["d", "d"], "sum", {}),
    ]
    return Tables(program, 6)


def test_a_frame_is_rounded_and_limited() -> None:
    frame = np.random.default_rng(5).integers(0, 256, (9, 8, 3), np.uint8)
    planes = fixed_point.upscale_levels(small_tables(), frame)
    found = upscale(small_tables(), frame)
    assert found.dtype == np.uint8 and found.shape == (18, 16, 3)
    assert planes.min() < 0 and planes.max() > 255 << 6
    wanted = np.clip(np.rint(planes / 64), 0, 255)
    assert np.array_equal(found, wanted.transpose(1, 2, 0))


def test_nothing_is_ever_a_float(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds: list[str] = []

    def watched(operation: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
        def call(*arrays: np.ndarray, **constants: Any) -> np.ndarray:
            result = operation(*arrays, **constants)
            kinds.extend(array.dtype.kind for array in (*arrays, result))
            kinds.extend(v.dtype.kind for v in constants.values() if isinstance(v, np.ndarray))
            return result

        return call

    operations = {name: watched(operation) for name, operation in fixed_point._OPERATIONS.items()}
    monkeypatch.setattr(fixed_point, "_OPERATIONS", operations)
    monkeypatch.setattr(fixed_point, "_convolve", watched(fixed_point._convolve))
    upscale(small_tables(), np.zeros((4, 5, 3), np.uint8))
    assert len(kinds) > 10 and set(kinds) <= {"i", "u"}


def test_tables_are_read_as_they_were_written(tmp_path: Path) -> None:
    first, second = tmp_path / "a.npz", tmp_path / "b.npz"
    write_tables(small_tables(), first)
    tables = read_tables(first)
    write_tables(tables, second)
    assert first.read_bytes() == second.read_bytes()
    frame = np.random.default_rng(6).integers(0, 256, (5, 4, 3), np.uint8)
    assert np.array_equal(upscale(tables, frame), upscale(small_tables(), frame))


def test_another_file_is_refused(tmp_path: Path) -> None:
    good, path = tmp_path / "good.npz", tmp_path / "tables.npz"
    write_tables(small_tables(), good)
    content = good.read_bytes()
    write_tables(Tables([Instruction("explode", ["frame"], "t", {})], 0), tmp_path / "unknown.npz")
    np.savez(tmp_path / "other.npz", weights=np.zeros(3))
    contents = [b"", b"text", content[: len(content) // 2]]
    contents += [(tmp_path / name).read_bytes() for name in ("unknown.npz", "other.npz")]
    for wrong in contents:
        path.write_bytes(wrong)
        with pytest.raises(UserError, match=r"tables\.npz: expected the tables of a fixed-point network"):
            read_tables(path)
