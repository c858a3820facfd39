"""Adopted networks of one size or of multiples: tiles give the picture of the same network for any size."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx
import pytest

from superres.device.base.errors import UserError
from superres.device.runtimes import load_runtime, tiled
from superres.device.runtimes.base import Session, Settings
from superres.device.runtimes.tiled import TiledSession, tile_sizes, tiling_of
from superres.models.adoption import sizes
from superres.models.adoption.adopt import adopt_onnx
from superres.models.adoption.ends import Ends
from superres.models.adoption.statements import Adoption
from superres.models.graphs.footprint import measure_footprint
from superres.models.graphs.onnx_file import load_onnx
from superres.quantization.layers.executor import Executor, open_graph
from superres.quantization.ranges.calibration import tiles_of

from . import foreign_sizes as foreign

STATED = Adoption(range="0..1")


def adopt(write: Callable[[Path], Path], folder: Path) -> tuple[Path, dict]:
    source, out, record = folder / "foreign.onnx", folder / "fp32.onnx", folder / "adopted.json"
    adopt_onnx(write(source), out, record, STATED)
    return out, json.loads(record.read_text())


def session_of(path: Path) -> Session:
    runtime, engine = load_runtime("onnxruntime"), path.with_suffix(".bin")
    settings = Settings("fp32", 1, {"frames": "float32"})
    runtime.build(path, engine, settings)
    return runtime.open_engine(engine, settings)


@pytest.fixture
def frame() -> np.ndarray:
    return np.random.default_rng(5).integers(60, 200, (101, 150, 3), np.uint8)


@pytest.mark.parametrize(
    ("write", "radius", "multiple"), [(foreign.flattened, 2, 1), (foreign.windows, 16, 8)]
)
def test_tiles_give_the_picture_of_the_whole_frame(
    write: Callable[..., Path], radius: int, multiple: int, frame: np.ndarray, tmp_path: Path
):
    (tmp_path / "any").mkdir()
    path, found = adopt(write, tmp_path)
    assert found["own_size"] == list(foreign.SIZE)
    footprint = asdict(measure_footprint(path))
    assert (footprint["own_size"], footprint["multiple"]) == (foreign.SIZE, multiple)
    assert footprint["radius"] == found["reach"]["radius"] <= radius
    dims = onnx.load(path).graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_value for dim in dims] == [1, 3, *foreign.SIZE]
    session = TiledSession(session_of(path), footprint)
    whole, _ = adopt(lambda path: write(path, fixed=False), tmp_path / "any")
    reference = session_of(whole).run(frame)
    joined = session.run(frame)
    assert session.facts()["tiles"] >= 9
    # Sums in another order: a level next to a tie.
    difference = np.abs(joined.astype(int) - reference.astype(int))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3


def test_a_frame_smaller_than_the_network_is_padded(frame: np.ndarray, tmp_path: Path):
    path, _ = adopt(foreign.flattened, tmp_path)
    (tmp_path / "any").mkdir()
    whole, _ = adopt(lambda path: foreign.flattened(path, fixed=False), tmp_path / "any")
    small = np.ascontiguousarray(frame[:30, :50])
    joined = TiledSession(session_of(path), asdict(measure_footprint(path))).run(small)
    reference = session_of(whole).run(small)
    assert joined.shape == (60, 100, 3)
    inside = np.s_[: 60 - 4, : 100 - 4]
    assert np.abs(joined[inside].astype(int) - reference[inside].astype(int)).max() <= 1


def test_a_size_that_tiles_cannot_give_exactly_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path, found = adopt(foreign.placed, tmp_path)
    assert "takes pictures of 64x48 alone, which can't be joined exactly" in capsys.readouterr().err
    assert found["reach"] == {"radius": None, "multiple": 1}
    footprint = asdict(measure_footprint(path))
    assert tiling_of(foreign.SIZE, footprint).tile == foreign.SIZE
    for size in ((48, 65), (47, 64), (540, 960)):
        with pytest.raises(
            UserError, match=r"expected frames of 64x48, the only size.*can't be joined exactly"
        ):
            tile_sizes({"tuned": list(size)}, footprint)


def test_a_tile_that_is_all_overlap_is_refused():
    footprint = {"bytes_per_pixel": 9, "radius": 24, "multiple": 1, "own_size": [48, 64]}
    assert len(tiling_of((48, 64), footprint)) == 1
    with pytest.raises(
        UserError, match=r"found 64x49; tiles can't be joined exactly.*24 pixels to each side"
    ):
        tiling_of((49, 64), footprint)


def test_a_multiple_is_found_whatever_it_is(tmp_path: Path, frame: np.ndarray):
    path, found = adopt(foreign.thirds, tmp_path)
    assert (found["multiple"], found["own_size"]) == (3, None)
    assert session_of(path).run(frame).shape == (202, 300, 3)


def test_a_network_of_one_size_is_tried_at_few_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    tried: list[tuple[int, int]] = []

    def counted(run: Callable, ends: Ends, size: tuple[int, int], where: str) -> int:
        tried.append(size)
        return scale_at(run, ends, size, where)

    scale_at = sizes._scale_at
    monkeypatch.setattr(sizes, "_scale_at", counted)
    adopt(foreign.flattened, tmp_path)
    # Its sides are multiples of 1, 2, 4, 8 and 16: as the graph is, and without its sizes.
    assert len(tried) <= 2 * 5 + 5


def test_a_network_of_any_size_on_windows_can_be_cut_too(tmp_path: Path, frame: np.ndarray, monkeypatch):
    path, found = adopt(lambda path: foreign.windows(path, fixed=False), tmp_path)
    assert (found["multiple"], found["own_size"], found["reach"]) == (8, None, {"radius": 16, "multiple": 8})
    footprint = asdict(measure_footprint(path))
    monkeypatch.setattr(tiled, "TILE_BYTES", 4000 * footprint["bytes_per_pixel"])
    reference = session_of(path).run(frame).astype(int)
    session = TiledSession(session_of(path), footprint)
    assert np.abs(session.run(frame) - reference).max() <= 1
    assert session.facts()["tiles"] > 2


def test_reshapes_that_unshuffle_become_space_to_depth(tmp_path: Path, frame: np.ndarray):
    path, found = adopt(foreign.unshuffled_by_reshape, tmp_path)
    assert (found["multiple"], found["own_size"], found["scale"]) == (2, None, 2)
    result = session_of(path).run(frame)
    # Each pixel four times: the network repeats them.
    np.testing.assert_array_equal(result, frame.repeat(2, 0).repeat(2, 1))


def test_a_graph_that_cuts_larger_pictures_off_has_a_size_of_its_own(tmp_path: Path):
    _, found = adopt(foreign.cropped, tmp_path)
    assert found["own_size"] == [48, 64]


@pytest.mark.parametrize("size", [(101, 150), (48, 64), (30, 200)])
def test_calibration_sees_every_pixel_in_tiles(size: tuple[int, int]):
    image = np.arange(3 * size[0] * size[1], dtype=np.float32).reshape(1, 3, *size)
    tiles = list(tiles_of(image, foreign.SIZE))
    assert {tile.shape for tile in tiles} == {(1, 3, *foreign.SIZE)}
    assert set(np.concatenate([tile.ravel() for tile in tiles])) == set(image.ravel())
    assert len(tiles) == -(-size[0] // 48) * -(-size[1] // 64)


def test_graphs_of_one_size_are_executed_without_an_arm_too(frame: np.ndarray, tmp_path: Path):
    path, _ = adopt(foreign.flattened, tmp_path)
    opened = open_graph(load_onnx(path), Executor("onnxruntime", "uint8", 1))
    expected = TiledSession(session_of(path), asdict(measure_footprint(path))).run(frame)
    assert np.abs(opened.session.run(frame).astype(int) - expected).max() <= 1
