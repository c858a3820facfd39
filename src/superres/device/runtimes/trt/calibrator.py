"""The implicit calibration of TensorRT up to 10, which finds the ranges itself.

All but the class that TensorRT calls is plain Python. Batches hold one image, as in the paper.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterator, Mapping, Sequence

import numpy as np

from superres.device.base.conventions import IMPLICIT
from superres.device.base.errors import UnsupportedError, UserError
from superres.device.base.outputs import read_json, write_whole
from superres.device.base.words import counted
from superres.device.frames.files import open_frames
from superres.device.frames.pixels import to_planes
from superres.device.runtimes.base import Size, input_shape
from superres.device.runtimes.trt.config import is_strongly_typed
from superres.device.runtimes.trt.cuda import Cuda, DeviceMemory

if TYPE_CHECKING:
    import tensorrt

# TensorRT's calibrator for each method of a study's calibration.
CALIBRATORS = {"entropy": "IInt8EntropyCalibrator2", "minmax": "IInt8MinMaxCalibrator"}


def is_implicit(precision: str) -> bool:
    """Return whether TensorRT finds the ranges of a precision itself."""
    return precision.startswith(IMPLICIT)


def check_implicit(trt: Any, method: str) -> None:
    """Raise UnsupportedError if this TensorRT finds no ranges itself."""
    if is_strongly_typed(trt) or not hasattr(trt, CALIBRATORS[method]):
        raise UnsupportedError(
            f"TensorRT {trt.__version__} finds no ranges itself, 10 was the last that did: "
            "take int8-NAME, a Q/DQ graph, instead of int8-trt-NAME"
        )


def set_calibrator(
    builder: tensorrt.Builder,
    config: tensorrt.IBuilderConfig,
    calibrator: Any,
    size: Size | None,
    frames: str,
) -> None:
    """Make TensorRT find the ranges; see `check_implicit`. Without fixed shapes it needs the images' size."""
    config.int8_calibrator = calibrator
    if size is None:
        return
    profile = builder.create_optimization_profile()
    shape: Any = input_shape(size, frames)
    profile.set_shape("frame", shape, shape, shape)
    config.set_calibration_profile(profile)


class Batches:
    """The images of a calibration one by one, float32 1 x 3 x H x W in [0, 1], each once.

    `data` is the study's: `type: random` with kind, seed, images, height and width, or `type:
    calibration-set` with images (None: all), the first of `frames` (with its index `.json` next to it).
    All images must have the size of the first, as they share its memory. Raises UserError otherwise.
    """

    def __init__(self, data: Mapping[str, Any], frames: Path | None):
        self._images = _random_images(data) if data["type"] == "random" else _frame_images(data, frames)
        first = next(self._images, None)
        if first is None:
            raise UserError(f"{frames}: expected images to calibrate on, found none")
        self.size: Size = (first.shape[2], first.shape[3])
        self.count = 0
        self._next: np.ndarray | None = first

    def take(self) -> np.ndarray | None:
        """Return the next image; None once all are taken."""
        image = self._next
        if image is None:
            return None
        self.count += 1
        self._next = next(self._images, None)
        if image.shape[2:] != self.size:
            raise UserError(
                f"calibration images: expected all of {self.size}, found one of {image.shape[2:]}"
            )
        return image


def _random_images(data: Mapping[str, Any]) -> Iterator[np.ndarray]:
    """The same values as the ranges of a Q/DQ graph are measured on."""
    generator = np.random.default_rng(data["seed"])
    shape = (1, 3, data["height"], data["width"])
    for _ in range(data["images"]):
        if data["kind"] == "uniform":
            yield generator.random(shape, dtype=np.float32)
        elif data["kind"] == "normal":
            yield generator.standard_normal(shape, dtype=np.float32)
        else:
            yield np.ones(shape, np.float32)


def _frame_images(data: Mapping[str, Any], path: Path | None) -> Iterator[np.ndarray]:
    if path is None:
        raise UserError("calibration: expected the frame file of a calibration set, found none")
    index = read_json(path.with_suffix(".json"), ("names", "shapes"))
    shapes = [(int(height), int(width)) for height, width in index["shapes"]]
    frames = open_frames(path, shapes)
    wanted = data.get("images") or len(shapes)
    if wanted > len(shapes):
        raise UserError(f"{path}: expected {counted(wanted, 'image')} to calibrate on, found {len(shapes)}")
    for number in range(wanted):
        planes = np.empty((1, 3, *shapes[number]), np.float32)
        to_planes(np.asarray(frames[number]), planes)
        yield planes


class CalibrationCache:
    """TensorRT's calibration cache, kept for the next build; in memory only if `path` is None."""

    def __init__(self, path: Path | None):
        self._path = path
        self.content: bytes | None = None
        self.reused = False

    def read(self) -> bytes | None:
        """Return the cache, None if there is none yet."""
        if self._path is not None and self._path.is_file():
            self.content = self._path.read_bytes()
            self.reused = True
        return self.content

    def write(self, content: bytes | memoryview) -> None:
        """Keep the cache; a file is whole or not there."""
        self.content = bytes(content)
        if self._path is not None:
            write_whole(self._path, self.content)


def cache_key(*parts: Any) -> str:
    """Return a name derived from all parts; files count by their content."""
    digest = hashlib.sha256()
    for part in parts:
        content = (
            part.read_bytes() if isinstance(part, Path) else json.dumps(part, sort_keys=True).encode("utf-8")
        )
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()[:24]


def make_calibrator(trt: Any, method: str, batches: Batches, cache: CalibrationCache, cuda: Cuda) -> Any:
    """Return TensorRT's calibrator of a method, fed from `batches`.

    TensorRT swallows exceptions of callbacks; `failure` keeps the first, which ends the batches.
    """

    class Calibrator(getattr(trt, CALIBRATORS[method])):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.failure: Exception | None = None
            self._memory: DeviceMemory | None = None
            self._stream = cuda.stream()

        def get_batch_size(self) -> int:
            return 1

        def get_batch(self, names: Sequence[str]) -> list[int] | None:
            try:
                image = batches.take()
                if image is None:
                    return None
                self._memory = self._memory or cuda.allocate(image.nbytes)
                self._stream.upload(self._memory, image)
                self._stream.synchronize()
            except Exception as error:  # noqa: BLE001 - raised again once TensorRT has returned
                self.failure = error
                return None
            return [self._memory.address]

        def read_calibration_cache(self) -> bytes | None:
            return cache.read()

        def write_calibration_cache(self, content: bytes) -> None:
            cache.write(content)

    return Calibrator()
