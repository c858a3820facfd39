"""Crops of a clip's frame as HR, bicubic and the arms have it, where they differ most."""

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from superres.device.base.outputs import read_json
from superres.device.frames.files import open_frames
from superres.models.settings import is_baseline
from superres.report.page.data import ClipPictures, Picture, Place
from superres.report.plots.samples import find_detail, open_picture

HR = "HR"
CROP = (192, 144)
"""Width and height of a crop in HR pixels, in whole blocks."""

MOST_ARMS = 48
"""Arms whose pictures a page has, the more telling ones first."""

BUDGET = 5_000_000
"""Bytes of all pictures of a page; base64 makes them a third larger, and a page is to stay below 10 MB."""

_BLOCK = 8
# Levels: a picture that differs by less from another is smaller as a difference.
_NEAR = 2
_OVERVIEW = 640


@dataclass(frozen=True)
class ClipFiles:
    """A clip's HR frames and index, and the number of the frame that the arms' pictures show."""

    clip: str
    hr: Path
    index: Path
    frame: int


@dataclass(frozen=True)
class _Shown:
    """An arm's picture of the frame; `base` is the arm in FP32 that it is compared with."""

    folder: str
    image: np.ndarray
    base: str


def clip_pictures(files: ClipFiles, samples: Mapping[str, Path], budget: int) -> ClipPictures | None:
    """Return a clip's pictures in at most about `budget` bytes; None without a picture of any arm.

    `samples` are the arms' pictures by their folders, the most telling first. Pictures of another size than
    HR's and those of arms that did not run are skipped.
    """
    index = read_json(files.index, ("hr_shapes", "names"))
    number = files.frame % len(index["names"])
    hr = np.array(open_frames(files.hr, index["hr_shapes"])[number])
    shown = _open(samples, hr.shape)
    if not shown:
        return None
    places = []
    spent = 0
    for why, left, top in find_places(hr, shown):
        place, size = _place(why, left, top, hr, shown)
        # The first place is shown however large it is.
        if places and spent + size > budget:
            break
        spent += size
        places.append(place)
    height, width = hr.shape[:2]
    overview = Image.fromarray(hr)
    overview.thumbnail((_OVERVIEW, _OVERVIEW))
    return ClipPictures(
        clip=files.clip,
        width=width,
        height=height,
        overview=_text(_webp(overview, lossless=False)),
        places=places,
    )


def _open(samples: Mapping[str, Path], shape: tuple[int, ...]) -> list[_Shown]:
    opened = {}
    for folder, path in samples.items():
        if len(opened) == MOST_ARMS:
            break
        image = open_picture(path)
        if image.shape == shape:
            opened[folder] = image
    return [_Shown(folder, image, _base(folder, opened)) for folder, image in opened.items()]


def _base(folder: str, folders: Mapping[str, np.ndarray]) -> str:
    """Return the arm of the same model in FP32, in the same runtime if it has one; itself without any."""
    target, runtime, model, _ = folder.split("/")
    own = f"{target}/{runtime}/{model}/fp32"
    found = [other for other in folders if other.split("/")[2:] == [model, "fp32"]]
    return own if own in folders else next(iter(found), folder)


def find_places(hr: np.ndarray, shown: Sequence[_Shown]) -> Iterator[tuple[str, int, int]]:
    """Yield reason, left and top of places that don't overlap, the most telling first.

    Each arm's largest difference counts alike, so that the arm with most errors doesn't decide alone.
    """
    crop = _crop(hr.shape)
    images = {arm.folder: arm.image for arm in shown}
    shown = shown if min(hr.shape[:2]) >= _BLOCK else ()
    lower = [_mean_windows(arm.image, images[arm.base], crop) for arm in shown if arm.base != arm.folder]
    own = [_mean_windows(arm.image, hr, crop) for arm in shown if arm.base == arm.folder]
    taken: list[tuple[int, int]] = []
    for why, maps in (
        ("precisions differ most", lower),
        ("networks differ most", [one - np.mean(own, axis=0) for one in own] if len(own) > 1 else []),
        ("precisions differ much", lower),
    ):
        if (spot := _largest(maps, taken, crop)) is not None:
            taken.append(spot)
            yield why, *spot
    top, left = find_detail(hr, crop)
    if not any(_overlap((left, top), other, crop) for other in taken):
        yield "most detail", left, top


def _crop(shape: tuple[int, ...]) -> tuple[int, int]:
    return min(CROP[0], shape[1]), min(CROP[1], shape[0])


def _mean_windows(one: np.ndarray, other: np.ndarray, crop: tuple[int, int]) -> np.ndarray:
    """Return the mean absolute difference [levels] in each window of a crop's size, a block apart."""
    rows, columns = (size // _BLOCK for size in one.shape[:2])
    part = (slice(rows * _BLOCK), slice(columns * _BLOCK))
    error = np.maximum(one[part], other[part]) - np.minimum(one[part], other[part])
    blocks = error.reshape(rows, _BLOCK, columns, -1).sum(axis=(1, 3), dtype=np.int64)
    sums = np.zeros((rows + 1, columns + 1))
    sums[1:, 1:] = blocks.cumsum(axis=0).cumsum(axis=1)
    width, height = _blocks(crop)
    total = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    return total / (3 * width * height * _BLOCK**2)


def _blocks(crop: tuple[int, int]) -> tuple[int, int]:
    """Return how many whole blocks a crop is wide and high; at least one."""
    return max(1, crop[0] // _BLOCK), max(1, crop[1] // _BLOCK)


def _largest(
    maps: Sequence[np.ndarray], taken: Sequence[tuple[int, int]], crop: tuple[int, int]
) -> tuple[int, int] | None:
    """Return left and top of the window with the largest mean, over maps, of a map's share of its largest."""
    scaled = [np.abs(one) / np.abs(one).max() for one in maps if np.abs(one).max() > 0]
    if not scaled:
        return None
    score = np.mean(scaled, axis=0)
    width, height = _blocks(crop)
    for left, top in taken:
        column, row = left // _BLOCK, top // _BLOCK
        score[max(0, row - height + 1) : row + height, max(0, column - width + 1) : column + width] = -1
    row, column = np.unravel_index(int(score.argmax()), score.shape)
    return (int(column) * _BLOCK, int(row) * _BLOCK) if score[row, column] > 0 else None


def _overlap(one: tuple[int, int], other: tuple[int, int], crop: tuple[int, int]) -> bool:
    return abs(one[0] - other[0]) < crop[0] and abs(one[1] - other[1]) < crop[1]


def _place(why: str, left: int, top: int, hr: np.ndarray, shown: Sequence[_Shown]) -> tuple[Place, int]:
    """Return a place with a picture of HR and of each arm, and the bytes of its pictures."""
    width, height = _crop(hr.shape)

    def cut(image: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(image[top : top + height, left : left + width])

    store = _Store()
    numbers = {HR: store.add(cut(hr))}
    for arm in shown:
        numbers[arm.folder] = store.add(cut(arm.image))
    place = Place(x=left, y=top, width=width, height=height, why=why, pictures=store.pictures, shown=numbers)
    return place, store.size


class _Store:
    """Pictures, equal ones once, and each as its difference from the nearest one if that is smaller."""

    def __init__(self) -> None:
        self.pictures: list[Picture] = []
        self.size = 0
        self._crops: list[np.ndarray] = []

    def add(self, crop: np.ndarray) -> int:
        """Store a crop (uint8 H x W x 3) and return its number."""
        distances = [_distance(crop, other) for other in self._crops]
        nearest = int(np.argmin(distances)) if distances else None
        if nearest is not None and distances[nearest] == 0:
            return nearest
        found: list[tuple[bytes, int | None]] = []
        if nearest is not None:
            # uint8 wraps around, and so does the page's sum.
            found.append((_webp(crop - self._crops[nearest]), nearest))
        if nearest is None or distances[nearest] >= _NEAR * crop.size:
            found.append((_webp(crop), None))
        coded, base = min(found, key=lambda one: len(one[0]))
        self._crops.append(crop)
        self.pictures.append(Picture(webp=_text(coded), base=base))
        self.size += len(coded)
        return len(self.pictures) - 1


def _distance(one: np.ndarray, other: np.ndarray) -> int:
    return int((np.maximum(one, other) - np.minimum(one, other)).sum(dtype=np.int64))


def _webp(image: np.ndarray | Image.Image, *, lossless: bool = True) -> bytes:
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", lossless=lossless, quality=80, method=4, exact=True)
    return buffer.getvalue()


def _text(coded: bytes) -> str:
    return base64.b64encode(coded).decode("ascii")


def order_samples(samples: Mapping[str, Path], runtime: str, advised: Sequence[str]) -> dict[str, Path]:
    """Return arms' pictures with the more telling first: what is advised, bicubic, one runtime, FP32."""

    def key(folder: str) -> tuple:
        _, own, model, precision = folder.split("/")
        return folder not in advised, not is_baseline(model), own != runtime, precision != "fp32", folder

    return {folder: samples[folder] for folder in sorted(samples, key=key)}
