"""The engine for a video: the arm's own where it takes the video's frames, else one that is built for them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from superres.device.base.errors import UnsupportedError, UserError
from superres.device.job import Job
from superres.device.tasks.engine import Engine
from superres.models.export import export_onnx
from superres.models.graphs.uint8.channels_last import write_channels_last
from superres.models.weights import pretrained
from superres.targets.local import run_here
from superres.upscale.engine import Source, open_for

OPTIONS = {"frames": "uint8"}


@pytest.fixture(scope="module")
def arm(tmp_path_factory) -> tuple[Engine, Source]:
    """An engine of OpenVINO for frames of 24 x 32, and no others."""
    folder = tmp_path_factory.mktemp("arm")
    export_onnx("espcn_anchor", pretrained("espcn_anchor"), folder / "plain.onnx")
    write_channels_last(folder / "plain.onnx", folder / "graph.onnx")
    source = Source({"channels_last": str(folder / "graph.onnx")}, None)
    return build(folder, "fp32", source, [24, 32]), source


def build(folder: Path, precision: str, source: Source, size: list[int]) -> Engine:
    engine = Engine("openvino", precision, 1, OPTIONS, folder / "engine.bin", folder / "engine.json")
    sizes = dict.fromkeys(("smallest", "tuned", "largest"), size)
    settings: dict[str, Any] = {"options": OPTIONS, "sizes": sizes, "form": "channels_last"}
    outputs = {"engine": str(engine.path), "record": str(engine.record)}
    inputs = {"model": source.models["channels_last"]}
    run_here(Job("build_engine", "openvino", precision, 1, inputs, outputs, settings))
    return engine


def test_frames_of_its_size_take_the_arms_own(arm: tuple[Engine, Source], capfd) -> None:
    engine, source = arm
    with open_for((24, 32), engine, source, "video") as session:
        assert session.run(np.zeros((24, 32, 3), np.uint8)).shape == (48, 64, 3)
    assert "building" not in capfd.readouterr().err


def test_frames_of_another_size_have_an_engine_built(arm: tuple[Engine, Source], capfd) -> None:
    engine, source = arm
    before = engine.path.read_bytes(), engine.record.read_bytes()
    frame = np.random.default_rng(0).integers(0, 256, (30, 22, 3), np.uint8)
    with pytest.raises(UserError, match=r"expected frames \(1, 24, 32, 3\), .* found \(1, 30, 22, 3\)"):
        engine.open()[0].run(frame)
    with open_for((30, 22), engine, source, "video") as session:
        found = session.run(frame).copy()
    assert "video: building an engine for frames of 22x30" in capfd.readouterr().err
    assert (engine.path.read_bytes(), engine.record.read_bytes()) == before
    # A small frame is not affected by what lies beyond the reach of the network: 7 pixels with the interpolation's.
    with open_for((24, 32), engine, source, "video") as session:
        padded = np.zeros((24, 32, 3), np.uint8)
        padded[:, :22] = frame[:24]
        same = session.run(padded)[: 2 * (24 - 7), : 2 * (22 - 7)]
    assert np.abs(same.astype(int) - found[: same.shape[0], : same.shape[1]]).max() <= 1


def test_an_arm_that_was_not_built_says_so(arm: tuple[Engine, Source], tmp_path: Path) -> None:
    engine = build(tmp_path, "fp16", arm[1], [24, 32])
    with pytest.raises(UnsupportedError, match="not in f16"), open_for((30, 22), engine, arm[1], "video"):
        pass
