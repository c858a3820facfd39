"""Clips and calibration sets: their files, faulty sources, and pixels shared with a clip."""

import hashlib
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from superres.data.calibration_sets import check_disjoint_images, prepare_calibration_set
from superres.data.clips import downsample_clip, prepare_clip
from superres.data.resampling import downsample
from superres.data.sources.images import Images
from superres.data.sources.reading import picture_digest
from superres.data.sources.source import PackageFile, Source
from superres.data.sources.turning_view import TurningView
from superres.device.base.errors import UserError
from superres.device.frames.files import open_frames


def _images(folder, *sizes, seed=0):
    rng = np.random.default_rng(seed)
    folder.mkdir()
    for k, (height, width) in enumerate(sizes):
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(folder / f"{k}.png")
    return Source(Images(path=str(folder)))


def _clip(folder, *sources, kernel="bicubic"):
    return _clip_at([2], folder, *sources, kernel=kernel, multiple=2)


def _clip_at(scales, folder, *sources, kernel="bicubic", multiple=1):
    paths = {"hr": folder / "c.hr.npy", "index": folder / "c.json"}
    prepare_clip("c", sources, multiple=multiple, wheels=folder, **paths)
    for scale in scales:
        twin = {"lr": folder / f"c.x{scale}.npy", "lr_index": folder / f"c.x{scale}.json"}
        downsample_clip(paths["hr"], paths["index"], kernel, scale, **twin)
        paths |= twin
    return paths


def _calibrate(folder, *sources, width=8, height=6, shuffle=None):
    frames, index = folder / "cal.npy", folder / "cal.json"
    out = {"frames_out": frames, "index_out": index}
    prepare_calibration_set("cal", sources, width, height, shuffle=shuffle, wheels=folder, **out)
    return frames, index


def _view(folder, yaw, frames=1, step=0.0):
    panorama = np.random.default_rng(9).integers(0, 256, (64, 128, 3), dtype=np.uint8)
    with zipfile.ZipFile(folder / "photos-1.0.whl", "w") as archive, archive.open("pano.png", "w") as file:
        Image.fromarray(panorama).save(file, "PNG")
    package = PackageFile("photos", "1.0", "0" * 64)
    return Source(
        TurningView(
            package=package.package,
            member="pano.png",
            count=frames,
            width=32,
            height=18,
            fov=60,
            yaw=yaw,
            yaw_step=step,
        ),
        package,
    )


@pytest.mark.parametrize("kernel", ["bicubic", "area"])
def test_a_clip_of_several_sizes(tmp_path, kernel, capsys):
    paths = _clip(
        tmp_path,
        _images(tmp_path / "a", (6, 8), (11, 20)),
        _images(tmp_path / "b", (4, 6), seed=1),
        kernel=kernel,
    )
    index = json.loads(paths["index"].read_text())
    assert index["hr_shapes"] == [[6, 8], [10, 20], [4, 6]]
    twin = json.loads(paths["lr_index"].read_text())
    assert twin["lr_shapes"] == [[3, 4], [5, 10], [2, 3]]
    assert index["names"] == ["0.png", "1.png", "0.png"]
    assert (index["name"], twin["scale"], twin["downsampling"]) == ("c", 2, kernel)
    # Folders of this machine stay out of records.
    assert [source["path"] for source in index["sources"]] == ["a", "b"]
    high, low = open_frames(paths["hr"], index["hr_shapes"]), open_frames(paths["lr"], twin["lr_shapes"])
    picture = np.asarray(Image.open(tmp_path / "a" / "1.png"))[:10]
    assert np.array_equal(high[1], picture)
    for hr, lr in zip(high, low, strict=True):
        assert np.array_equal(lr, downsample(hr, kernel, 2))
    assert index["hr_sha256"] == [picture_digest(frame) for frame in high]
    assert twin["lr_sha256"] == [picture_digest(frame) for frame in low]
    said = capsys.readouterr().err
    assert "prepare_clip c: 3/3" in said and "downsample_clip c x2: 3/3" in said
    assert "c: 1 of 3 frames cropped to multiples of 2 pixels: 1.png from 20x11 to 20x10" in said


def test_twins_of_every_scale_are_of_the_same_pixels(tmp_path):
    paths = _clip_at([1, 3, 4], tmp_path, _images(tmp_path / "a", (27, 40), (24, 36)), multiple=12)
    index = json.loads(paths["index"].read_text())
    assert (index["hr_shapes"], index["multiple"]) == ([[24, 36], [24, 36]], 12)
    high = np.load(paths["hr"])
    assert np.array_equal(high[0], np.asarray(Image.open(tmp_path / "a" / "0.png"))[:24, :36])
    for scale in (1, 3, 4):
        low = np.load(tmp_path / f"c.x{scale}.npy")
        assert low.shape == (2, 24 // scale, 36 // scale, 3)
        assert np.array_equal(low[1], downsample(high[1], "bicubic", scale))
    assert np.array_equal(np.load(tmp_path / "c.x1.npy"), high)


def test_a_training_set_keeps_what_another_scale_can_use(tmp_path):
    paths = _clip_at([3], tmp_path, _images(tmp_path / "a", (11, 20)))
    high, low = np.load(paths["hr"]), np.load(paths["lr"])
    assert (high.shape, low.shape) == ((1, 11, 20, 3), (1, 3, 6, 3))
    assert np.array_equal(low[0], downsample(high[0, :9, :18], "bicubic", 3))


def test_a_frame_that_nothing_is_left_of_is_named(tmp_path):
    with pytest.raises(UserError, match=r"c: expected frames of at least 12x12 .*found 1\.png with 30x11"):
        _clip_at([], tmp_path, _images(tmp_path / "a", (24, 36), (11, 30)), multiple=12)


def test_a_clip_of_one_size_is_one_array(tmp_path):
    paths = _clip(tmp_path, _view(tmp_path, 0, frames=3, step=2))
    assert np.load(paths["hr"]).shape == (3, 18, 32, 3)
    assert np.load(paths["lr"]).shape == (3, 9, 16, 3)
    origins = json.loads(paths["index"].read_text())["origins"]
    assert [o["yaw_degrees"] for o in origins] == [pytest.approx([2 * k - 30, 2 * k + 30]) for k in range(3)]


def test_a_failure_leaves_no_file(tmp_path):
    source = _images(tmp_path / "a", (6, 8), (6, 8), (6, 8))
    broken = tmp_path / "a" / "2.png"
    broken.write_bytes(broken.read_bytes()[:-40])
    with pytest.raises(UserError, match=r"2\.png: expected an image that can be decoded"):
        _clip(tmp_path, source)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_calibration_set_holds_the_centres(tmp_path):
    frames, index = _calibrate(tmp_path, _images(tmp_path / "a", (6, 8), (13, 21)))
    written = np.load(frames)
    assert written.shape == (2, 6, 8, 3)
    picture = np.asarray(Image.open(tmp_path / "a" / "1.png"))
    assert np.array_equal(written[1], picture[3:9, 6:14])
    content = json.loads(index.read_text())
    assert content["shapes"] == [[6, 8], [6, 8]]
    # The size, then the pixels row by row.
    assert content["sha256"][1] == hashlib.sha256(b"8x6\n" + written[1].tobytes()).hexdigest()
    assert content["names"] == ["0.png", "1.png"]


def test_a_small_image_is_refused_before_anything_is_decoded(tmp_path):
    with pytest.raises(UserError, match=r"calibration image 1\.png: expected at least 8x6, found 10x4"):
        _calibrate(tmp_path, _images(tmp_path / "a", (6, 8), (4, 10)))
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_an_image_twice_is_refused(tmp_path):
    source = _images(tmp_path / "a", (6, 8))
    with pytest.raises(UserError, match=r"found 0\.png to be the same as 0\.png"):
        _calibrate(tmp_path, source, source)


def write_index(path: Path, *origins: tuple[str, str, list[float] | None]) -> Path:
    keys = ("name", "sha256", "yaw_degrees")
    listed = [dict(zip(keys, origin, strict=True)) for origin in origins]
    path.write_text(json.dumps({"name": path.stem, "origins": listed}))
    return path


def test_disjoint_images_are_recorded(tmp_path: Path):
    clip = write_index(tmp_path / "clip.json", ("a", "11", None), ("b", "22", [0, 60]))
    images = write_index(tmp_path / "cal.json", ("c", "33", None), ("d", "44", [0, 60]))
    out = tmp_path / "cal.disjoint.json"
    check_disjoint_images(images, [clip], out)
    record = json.loads(out.read_text())
    assert (record["images"], record["number"], record["shared"]) == ("cal", 2, 0)
    assert record["clips"] == {clip.as_posix(): 2}


@pytest.mark.parametrize("sector", [[59, 80], [60, 90], [150, 200], None])
def test_a_shared_picture_is_named_and_nothing_is_written(tmp_path: Path, sector: list[float] | None):
    clip = write_index(tmp_path / "clip.json", ("a", "11", None), ("b", "22", [0, 60]))
    images = write_index(tmp_path / "cal.json", ("c", "33", None), ("renamed", "22", sector))
    out = tmp_path / "cal.disjoint.json"
    with pytest.raises(
        UserError, match=r"^cal: expected images that no clip has, found renamed .* as b of .*clip\.json"
    ):
        check_disjoint_images(images, [clip], out)
    assert not out.exists()


def test_a_shuffled_set_holds_the_same_images_in_the_order_of_its_seed(tmp_path: Path):
    sources = _images(tmp_path / "a", *[(6, 8)] * 9), _images(tmp_path / "b", *[(7, 9)] * 3, seed=1)
    plain, index = (path.read_bytes() for path in _calibrate(tmp_path, *sources))
    written = np.load(io.BytesIO(plain))
    orders = []
    for seed in (0, 0, 1):
        frames, shuffled = _calibrate(tmp_path, *sources, shuffle=seed)
        images, content = np.load(frames), json.loads(shuffled.read_text())
        # Each image of this set is another one: its place in the plain set tells the order.
        order = [int(np.flatnonzero((written == image).all(axis=(1, 2, 3)))[0]) for image in images]
        before = json.loads(index)
        assert sorted(order) == list(range(12))
        for key in ("names", "sha256", "origins"):
            assert content[key] == [before[key][i] for i in order]
        orders.append(order)
    assert orders[0] == orders[1] != orders[2]
    assert list(range(12)) not in orders
    assert any(i >= 9 for i in orders[0][:6])
