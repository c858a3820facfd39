import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod
from onnxruntime.quantization.calibrate import create_calibrator

from superres.device.errors import UserError
from superres.quantization.calibration import CalibrationSettings, FrameFile, RandomImages
from superres.quantization.ranges import calibrate_ranges

from .network import build_network, convolve, network_weights, write_set


def images(count: int = 3, size: tuple[int, int] = (12, 17)) -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    return [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for _ in range(count)]


def calibrate(network: Path, data: FrameFile | RandomImages, out: Path) -> dict:
    calibrate_ranges(network, CalibrationSettings("some", "minmax", data), out, model="small", threads=1)
    return json.loads(out.read_text())


def test_ranges_are_those_of_a_float64_forward_pass(network: Path, tmp_path: Path) -> None:
    frames = [*images(2), *images(1, (9, 8))]
    record = calibrate(network, FrameFile(write_set(tmp_path, frames)), tmp_path / "ranges.json")
    expected: dict[str, list[np.ndarray]] = {"frame": [], "r1": [], "r2": [], "c3": []}
    for frame in frames:
        data = frame.transpose(2, 0, 1) / 255.0
        expected["frame"].append(data)
        for name, (weights, bias) in zip(("r1", "r2", "c3"), network_weights(), strict=True):
            data = convolve(data, weights, bias)
            data = data if name == "c3" else np.maximum(data, 0)
            expected[name].append(data)
    assert set(record["tensors"]) == set(expected)
    for name, arrays in expected.items():
        low, high = min(a.min() for a in arrays), max(a.max() for a in arrays)
        found = record["tensors"][name]
        assert found["min"] == pytest.approx(low, abs=2e-6)
        assert found["max"] == pytest.approx(high, abs=2e-6)
        assert found["amax"] == max(abs(found["min"]), abs(found["max"]))
    assert record["images"] == 3
    assert record["onnx_sha256"] == hashlib.sha256(network.read_bytes()).hexdigest()
    assert record["model"] == "small" and record["calibration"] == "some"


def test_ranges_equal_those_of_onnxruntimes_own_calibrator(network: Path, tmp_path: Path) -> None:
    frames = images()
    record = calibrate(network, FrameFile(write_set(tmp_path, frames)), tmp_path / "ranges.json")

    class Reader(CalibrationDataReader):
        feeds = iter([{"frame": (f.transpose(2, 0, 1)[None] / 255).astype(np.float32)} for f in frames])

        def get_next(self) -> dict:
            return next(self.feeds, None)  # pyright: ignore[reportReturnType]

    calibrator = create_calibrator(
        network, ["Conv", "Relu"], str(tmp_path / "a.onnx"), CalibrationMethod.MinMax
    )
    calibrator.collect_data(Reader())
    theirs = calibrator.compute_data().data
    for name, found in record["tensors"].items():
        low, high = theirs[name].range_value
        assert found["min"] == pytest.approx(low.item(), abs=1e-6)
        assert found["max"] == pytest.approx(high.item(), abs=1e-6)


def test_the_dummy_input_is_drawn_as_float32_by_its_seed(network: Path, tmp_path: Path) -> None:
    data = RandomImages("uniform", 7, 1, 10, 14)
    record = calibrate(network, data, tmp_path / "ranges.json")
    tensor = np.random.default_rng(7).random((1, 3, 10, 14), dtype=np.float32)
    assert record["tensors"]["frame"]["min"] == float(tensor.min())
    assert record["tensors"]["frame"]["max"] == float(tensor.max())
    assert record["data"] == {
        "type": "random",
        "kind": "uniform",
        "seed": 7,
        "count": 1,
        "height": 10,
        "width": 14,
    }


def test_same_inputs_give_the_same_bytes(network: Path, tmp_path: Path) -> None:
    data = FrameFile(write_set(tmp_path, images()))
    calibrate(network, data, tmp_path / "a.json")
    calibrate(network, data, tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_count_takes_the_first_images(network: Path, tmp_path: Path) -> None:
    frames = images()
    frames[2][:] = 255
    path = write_set(tmp_path, [frame // 2 if index < 2 else frame for index, frame in enumerate(frames)])
    assert calibrate(network, FrameFile(path, 2), tmp_path / "r.json")["tensors"]["frame"]["max"] < 0.5
    assert calibrate(network, FrameFile(path), tmp_path / "r.json")["tensors"]["frame"]["max"] == 1.0


def test_not_finite_activations_name_tensor_and_image(tmp_path: Path) -> None:
    layers = network_weights()
    layers[1][1][0] = np.nan
    path = tmp_path / "nan.onnx"
    onnx.save(build_network(layers), path)
    with pytest.raises(UserError, match=r"tensor (r2|c3), image image-0: expected finite"):
        calibrate(path, FrameFile(write_set(tmp_path, images())), tmp_path / "ranges.json")
    assert not list(tmp_path.glob("ranges*"))


def test_black_images_are_an_error(network: Path, tmp_path: Path) -> None:
    path = write_set(tmp_path, [np.zeros((8, 8, 3), np.uint8)])
    with pytest.raises(UserError, match="tensor frame: expected values that vary"):
        calibrate(network, FrameFile(path), tmp_path / "ranges.json")


@pytest.mark.parametrize(
    ("data", "method", "message"),
    [
        (RandomImages("uniform", 0, 0, 8, 8), "minmax", "count of 1 or more, found 0"),
        (RandomImages("uniform", 0, 1, 8, 8), "guess", "expected a method among minmax, found guess"),
    ],
)
def test_mistakes_in_the_settings(
    network: Path, tmp_path: Path, data: RandomImages, method: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        calibrate_ranges(network, CalibrationSettings("some", method, data), tmp_path / "r.json", model="m")


def test_an_empty_set_and_too_few_images(network: Path, tmp_path: Path) -> None:
    path = write_set(tmp_path, images())
    with pytest.raises(UserError, match="expected a count from 1 to 3"):
        calibrate(network, FrameFile(path, 4), tmp_path / "r.json")
    path.with_suffix(".json").write_text(json.dumps({"names": [], "shapes": []}))
    with pytest.raises(UserError, match="found none"):
        calibrate(network, FrameFile(path), tmp_path / "r.json")
    path.with_suffix(".json").unlink()
    with pytest.raises(UserError, match="expected the index of set"):
        calibrate(network, FrameFile(path), tmp_path / "r.json")


def test_a_file_that_is_no_onnx(tmp_path: Path) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(b"not an onnx file")
    with pytest.raises(UserError, match="expected an ONNX"):
        calibrate(path, RandomImages("uniform", 0, 1, 8, 8), tmp_path / "r.json")
