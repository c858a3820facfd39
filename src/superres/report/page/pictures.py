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
from superres.report.page.data import ClipPictures, Picture, Place
from superres.report.plots.samples import find_detail

HR = "HR"
CROP = (224, 168)
"""Width and height of a crop, in HR pixels."""

MOST_ARMS = 48
"""Arms whose pictures a page has, the more telling ones first."""

BUDGET = 5_000_000
"""Bytes of all pictures of a page; base64 makes them a third larger, and a page is to stay below 10 MB."""

_BLOCK = 8
_OVERVIEW = 640
_BASELINE = "bicubic"


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
        image = np.load(path, mmap_mode="r", allow_pickle=False)
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
    lower = [_mean_windows(arm.image, images[arm.base], crop) for arm in shown if arm.base != arm.folder]
    own = [_mean_windows(arm.image, hr, crop) for arm in shown if arm.base == arm.folder]
    taken: list[tuple[int, int]] = []
    for why, maps in (
        ("precisions differ most", lower),
        ("networks differ most", [one - np.mean(own, axis=0) for one in own] if len(own) > 1 else []),
        ("precisions differ, too", lower),
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
    error = np.abs(one.astype(np.int16) - other).sum(axis=2).astype(np.float64)
    sums = np.zeros((error.shape[0] + 1, error.shape[1] + 1))
    sums[1:, 1:] = error.cumsum(axis=0).cumsum(axis=1)
    width, height = crop
    total = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    return total[::_BLOCK, ::_BLOCK] / (3 * width * height)


def _largest(
    maps: Sequence[np.ndarray], taken: Sequence[tuple[int, int]], crop: tuple[int, int]
) -> tuple[int, int] | None:
    """Return left and top of the window with the largest mean, over maps, of a map's share of its largest."""
    scaled = [np.abs(one) / np.abs(one).max() for one in maps if np.abs(one).max() > 0]
    if not scaled:
        return None
    score = np.mean(scaled, axis=0)
    for left, top in taken:
        near = (slice(_first(top, crop[1]), top // _BLOCK + -(-crop[1] // _BLOCK)),
                slice(_first(left, crop[0]), left // _BLOCK + -(-crop[0] // _BLOCK)))  # fmt: skip
        score[near] = -1
    row, column = np.unravel_index(int(score.argmax()), score.shape)
    return (int(column) * _BLOCK, int(row) * _BLOCK) if score[row, column] > 0 else None


def _first(edge: int, size: int) -> int:
    return max(0, (edge - size) // _BLOCK + 1)


def _overlap(one: tuple[int, int], other: tuple[int, int], crop: tuple[int, int]) -> bool:
    return abs(one[0] - other[0]) < crop[0] and abs(one[1] - other[1]) < crop[1]


def _place(why: str, left: int, top: int, hr: np.ndarray, shown: Sequence[_Shown]) -> tuple[Place, int]:
    """Return a place with a picture of HR and of each arm, and the bytes of its pictures."""
    width, height = _crop(hr.shape)

    def cut(image: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(image[top : top + height, left : left + width])

    crops = {arm.folder: cut(arm.image) for arm in shown}
    store = _Store()
    numbers = {HR: store.add(cut(hr))}
    # FP32 first: the others are stored as differences from it.
    for arm in sorted(shown, key=lambda arm: arm.base != arm.folder):
        base = crops[arm.base] if arm.base != arm.folder else None
        numbers[arm.folder] = store.add(crops[arm.folder], base)
    place = Place(x=left, y=top, width=width, height=height, why=why, pictures=store.pictures, shown=numbers)
    return place, store.size


class _Store:
    """Pictures, equal ones once, as differences where these are smaller."""

    def __init__(self) -> None:
        self.pictures: list[Picture] = []
        self.size = 0
        self._numbers: dict[bytes, int] = {}

    def add(self, crop: np.ndarray, base: np.ndarray | None = None) -> int:
        """Store a crop (uint8 H x W x 3) and return its number; `base` is one that is stored already."""
        key = crop.tobytes()
        if key not in self._numbers:
            coded, of = _webp(Image.fromarray(crop)), None
            if base is not None:
                # uint8 wraps around, and so does the page's sum.
                difference = _webp(Image.fromarray(crop - base))
                coded, of = min((coded, None), (difference, self._numbers[base.tobytes()]), key=_length)
            self._numbers[key] = len(self.pictures)
            self.pictures.append(Picture(webp=_text(coded), base=of))
            self.size += len(coded)
        return self._numbers[key]


def _length(coded: tuple[bytes, int | None]) -> int:
    return len(coded[0])


def _webp(image: Image.Image, *, lossless: bool = True) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", lossless=lossless, quality=80, method=4, exact=True)
    return buffer.getvalue()


def _text(coded: bytes) -> str:
    return base64.b64encode(coded).decode("ascii")


def order_samples(samples: Mapping[str, Path], runtime: str, advised: Sequence[str]) -> dict[str, Path]:
    """Return arms' pictures with the more telling first: what is advised, bicubic, FP32, and one runtime."""

    def key(folder: str) -> tuple:
        _, own, model, precision = folder.split("/")
        rest = (own != runtime, precision != "fp32")
        return (
            folder not in advised,
            model != _BASELINE,
            *(rest if precision != "fp32" else rest[::-1]),
            folder,
        )

    return {folder: samples[folder] for folder in sorted(samples, key=key)}
