"""The benchmark of the ways to add a residual: each is what it says, on graphs of the shipped weights."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from benchmark_script import load_benchmark
from superres.device.frames.pixels import enlarge_bicubic
from superres.models.graphs.uint8.forms import write_form
from superres.quantization.qdq import quantize_onnx

from ..quantization.steps.test_anchor import prepare, take


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    return load_benchmark("compare_anchors")


@pytest.fixture(scope="module")
def study(benchmark: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study's folder with two clips of patterns and the graphs of a network, the anchor alone."""
    folder = tmp_path_factory.mktemp("study")
    frames = folder / "frames"
    frames.mkdir()
    write_graphs(benchmark, folder, silent=True)
    y, x = np.mgrid[:32, :40]
    lr = np.stack(
        [128 + 90 * np.sign(np.sin((x + k) / 3) * np.cos((y + c) / 4)) for k in (0, 3) for c in range(3)]
    )
    lr = np.ascontiguousarray(np.rint(lr.reshape(2, 3, 32, 40).transpose(0, 2, 3, 1)).astype(np.uint8))
    hr = np.stack([enlarge_bicubic(frame, 2) for frame in lr])
    for clip, brighter in (("park", 0), ("rooms", 16)):
        np.save(frames / f"{clip}.x2.npy", lr)
        np.save(frames / f"{clip}.hr.npy", np.minimum(hr, 255 - brighter) + np.uint8(brighter))
    return folder


def write_graphs(benchmark: ModuleType, folder: Path, *, silent: bool) -> Path:
    graphs = folder / "onnx/plain_c16_m4"
    graphs.mkdir(parents=True)
    state = take(prepare(folder, "plain_c16_m4", silent=silent), "reducerange")
    for name, each in ((benchmark.FLOAT, state), (benchmark.TUNED, take(state))):
        quantize_onnx(*each, folder / "int8.onnx", pair_before_relu=False)
        write_form(folder / "int8.onnx", graphs / f"{name}.channels_last.onnx", "channels_last")
    return graphs


def test_every_way_is_timed_and_gives_its_picture(
    benchmark: ModuleType, study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark.main([str(study), "--rounds", "2", "--threads", "1"])
    head, *rows = (line.rsplit(",", 4) for line in capsys.readouterr().out.splitlines())
    assert head[1:] == ["ms", "Speed", "PSNR on park [dB]", "PSNR on rooms [dB]"]
    found = {name.removeprefix("plain_c16_m4,").strip('"'): rest for name, *rest in rows}
    assert all(float(ms) > 0 and float(speed) > 0 for ms, speed, *_ in found.values())
    assert found[benchmark.TODAY][1] == "1.00" and found["the network alone"][2:] == ["", ""]
    quality = {name: float(psnr) for name, (_, _, psnr, _) in found.items() if psnr}
    # The network adds nothing: bicubic itself, and how far other interpolations are from it.
    assert quality[benchmark.TODAY] > 50 and quality["anchor in float"] > 50
    assert quality["bicubic as trained and saturating sums"] == np.inf
    # 16 levels on the second clip.
    assert 24 < float(found[benchmark.TODAY][3]) < 25
    assert 35 < quality["cv2.resize and saturating sums"] < 45
    assert 30 < quality["bilinear anchor (3x3) in INT8"] < quality["cv2.resize and saturating sums"]
    assert 20 < quality["nearest luma, bicubic chroma, in INT8"] < quality["bilinear anchor (3x3) in INT8"]


def test_flat_frames_stay_flat(benchmark: ModuleType, study: Path) -> None:
    for name, way in benchmark.ways(study / "onnx/plain_c16_m4", 32, 40, 1).items():
        for level in (255, 200, 40):
            frame = np.full((32, 40, 3), [level, level, level // 2], np.uint8)
            larger = way(frame)
            if larger.shape == (64, 80, 3):
                off = np.abs(larger - frame[:1, :1].astype(float))
                assert off.max() <= 1, (name, level)


def test_the_residual_leaves_the_engine_as_levels(benchmark: ModuleType, study: Path) -> None:
    found = benchmark.ways(study / "onnx/plain_c16_m4", 32, 40, 1)
    frame = np.load(study / "frames/park.x2.npy")[0]
    levels = found["the network alone"](frame)
    assert levels.shape == (32, 40, 4) and levels.dtype == np.uint8 and (levels == 128).all()


def test_a_residual_outside_the_engine_is_the_one_inside(
    benchmark: ModuleType, study: Path, tmp_path: Path
) -> None:
    """Frame and residual are each rounded: half a level apiece, and half of the sum's. Nothing is limited."""
    found = benchmark.ways(write_graphs(benchmark, tmp_path, silent=False), 32, 40, 1)
    frame = np.load(study / "frames/park.x2.npy")[0] // 3 + np.uint8(80)
    inside, outside = (
        found[name](frame).astype(int)
        for name in ("anchor in float", "bicubic as trained and saturating sums")
    )
    added = np.abs(inside - enlarge_bicubic(frame, 2))
    assert added.max() > 15
    # They continue the frame's borders in two ways.
    off = (inside - outside)[4:-4, 4:-4]
    assert np.abs(off).max() <= 1


def test_luma_is_nearest_and_chroma_bicubic(benchmark: ModuleType) -> None:
    kernels, bicubic = benchmark.nearest_luma_kernels(), np.zeros((2, 2, 5, 5))
    bicubic[:] = benchmark.bicubic_taps(2)[:, None, :, None] * benchmark.bicubic_taps(2)[None, :, None, :]
    nearest = np.zeros((2, 2, 5, 5))
    nearest[..., 2, 2] = 1
    row = np.array([0.299, 0.587, 0.114])
    luma = np.einsum("c,ijcdyx->ijdyx", row, kernels)
    np.testing.assert_allclose(luma, nearest[:, :, None] * row[:, None, None], atol=1e-6)
    # Colours' differences from each other are chroma.
    differences = kernels[:, :, :1] - kernels[:, :, 1:]
    of_each = np.eye(3)[:1] - np.eye(3)[1:]
    np.testing.assert_allclose(differences, bicubic[:, :, None, None] * of_each[:, :, None, None], atol=1e-6)


def test_each_way_begins_in_turn(benchmark: ModuleType) -> None:
    called: list[str] = []
    found = {name: lambda _, name=name: called.append(name) for name in "abc"}
    times = benchmark.time_in_turn(found, np.zeros(1), 3)
    assert {name: len(each) for name, each in times.items()} == {"a": 3, "b": 3, "c": 3}
    # Each twice in a row, once without the clock.
    assert called[::2] == called[1::2]
    assert "".join(called[::2])[-9:] == "abcbcacab"


def test_speed_is_how_many_times_as_fast_as_the_anchor_in_int8(
    benchmark: ModuleType, study: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    times = {benchmark.TODAY: [2.0, 6.0, 4.0], "the network alone": [1.0, 2.0, 2.0]}
    monkeypatch.setattr(benchmark, "time_in_turn", lambda *_: times)
    benchmark.main([str(study), "--rounds", "3", "--threads", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith("plain_c16_m4,the network alone,2.0,2.00,")
