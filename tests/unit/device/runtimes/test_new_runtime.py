"""A new runtime is one file and one line in the registry: it is built, measured and known at once."""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from superres import device
from superres.device.frames.files import open_frames
from superres.device.job import Job
from superres.device.runtimes import RUNTIMES

# Its engine is a number, which it adds to every pixel of a frame that is enlarged by repeating pixels.
TOY = """
from superres.device.base.errors import UnsupportedError
from superres.device.runtimes.base import About, Session

ABOUT = About(label="Toy", marker="*", precisions=("fp32",), source="none", distributions=("numpy",))


def check_precision(precision):
    if precision != "fp32":
        raise UnsupportedError(f"toy has no {precision}")


def build(model, engine, settings):
    check_precision(settings.precision)
    engine.write_text(str(settings.options["offset"]))
    return {"offset": settings.options["offset"]}


def open_engine(engine, settings):
    return ToySession(int(engine.read_text()))


def versions():
    return {"toy": "1.0"}


class ToySession(Session):
    def __init__(self, offset):
        self.offset = offset

    def preprocess(self, frame):
        return frame

    def execute(self, inputs):
        return inputs.repeat(2, axis=0).repeat(2, axis=1) + self.offset

    def postprocess(self, outputs):
        return outputs.astype("uint8")
"""
LINE = '    "toy": "superres.device.runtimes.toy",\n}'


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., str]:
    """Runs Python with a copy of the package that has the toy."""
    package = tmp_path / "copy/superres/device"
    shutil.copytree(Path(device.__path__[0]), package, ignore=shutil.ignore_patterns("__pycache__"))
    (package.parent / "__init__.py").touch()
    (package / "runtimes/toy.py").write_text(TOY)
    registry = package / "runtimes/__init__.py"
    before, _, after = registry.read_text().partition("\n}")
    assert f'"{list(RUNTIMES)[-1]}"' in before.splitlines()[-1]
    registry.write_text(f"{before}\n{LINE}{after}")

    def call(*arguments: str) -> str:
        environment = {**os.environ, "PYTHONPATH": str(tmp_path / "copy")}
        command = [sys.executable, *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return call


def test_it_is_built_and_measured(run: Callable[..., str], tiny_arm: Callable, tmp_path: Path):
    arm = tiny_arm("toy", "fp32")
    for job in (arm.build_engine(), arm.measure_quality(), arm.measure_latency()):
        run("-m", "superres.device", str(write(with_offset(job), tmp_path)))
    record = json.loads(arm.path("engine.json").read_text())
    assert (record["status"], record["facts"], record["versions"]) == ("ok", {"offset": 3}, {"toy": "1.0"})
    clip = json.loads(arm.path("c.json").read_text())
    hr = open_frames(arm.path("c.hr.npy"), clip["hr_shapes"])
    lr = open_frames(arm.path("c.x2.npy"), [(height // 2, width // 2) for height, width in clip["hr_shapes"]])
    with arm.path("quality.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(hr)
    for index, row in enumerate(rows):
        upscaled = np.kron(lr[index].astype(np.int64), np.ones((2, 2, 1), np.int64)) + 3
        mse = ((hr[index].astype(np.float64) - upscaled % 256) ** 2).mean()
        assert float(row["mse"]) == pytest.approx(mse, rel=1e-12)
    with arm.path("latency.csv").open(newline="") as file:
        assert [row["arm"] for row in csv.DictReader(file)] == ["own"] * 7


def test_it_is_known_without_another_list(run: Callable[..., str]):
    code = (
        "from superres.device.runtimes import about, refusal\n"
        "from superres.device.runtimes import engine_identity\n"
        "print(about('toy').label, engine_identity('toy')['version'], refusal('toy', 'bf16'), sep='|')"
    )
    assert run("-c", code).strip() == f"Toy|{np.__version__}|expected fp32 for toy, found bf16; take it out"


def with_offset(job: Job) -> dict:
    written = json.loads(job.to_json())
    written["settings"]["options"]["offset"] = 3
    return written


def write(job: dict, folder: Path) -> Path:
    (folder / "job.json").write_text(json.dumps(job))
    return folder / "job.json"
