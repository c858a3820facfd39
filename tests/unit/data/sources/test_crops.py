"""Still pictures cut to one size: which pixels, how many, and what is said of pictures that are too small."""

import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from superres.data.sources.crops import Cut
from superres.data.sources.images import Images
from superres.data.sources.registry import check_source, open_source
from superres.data.sources.source import Source
from superres.data.sources.zip_images import ZipImages
from superres.device.base.errors import UserError

PICTURE = np.random.default_rng(0).integers(0, 256, (101, 50, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    cv2.imwrite(str(tmp_path / "photos/a.png"), PICTURE[..., ::-1])
    cv2.imwrite(str(tmp_path / "photos/b.png"), PICTURE[:45, ::-1, ::-1])
    return tmp_path / "photos"


@pytest.mark.parametrize(
    ("shape", "keys", "cut"),
    [
        ((101, 51), {}, Cut(0, 0, 101, 51, (101, 51))),
        ((101, 51), {"width": 20, "height": 40}, Cut(30, 15, 40, 20, (40, 20))),
        ((40, 20), {"width": 20, "height": 40}, Cut(0, 0, 40, 20, (40, 20))),
        ((101, 9), {"width": 20, "height": 40, "mirror": True}, Cut(30, 0, 40, 9, (40, 20))),
    ],
)
def test_which_part_of_a_picture_is_a_frame(shape: tuple[int, int], keys: dict, cut: Cut):
    assert Images(path="x", **keys).cut(shape, "a.png") == cut


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"width": 20}, "width and height together"),
        ({"width": 20, "height": 1}, "greater than or equal to 2"),
        ({"mirror": True}, "expected width and height next to mirror"),
    ],
)
def test_keys_that_make_no_size(keys: dict, said: str):
    with pytest.raises(ValidationError, match=said):
        Images(path="x", **keys)


def test_frames_of_a_folder_and_of_an_archive_are_the_pixels_themselves(folder: Path, tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, file.name)
    keys: dict[str, Any] = {"width": 24, "height": 44}
    for kind in (Images(path=str(folder), **keys), ZipImages(path=str(tmp_path / "photos.zip"), **keys)):
        source = Source(kind)
        assert source.size == (44, 24)
        reader = open_source(source, tmp_path)
        assert (reader.names, reader.shapes) == (["a.png", "b.png"], [(44, 24)] * 2)
        assert np.array_equal(reader.read(0), PICTURE[28:72, 13:37])
        assert np.array_equal(reader.read(1), PICTURE[0:44, ::-1][:, 13:37])
    assert Source(Images(path=str(folder))).size is None


def test_a_small_picture_is_mirrored_at_its_edges(folder: Path):
    """Three times as wide: itself in the middle, mirrored beside it; of 101 rows the 100 in the middle."""
    source = Source(Images(path=str(folder), include=("a.png",), width=150, height=100, mirror=True))
    frame = open_source(source, folder).read(0)
    middle = PICTURE[:100]
    assert np.array_equal(frame, np.concatenate([middle[:, ::-1], middle, middle[:, ::-1]], axis=1))
    # As often as it takes.
    wide = Source(Images(path=str(folder), include=("a.png",), width=250, height=100, mirror=True))
    assert np.array_equal(open_source(wide, folder).read(0)[:, 50:200], frame)


def test_a_picture_that_is_too_small_is_found_before_any_work(folder: Path):
    source = Source(Images(path=str(folder), width=48, height=46))
    with pytest.raises(UserError, match=r"b\.png: expected at least 48x46 pixels.*found 50x45"):
        check_source(source)
