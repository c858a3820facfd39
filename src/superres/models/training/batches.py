"""Training data: pairs of frame files with an index, and random batches of their patches."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np

from superres.device.base.errors import UserError
from superres.device.base.words import counted
from superres.device.frames.files import Frames, open_frames


@dataclass(frozen=True)
class Pairs:
    """LR images and their HR twins (uint8 RGB, memory-mapped).

    HR i is at least `scale` times LR i in both directions; what it has beyond is ignored.
    """

    index: Path
    name: str
    names: tuple[str, ...]
    lr: Frames
    hr: Frames
    scale: int

    @property
    def indices(self) -> tuple[Path, Path]:
        """The indices of the HR and of the LR images, which have the digests of their pixels."""
        return self.index, self.index.with_suffix(f".x{self.scale}.json")

    def high(self, i: int) -> np.ndarray:
        """Return the part of HR image i that its LR twin shows."""
        height, width = self.lr.shapes[i]
        return self.hr[i][: self.scale * height, : self.scale * width]

    def __len__(self) -> int:
        return len(self.names)


def open_pairs(index: Path, scale: int) -> Pairs:
    """Open the frame files next to a clip's index (`{clip}.json`), LR at a scale.

    Raises UserError if the index can't be read, lacks a key or is empty, and for frame files of other sizes.
    """
    try:
        content = json.loads(Path(index).read_text(encoding="utf-8"))
        name, names = content["name"], tuple(content["names"])
        shapes = [(int(height), int(width)) for height, width in content["hr_shapes"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{index}: expected a clip's index (JSON), found something else: {error!r}"
        ) from error
    if not names or len(names) != len(shapes):
        raise UserError(
            f"{index}: expected at least one image and a shape for each, "
            f"found {counted(len(names), 'name')} and {counted(len(shapes), 'shape')}"
        )
    hr = _open(index.with_suffix(".hr.npy"), shapes)
    lr = _open(
        index.with_suffix(f".x{scale}.npy"), [(height // scale, width // scale) for height, width in shapes]
    )
    return Pairs(index, name, names, lr, hr, scale)


def _open(path: Path, shapes: list[tuple[int, int]]) -> Frames:
    """Open a frame file; raises UserError if its frames have other sizes."""
    frames = open_frames(path, shapes)
    for at, (expected, found) in enumerate(zip_longest(shapes, frames.shapes)):
        if expected != found:
            raise UserError(f"{path}: image {at}: expected {expected} as in the index, found {found}")
    return frames


def check_patches(pairs: Pairs, patches: Sequence[int]) -> None:
    """Raise UserError if the largest of the patches (LR pixels) is larger than an image."""
    patch = max(patches)
    for image, (height, width) in zip(pairs.names, pairs.lr.shapes, strict=True):
        if min(height, width) < patch:
            raise UserError(
                f"{pairs.index}: {image}: expected at least {patch}x{patch} LR pixels (training: patches), "
                f"found {height}x{width}; leave the image out or make the patches smaller"
            )


def draw_batch(
    pairs: Pairs, seed: int, step: int, batch: int, patches: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the batch of a training step: a random patch size, then random images, places and orientations.

    It depends on the arguments alone: a resumed training gets the same batches. All images are equally
    likely, and so are all places and the eight flips and quarter turns. There are `batch` patches of the
    smallest size, fewer of a larger one: each step sees about as many pixels. LR patches are
    N x P x P x 3, HR patches N x sP x sP x 3, uint8 RGB.
    """
    random = np.random.default_rng([seed, step])
    patch = patches[int(random.integers(len(patches)))]
    batch = max(1, round(batch * (min(patches) / patch) ** 2))
    scale = pairs.scale
    low = np.empty((batch, patch, patch, 3), np.uint8)
    high = np.empty((batch, scale * patch, scale * patch, 3), np.uint8)
    for i in range(batch):
        image = int(random.integers(len(pairs)))
        height, width = pairs.lr.shapes[image]
        y, x = int(random.integers(height - patch + 1)), int(random.integers(width - patch + 1))
        turn = int(random.integers(8))
        low[i] = orient(pairs.lr[image][y : y + patch, x : x + patch], turn)
        rows, columns = (slice(scale * start, scale * (start + patch)) for start in (y, x))
        high[i] = orient(pairs.hr[image][rows, columns], turn)
    return low, high


def orient(image: np.ndarray, turn: int) -> np.ndarray:
    """Turn a square by `turn` modulo 4 quarter turns; mirror it first if `turn` is 4 or more."""
    return np.rot90(image[:, ::-1] if turn >= 4 else image, turn % 4)
