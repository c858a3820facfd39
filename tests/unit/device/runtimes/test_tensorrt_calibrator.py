"""Batches and cache of TensorRT's own calibration."""

import json

import numpy as np
import pytest

from superres.device.base.errors import UserError
from superres.device.runtimes.trt.calibrator import (
    Batches,
    CalibrationCache,
    cache_key,
    make_calibrator,
)
from superres.quantization.ranges.calibration import FrameFile, RandomImages, read_images

DUMMY = {"type": "random", "kind": "uniform", "seed": 3, "images": 2, "height": 10, "width": 14}


def take_all(batches: Batches) -> list[np.ndarray]:
    images = []
    while (image := batches.take()) is not None:
        images.append(image)
    return images


@pytest.mark.parametrize("kind", ["uniform", "normal", "ones"])
def test_a_dummy_is_that_of_the_qdq_graphs(kind):
    batches = Batches({**DUMMY, "kind": kind}, None)
    expected = [image for _, image in read_images(RandomImages(kind, 3, 2, 10, 14))]
    found = take_all(batches)
    assert batches.count == len(found) == 2
    assert batches.size == (10, 14)
    for image, oracle in zip(found, expected, strict=True):
        assert image.dtype == np.float32
        np.testing.assert_array_equal(image, oracle)
    assert batches.take() is None


def write_set(folder, shapes):
    rng = np.random.default_rng(1)
    images = [rng.integers(0, 256, (*shape, 3), np.uint8) for shape in shapes]
    np.save(folder / "set.npy", np.concatenate([image.ravel() for image in images]))
    index = {
        "name": "set",
        "names": [f"i{i}" for i in range(len(shapes))],
        "shapes": [list(s) for s in shapes],
    }
    (folder / "set.json").write_text(json.dumps(index))
    return folder / "set.npy"


def test_a_calibration_set_gives_its_first_images(tmp_path):
    path = write_set(tmp_path, [(8, 12)] * 3)
    data = {"type": "calibration-set", "name": "set", "images": 2}
    found = take_all(Batches(data, path))
    expected = [image for _, image in read_images(FrameFile(path, 2))]
    for image, oracle in zip(found, expected, strict=True):
        np.testing.assert_array_equal(image, oracle)
    assert len(take_all(Batches({"type": "calibration-set", "name": "set"}, path))) == 3


def test_images_that_do_not_fit_are_a_users_mistake(tmp_path):
    data = {"type": "calibration-set", "name": "set", "images": 3}
    with pytest.raises(UserError, match="expected 3 images to calibrate on, found 2"):
        Batches(data, write_set(tmp_path, [(8, 12)] * 2))
    with pytest.raises(UserError, match=r"expected all of \(8, 12\), found one of \(8, 10\)"):
        take_all(Batches(data, write_set(tmp_path, [(8, 12), (8, 12), (8, 10)])))
    with pytest.raises(UserError, match="expected the frame file of a calibration set"):
        Batches(data, None)


def test_a_cache_is_read_back_by_the_next_build(tmp_path):
    path = tmp_path / "made" / "calibration.cache"
    first = CalibrationCache(path)
    assert first.read() is None and not first.reused
    first.write(memoryview(b"TRT-8502-EntropyCalibration2\nframe: 3c010a14\n"))
    assert path.read_bytes() == first.content
    second = CalibrationCache(path)
    assert second.read() == first.content and second.reused
    assert [file.name for file in path.parent.iterdir()] == ["calibration.cache"]
    assert CalibrationCache(None).read() is None


def test_a_cache_belongs_to_all_that_it_was_made_of(tmp_path):
    model = tmp_path / "model.onnx"
    model.write_bytes(b"one")
    key = cache_key("tensorrt", "8.5", DUMMY, model)
    assert key == cache_key("tensorrt", "8.5", dict(reversed(DUMMY.items())), model)
    others = [
        cache_key("tensorrt", "10.3", DUMMY, model),
        cache_key("tensorrt", "8.5", {**DUMMY, "seed": 4}, model),
        cache_key("tensorrt8.5", "", DUMMY, model),
    ]
    model.write_bytes(b"two")
    others.append(cache_key("tensorrt", "8.5", DUMMY, model))
    assert len({key, *others}) == 5


class Device:
    """Stands where the device's memory is: what is uploaded can be looked at."""

    address = 4096

    def __init__(self) -> None:
        self.uploaded: list[np.ndarray] = []

    def stream(self):
        return self

    def allocate(self, size):
        self.size = size
        return self

    def upload(self, memory, array):
        self.uploaded.append(array.copy())

    def synchronize(self):
        pass


class Bindings:
    """The two classes of TensorRT that are derived from: no TensorRT that has them runs without a GPU."""

    class IInt8EntropyCalibrator2:
        pass

    class IInt8MinMaxCalibrator:
        pass


@pytest.mark.parametrize(
    ("method", "base"),
    [("entropy", Bindings.IInt8EntropyCalibrator2), ("minmax", Bindings.IInt8MinMaxCalibrator)],
)
def test_the_calibrator_hands_over_one_image_a_batch_and_keeps_the_cache(method, base, tmp_path):
    device, cache = Device(), CalibrationCache(tmp_path / "c.cache")
    calibrator = make_calibrator(Bindings, method, Batches(DUMMY, None), cache, device)  # pyright: ignore[reportArgumentType]
    assert isinstance(calibrator, base)
    assert calibrator.get_batch_size() == 1
    assert calibrator.read_calibration_cache() is None
    assert [calibrator.get_batch(["frame"]) for _ in range(3)] == [[4096], [4096], None]
    assert device.size == 4 * 3 * 10 * 14
    np.testing.assert_array_equal(
        np.concatenate(device.uploaded), np.concatenate(take_all(Batches(DUMMY, None)))
    )
    calibrator.write_calibration_cache(b"TRT-8502-EntropyCalibration2\n")
    assert (tmp_path / "c.cache").read_bytes() == b"TRT-8502-EntropyCalibration2\n"
    assert calibrator.failure is None


def test_an_error_in_a_callback_ends_the_batches_and_is_kept(tmp_path):
    data = {"type": "calibration-set", "name": "set"}
    batches = Batches(data, write_set(tmp_path, [(8, 12), (8, 10)]))
    calibrator = make_calibrator(Bindings, "minmax", batches, CalibrationCache(None), Device())  # pyright: ignore[reportArgumentType]
    assert calibrator.get_batch(["frame"]) == [4096]
    assert calibrator.get_batch(["frame"]) is None
    assert isinstance(calibrator.failure, UserError)
