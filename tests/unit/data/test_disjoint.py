"""Pictures that a clip and other images share are found by their pixels, under whatever name."""

import json
from pathlib import Path

import pytest

from superres.data.disjoint import Origin, check_disjoint_images, shares_pixels
from superres.device.base.errors import UserError


def write_index(path: Path, *origins: tuple[str, str, list[float] | None]) -> Path:
    keys = ("name", "sha256", "yaw_degrees")
    listed = [dict(zip(keys, origin, strict=True)) for origin in origins]
    path.write_text(json.dumps({"name": path.stem, "origins": listed}))
    return path


def test_disjoint_images_are_recorded(tmp_path: Path):
    clip = write_index(tmp_path / "clip.json", ("a", "11", None), ("b", "22", [0, 60]))
    images = write_index(tmp_path / "cal.json", ("c", "33", None), ("d", "22", [60, 90]))
    out = tmp_path / "cal.disjoint.json"
    check_disjoint_images(images, [clip], out)
    record = json.loads(out.read_text())
    assert (record["images"], record["number"], record["shared"]) == ("cal", 2, 0)
    assert record["clips"] == {clip.as_posix(): 2}


@pytest.mark.parametrize("sector", [[59, 80], [-10, 1], [400, 500], None])
def test_a_shared_picture_is_named_and_nothing_is_written(tmp_path: Path, sector: list[float] | None):
    clip = write_index(tmp_path / "clip.json", ("a", "11", None), ("b", "22", [0, 60]))
    images = write_index(tmp_path / "cal.json", ("c", "33", None), ("renamed", "22", sector))
    out = tmp_path / "cal.disjoint.json"
    with pytest.raises(
        UserError, match=r"^cal: expected images that no clip has, found renamed .* with b of .*clip\.json"
    ):
        check_disjoint_images(images, [clip], out)
    assert not out.exists()


def test_a_whole_panorama_shares_pixels_with_every_view():
    view, other = Origin("view", "aa", (350.0, 370.0)), Origin("view", "aa", (-15.0, 5.0))
    assert shares_pixels(view, Origin("photo", "aa", None))
    assert shares_pixels(view, other)
    assert not shares_pixels(view, Origin("photo", "bb", None))
