"""Large frames in tiles give the picture of the whole frame, and none takes more memory than there is."""

import numpy as np
import pytest

from superres.device.base.errors import UserError
from superres.device.machine import memory
from superres.device.runtimes import tiled
from superres.device.runtimes.base import Session
from superres.device.runtimes.tiled import TiledSession, check_room, tile_sizes, tiling_of

FOOTPRINT = {"bytes_per_pixel": 1000, "radius": 4, "multiple": 1}


class Blur(Session):
    """Sum of the 9 x 9 pixels around each, zero outside, modulo 256, doubled by repetition."""

    def preprocess(self, frame):
        return frame

    def execute(self, inputs):
        padded = np.pad(inputs.astype(np.int64), ((4, 4), (4, 4), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (9, 9), axis=(0, 1))
        summed = (windows.sum(axis=(-1, -2)) % 256).astype(np.uint8)
        return summed.repeat(2, 0).repeat(2, 1)

    def postprocess(self, outputs):
        return outputs


@pytest.mark.parametrize("size", [(40, 64), (41, 63), (17, 200)])
def test_tiles_are_exact(size, monkeypatch):
    monkeypatch.setattr(tiled, "TILE_BYTES", 700 * FOOTPRINT["bytes_per_pixel"])
    frame = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    session = TiledSession(Blur(), FOOTPRINT)
    joined = session.run(frame)
    assert session.facts()["tiles"] > 2
    np.testing.assert_array_equal(joined, Blur().run(frame))


def test_small_frames_run_whole():
    session = TiledSession(Blur(), FOOTPRINT)
    session.run(np.zeros((8, 8, 3), np.uint8))
    assert session.facts()["tiles"] == 1


def test_a_network_on_the_whole_frame_is_never_cut():
    assert len(tiling_of((9000, 9000), {**FOOTPRINT, "radius": None})) == 1


def test_engines_of_fixed_sizes_are_built_for_tiles():
    sizes = {"smallest": [540, 960], "tuned": [4096, 4096], "largest": [4096, 4096]}
    found = tile_sizes(sizes, FOOTPRINT)
    assert found["smallest"] == [540, 960]
    assert found["largest"] == list(tiling_of((4096, 4096), FOOTPRINT).tile) != [4096, 4096]


def test_too_little_memory_is_one_line(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 1 << 30)
    with pytest.raises(
        UserError, match=r"onnxruntime fp32 on frames of 4096x4096: expected 3\.9 GiB of free"
    ):
        check_room([(4096, 4096), (8, 8)], FOOTPRINT, "onnxruntime fp32")
    whole = {**FOOTPRINT, "radius": None}
    with pytest.raises(UserError, match=r"can't run in tiles.*expected 15\.6 GiB of free memory, found 1\.0"):
        check_room([(4096, 4096)], whole, "onnxruntime fp32")
    check_room([(500, 500)], FOOTPRINT, "onnxruntime fp32")
