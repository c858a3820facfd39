import hashlib
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod
from onnxruntime.quantization.calibrate import create_calibrator
from pydantic import ValidationError

from superres.device.base.errors import UserError
from superres.quantization.ranges.cache import read_cache
from superres.quantization.ranges.calibrate import calibrate_ranges, measured_ranges
from superres.quantization.ranges.calibration import FrameFile, RandomImages
from superres.quantization.ranges.histogram import measure
from superres.quantization.ranges.observation import Observed
from superres.quantization.settings import CalibrationSettings

from ..network import build_network, calibrate, convolve, network_weights, write_set


def images(count: int = 3, size: tuple[int, int] = (12, 17)) -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    return [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for _ in range(count)]


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
    assert record["model"] == "small" and record["calibration"] == "some" and record["seed"] is None


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
    expected = {"type": "random", "kind": "uniform", "seed": 7, "count": 1, "height": 10, "width": 14}
    assert record["data"] == expected and record["seed"] == 7


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


def test_kinds_of_dummy_input(network: Path, tmp_path: Path) -> None:
    normal = calibrate(network, RandomImages("normal", 7, 2, 10, 14), tmp_path / "n.json")["tensors"]["frame"]
    draws = np.random.default_rng(7).standard_normal((2, 3, 10, 14), dtype=np.float32)
    assert (normal["min"], normal["max"]) == (float(draws.min()), float(draws.max()))
    ones = calibrate(network, RandomImages("ones", 0, 1, 10, 14), tmp_path / "o.json")
    assert ones["tensors"]["frame"] == {"min": 1.0, "max": 1.0, "amax": 1.0}
    assert ones["notes"]["frame"] == "1.0 everywhere, as the data is"


def test_no_two_methods_agree_without_a_note(network: Path, tmp_path: Path) -> None:
    frames = images(4, (40, 50))
    data = FrameFile(write_set(tmp_path, frames))
    settings = [("minmax", {}), ("entropy", {}), ("mse", {}), ("fixed", {})]
    settings += [("percentile", {"percentile": share}) for share in (99.0, 99.9, 99.99)]
    records = [
        calibrate(network, data, tmp_path / f"{i}.json", method, **more)
        for i, (method, more) in enumerate(settings)
    ]
    for name in records[0]["tensors"]:
        by_range: dict[float, list[dict]] = {}
        for record in records:
            by_range.setdefault(record["tensors"][name]["amax"], []).append(record)
        for same in by_range.values():
            assert len(same) == 1 or all(name in r["notes"] for r in same if r["method"] != "minmax")
    # A pixel of 255 is there, and it is white.
    assert records[0]["notes"] == {"frame": "the scale of 1.0, as for any images with a white pixel"}


def test_fixed_ranges_are_trtexecs_and_need_no_images(network: Path, tmp_path: Path) -> None:
    record = calibrate(network, None, tmp_path / "r.json", "fixed")
    assert {name: entry["amax"] for name, entry in record["tensors"].items()} == {
        "frame": 2.0,
        "r1": 4.0,
        "r2": 4.0,
        "c3": 4.0,
    }
    assert record["images"] == 0 and record["data"] == {"type": "none"}
    other = calibrate(network, None, tmp_path / "r.json", "fixed", input_range=1.0, output_range=0.5)
    assert other["tensors"]["frame"]["amax"] == 1.0 and other["tensors"]["c3"]["amax"] == 0.5
    assert other["settings"] == {"input_range": 1.0, "output_range": 0.5}


def test_a_cache_replays_to_the_last_bit(network: Path, tmp_path: Path) -> None:
    data = RandomImages("uniform", 7, 1, 30, 40)
    first = calibrate(network, data, tmp_path / "first.json", "entropy")
    cache = tmp_path / "first.cache"
    again = calibrate(network, None, tmp_path / "again.json", "cache", cache=cache)
    assert set(read_cache(cache)) == set(first["tensors"])
    for name, entry in first["tensors"].items():
        scale = np.float32(entry["amax"] / 127)
        assert again["tensors"][name]["amax"] == 127 * float(scale)
        assert np.float32(again["tensors"][name]["amax"] / 127) == scale
    assert (tmp_path / "again.cache").read_bytes() == cache.read_bytes()
    assert again["data"]["sha256"] == hashlib.sha256(cache.read_bytes()).hexdigest()


def test_a_cache_of_another_graph(network: Path, tmp_path: Path) -> None:
    cache = tmp_path / "jetson.cache"
    cache.write_text("TRT-8502-EntropyCalibration2\nframe: 3c010a14\nr1: 3c010a14\nconv_7: 3c010a14\n")
    with pytest.raises(UserError, match=r"found none of r2, c3 \(it has frame, r1, conv_7\)"):
        calibrate(network, None, tmp_path / "ranges.json", "cache", cache=cache)
    assert not list(tmp_path.glob("ranges*"))


def test_statistics_of_another_graph(network: Path, tmp_path: Path) -> None:
    calibrate(network, RandomImages("uniform", 0, 1, 8, 8), tmp_path / "r.json")
    other = tmp_path / "other.onnx"
    onnx.save(build_network(network_weights(seed=1)), other)
    with pytest.raises(UserError, match="found those of another graph"):
        calibrate_ranges(
            other,
            CalibrationSettings(name="some", method="minmax"),
            ranges_out=tmp_path / "o.json",
            cache_out=tmp_path / "o.cache",
            model="small",
            observed=tmp_path / "r.npz",
        )
    assert not (tmp_path / "o.json").exists() and not (tmp_path / "o.cache").exists()


def test_mistakes_in_the_settings(network: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="count of 1 or more, found 0"):
        calibrate(network, RandomImages("uniform", 0, 0, 8, 8), tmp_path / "r.json")
    with pytest.raises(ValidationError, match=r"'minmax', .* or 'nncf'"):
        calibrate(network, None, tmp_path / "r.json", "guess")
    with pytest.raises(UserError, match=r"expected a method that finds ranges, found nncf"):
        calibrate(network, None, tmp_path / "r.json", "nncf")
    with pytest.raises(UserError, match="expected a file for the method mse, found none"):
        calibrate(network, None, tmp_path / "r.json", "mse")


def test_an_empty_set_and_too_few_images(network: Path, tmp_path: Path) -> None:
    path = write_set(tmp_path, images())
    with pytest.raises(UserError, match="as a calibration asks for, found 3; lower"):
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


def seen_values(values: np.ndarray, data: dict[str, Any]) -> Observed:
    """Statistics of one tensor with these values."""
    values = values.astype(np.float32)
    lows, highs = np.array([values.min()]), np.array([values.max()])
    with ThreadPoolExecutor(1) as pool:
        statistics = measure(values, lows, highs, pool, 1)
    return Observed("0" * 64, data, 1, {"t": statistics})


def share_beyond(values: np.ndarray, amax: float) -> float:
    nonzero = np.abs(values[values != 0])
    return float((nonzero > amax).mean())


PHOTOGRAPHS = {"type": "calibration-set", "name": "photographs"}
RANDOM = {"type": "random", "kind": "normal", "seed": 0}


@pytest.mark.parametrize(
    ("percentile", "zeros", "noted"), [(99.2, 0, False), (98.5, 0, True), (99.4, 0.5, True)]
)
def test_a_note_on_more_than_a_hundredth_of_values_clipped(
    percentile: float, zeros: float, noted: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    values = np.random.default_rng(0).normal(0, 1, 200_000)
    values[: int(zeros * len(values))] = 0
    settings = CalibrationSettings(name="some", method="percentile", percentile=percentile)
    ranges = measured_ranges(seen_values(values, PHOTOGRAPHS), settings)
    share = share_beyond(values, ranges.tensors["t"].amax)
    assert (share > 0.01) is noted
    printed = capsys.readouterr().err
    if noted:
        found = re.search(
            r"([0-9.]+) % of the values other than zero are beyond", ranges.origin["notes"]["t"]
        )
        assert found and float(found[1]) == pytest.approx(100 * share, rel=0.01)
        assert printed == f"note: calibration some: tensor t: {ranges.origin['notes']['t']}\n"
    else:
        assert "beyond" not in str(ranges.origin["notes"]) and not printed


def test_photographs_that_are_clipped_nearly_everywhere_are_refused() -> None:
    values = np.concatenate([np.full(200_000, 0.62), np.linspace(0.001, 1, 4000)])
    settings = CalibrationSettings(name="some", method="percentile", percentile=1.0)
    seen = seen_values(values, PHOTOGRAPHS)
    with pytest.raises(UserError, match=r"^calibration some: tensor t: .* 9\d\.?\d* % .*such as minmax$"):
        measured_ranges(seen, settings)
    # A dummy shows what becomes of it.
    random = measured_ranges(seen_values(values, RANDOM), settings)
    assert "and clipped" in random.origin["notes"]["t"]
    assert random.tensors["t"].amax < 0.62


def test_values_at_the_end_of_a_range_are_not_clipped() -> None:
    # The upper edge of one bin is the lower one of the next, where all of these lie.
    statistics = seen_values(np.concatenate([np.ones(500), np.linspace(0, 0.9, 500)]), RANDOM).tensors["t"]
    assert statistics.beyond(1.0) == 0
    assert statistics.beyond(0.95) == 500 / 999


@pytest.mark.parametrize("method", ["minmax", "mse"])
def test_methods_that_hold_nearly_all_values_say_nothing(
    method: str, capsys: pytest.CaptureFixture[str]
) -> None:
    values = np.random.default_rng(1).normal(0, 1, 100_000)
    ranges = measured_ranges(
        seen_values(values, PHOTOGRAPHS), CalibrationSettings(name="some", method=method)
    )
    assert not capsys.readouterr().err and "beyond" not in str(ranges.origin["notes"])


def test_one_photograph_that_entropy_clips_leaves_no_file(network: Path, tmp_path: Path) -> None:
    # White but for a few pixels that differ: nearly all values share one bin at the end of the range.
    frame = np.full((40, 40, 3), 235, np.uint8)
    frame[:6, :6] = np.random.default_rng(0).integers(0, 255, (6, 6, 3))
    frame[0, 0] = 255
    out = tmp_path / "ranges.json"
    with pytest.raises(UserError, match=r"^calibration some: tensor \w+: .* and clipped; take more"):
        calibrate(network, FrameFile(write_set(tmp_path, [frame])), out, method="entropy")
    assert not out.exists()
