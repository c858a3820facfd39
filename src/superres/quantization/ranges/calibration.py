"""The images of a calibration: random tensors, or a calibration set."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np

from superres.device.base.errors import UserError
from superres.device.base.outputs import sha256_file
from superres.device.base.words import counted
from superres.device.frames.files import open_frames
from superres.quantization.settings import RandomData, SetData

Image = tuple[str, np.ndarray]
"""Name of an image and its tensor, float32 1 x 3 x H x W RGB in [0, 1]."""


@dataclass(frozen=True)
class RandomImages:
    """Tensors of independent random values, for a calibration without images.

    `uniform` draws from [0, 1) and `normal` from the standard normal distribution, as float32, never clipped
    nor rounded to 8 bits; `ones` is 1 everywhere.
    """

    kind: Literal["uniform", "normal", "ones"]
    seed: int
    count: int
    height: int
    width: int


@dataclass(frozen=True)
class FrameFile:
    """The first `count` images (None: all) of the calibration set `path`; its index `.json` is next to it."""

    path: Path
    count: int | None = None


def images_of(data: RandomData | SetData, frames: Path | None) -> RandomImages | FrameFile:
    """Return the images of a study's data: random tensors, or a calibration set in the file `frames`."""
    if isinstance(data, RandomData):
        return RandomImages(data.kind, data.seed, data.images, data.height, data.width)
    if frames is None:
        raise ValueError(f"expected the frame file of the calibration set {data.name}, found none")
    return FrameFile(frames, data.images)


def count_images(data: RandomImages | FrameFile) -> int:
    """Return the number of images; raises UserError for none or for fewer than asked."""
    if isinstance(data, RandomImages):
        if data.count < 1:
            raise UserError(f"random calibration images: expected a count of 1 or more, found {data.count}")
        return data.count
    found = len(_read_index(data.path)["shapes"])
    if found == 0:
        raise UserError(f"{data.path}: expected a calibration set with images, found none; check its sources")
    wanted = found if data.count is None else data.count
    if not 1 <= wanted <= found:
        raise UserError(
            f"{data.path}: expected {counted(wanted, 'image')}, as a calibration asks for, found {found}; "
            "lower `images` of the calibration or sweep, or add images to the set"
        )
    return wanted


def read_images(data: RandomImages | FrameFile, size: tuple[int, int] | None = None) -> Iterator[Image]:
    """Yield the images one by one, the same at every call; with `size` (height, width) in tiles of it."""
    for name, image in _whole_images(data):
        yield from ((name, tile) for tile in tiles_of(image, size))


def tiles_of(image: np.ndarray, size: tuple[int, int] | None) -> Iterator[np.ndarray]:
    """Yield an image 1 x 3 x H x W in tiles of a size side by side, or itself without one.

    The last tiles end with the image; a smaller image gets repeated borders.
    """
    if size is None:
        yield image
        return
    missing = [max(0, side - whole) for side, whole in zip(size, image.shape[2:], strict=True)]
    image = np.pad(image, ((0, 0), (0, 0), (0, missing[0]), (0, missing[1])), mode="edge")
    height, width = size
    for top, left in product(*map(_starts, image.shape[2:], size)):
        yield np.ascontiguousarray(image[..., top : top + height, left : left + width])


def _starts(whole: int, side: int) -> list[int]:
    return [*range(0, whole - side, side), whole - side]


def _whole_images(data: RandomImages | FrameFile) -> Iterator[Image]:
    count = count_images(data)
    if isinstance(data, RandomImages):
        generator = np.random.default_rng(data.seed)
        for index in range(count):
            yield f"{data.kind} {index}", _draw(data, generator)
        return
    names, frames = _read_index(data.path)["names"], open_images(data)
    for index in range(count):
        planes = np.moveaxis(np.asarray(frames[index]), 2, 0)[np.newaxis]
        yield names[index], planes.astype(np.float32, order="C") / np.float32(255)


def open_images(data: FrameFile) -> list[np.ndarray]:
    """Return the images of a set, uint8 H x W x 3 RGB, memory-mapped; errors as `count_images`."""
    return open_frames(data.path, _read_index(data.path)["shapes"])[: count_images(data)]


def first_images(data: RandomImages | FrameFile, count: int) -> RandomImages | FrameFile:
    """Return the first `count` images, or all if there are fewer."""
    return replace(data, count=min(count, count_images(data)))


def _draw(data: RandomImages, generator: np.random.Generator) -> np.ndarray:
    shape = (1, 3, data.height, data.width)
    match data.kind:
        case "uniform":
            return generator.random(shape, dtype=np.float32)
        case "normal":
            return generator.standard_normal(shape, dtype=np.float32)
        case "ones":
            return np.ones(shape, np.float32)


def describe_data(data: RandomImages | FrameFile) -> dict[str, Any]:
    """Return the images' entry in the ranges file: the random draw, or the frame file's name and hash."""
    if isinstance(data, RandomImages):
        return {"type": "random", **asdict(data)}
    return {
        "type": "calibration-set",
        "name": data.path.stem,
        "count": count_images(data),
        "sha256": sha256_file(data.path),
    }


def _read_index(frames: Path) -> dict[str, Any]:
    path = frames.with_suffix(".json")
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: expected the index of {frames.name} (JSON), found: {error}") from error
    for key in ("names", "shapes"):
        if not isinstance(index, dict) or key not in index:
            raise UserError(
                f"{path}: expected `{key}` in the index of {frames.name}, found none; make the set again"
            )
    return index
