"""Training data: pairs of frame files with an index, and random batches of their patches."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from superres.device.base.errors import UserError
from superres.device.frames.files import Frames, open_frames


@dataclass(frozen=True)
class Pairs:
    """LR images and their HR twins (uint8 RGB, memory-mapped; HR i is twice LR i in both directions)."""

    index: Path
    name: str
    names: tuple[str, ...]
    lr: Frames
    hr: Frames

    def __len__(self) -> int:
        return len(self.names)


def open_pairs(index: Path) -> Pairs:
    """Open the frame files next to a clip's index (`{clip}.json`).

    Raises UserError if the index can't be read, lacks a key, is empty, or an HR image is not twice its LR
    image.
    """
    try:
        content = json.loads(Path(index).read_text(encoding="utf-8"))
        name, names = content["name"], tuple(content["names"])
        shapes = {kind: [(int(h), int(w)) for h, w in content[f"{kind}_shapes"]] for kind in ("lr", "hr")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{index}: expected a clip's index (JSON), found something else: {error!r}"
        ) from error
    if not names or not len(names) == len(shapes["lr"]) == len(shapes["hr"]):
        raise UserError(
            f"{index}: expected at least one image and a shape for each, "
            f"found {len(names)} names, {len(shapes['lr'])} LR and {len(shapes['hr'])} HR shapes"
        )
    for image, (low_h, low_w), high in zip(names, shapes["lr"], shapes["hr"], strict=True):
        if high != (2 * low_h, 2 * low_w):
            raise UserError(
                f"{index}: {image}: expected HR twice LR {low_h}x{low_w}, found {high[0]}x{high[1]}"
            )
    frames = {kind: open_frames(index.with_suffix(f".{kind}.npy"), shapes[kind]) for kind in ("lr", "hr")}
    return Pairs(index, name, names, frames["lr"], frames["hr"])


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
    N x P x P x 3, HR patches N x 2P x 2P x 3, uint8 RGB.
    """
    random = np.random.default_rng([seed, step])
    patch = patches[int(random.integers(len(patches)))]
    batch = max(1, round(batch * (min(patches) / patch) ** 2))
    low = np.empty((batch, patch, patch, 3), np.uint8)
    high = np.empty((batch, 2 * patch, 2 * patch, 3), np.uint8)
    for i in range(batch):
        image = int(random.integers(len(pairs)))
        height, width = pairs.lr.shapes[image]
        y, x = int(random.integers(height - patch + 1)), int(random.integers(width - patch + 1))
        turn = int(random.integers(8))
        low[i] = orient(pairs.lr[image][y : y + patch, x : x + patch], turn)
        high[i] = orient(pairs.hr[image][2 * y : 2 * (y + patch), 2 * x : 2 * (x + patch)], turn)
    return low, high


def orient(image: np.ndarray, turn: int) -> np.ndarray:
    """Turn a square by `turn` modulo 4 quarter turns; mirror it first if `turn` is 4 or more."""
    return np.rot90(image[:, ::-1] if turn >= 4 else image, turn % 4)
