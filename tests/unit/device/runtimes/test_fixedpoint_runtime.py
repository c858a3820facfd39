"""The runtime of whole numbers: what it takes, and that it is a reference."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from superres.device.base.errors import UnsupportedError, UserError
from superres.device.fixed_point import Instruction, Tables, write_tables
from superres.device.runtimes import load_runtime
from superres.device.runtimes.base import Settings
from superres.device.tasks import worker

SETTINGS = Settings("int8-minmax+pow2", 2, {"frames": "uint8"})


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """Doubles a frame by repetition, 3 levels brighter."""
    program = [
        Instruction("double", ["frame"], "twice", {"taps": np.array([[0, 1, 0], [0, 1, 0]])}),
        Instruction("offset", ["twice"], "brighter", {"by": 3}),
    ]
    write_tables(Tables(program, 0), tmp_path / "tables.npz")
    return tmp_path / "tables.npz"


def test_an_engine_gives_frames_of_any_size(tables: Path, tmp_path: Path) -> None:
    runtime = load_runtime("fixedpoint")
    facts = runtime.build(tables, tmp_path / "engine.bin", SETTINGS)
    assert facts == {"operations": 2, "output_fraction_bits": 0}
    session = runtime.open_engine(tmp_path / "engine.bin", SETTINGS)
    for size in ((4, 7), (9, 2)):
        frame = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
        wanted = np.minimum(frame.repeat(2, 0).repeat(2, 1).astype(int) + 3, 255)
        assert np.array_equal(session.run(frame), wanted)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (Settings("fp32", 1, {"frames": "uint8"}), "whole numbers only, no fp32"),
        (Settings("int8-minmax+pow2", 1, {"frames": "float32"}), "uint8 frames only, not float32"),
    ],
)
def test_floats_are_unsupported(settings: Settings, reason: str, tables: Path, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=reason):
        load_runtime("fixedpoint").build(tables, tmp_path / "engine.bin", settings)


def test_an_onnx_file_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"\x08\x08")
    with pytest.raises(UserError, match="expected the tables of a fixed-point network"):
        load_runtime("fixedpoint").build(tmp_path / "model.onnx", tmp_path / "engine.bin", SETTINGS)
    with pytest.raises(UserError, match="expected tables as model, found none"):
        load_runtime("fixedpoint").build(None, tmp_path / "engine.bin", SETTINGS)
    assert not (tmp_path / "engine.bin").exists()


def test_a_reference_is_measured_but_not_timed(tables: Path, tiny_arm: Any) -> None:
    arm = dataclasses.replace(
        tiny_arm("opencv", "uint8"), runtime="fixedpoint", precision="int8-a+pow2", model=tables
    )
    for job in (arm.build_engine(), arm.measure_quality(), arm.measure_latency()):
        worker.run_job(job)
    records = [json.loads(arm.path(f"{name}.json").read_text()) for name in ("engine", "quality", "latency")]
    statuses = [record["status"] for record in records]
    assert statuses == ["ok", "ok", "not run: fixedpoint is a reference for PSNR, not made for speed"]
    assert records[1]["frames"] == 3 and records[1]["versions"] == {"fixedpoint": np.__version__}
    assert len(arm.path("latency.csv").read_text().splitlines()) == 1
