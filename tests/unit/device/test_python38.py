"""The part that travels to a device runs under Python 3.8 and needs nothing but numpy."""

import ast
import csv
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from far_side import find_python38
from superres import device, models
from superres.device.tasks.worker import run_job
from superres.models.export import export_program
from superres.models.settings import weights_name

DEVICE = Path(device.__path__[0])
MODULES = sorted(DEVICE.rglob("*.py"))
WEIGHTS = Path(models.__path__[0]) / "weights"
NETWORKS = ("espcn_rgb", "espcn_ycbcr", "espcn_ycbcr_folded", "espcn_anchor")

# Neither the job nor the frames need a runtime; the whole package is not there.
CHECK = """
import numpy as np
from superres.device.tasks import worker
from superres.device.job import Job
from superres.device.frames.psnr import psnr, squared_errors

job = Job("build_engine", "opencv", "uint8", 1, {}, {"engine": "e", "record": "r"})
assert Job.from_json(job.to_json()) == job
frame = np.full((20, 30, 3), 100, np.uint8)
total, total_y = squared_errors(frame, frame + 1)
assert abs(psnr(total / frame.size) - 48.1308) < 1e-4, total
print("fine")
"""


@pytest.fixture(scope="module")
def python38() -> str:
    found = find_python38()
    if found is None:
        pytest.skip("no Python 3.8 on this machine (neither in ~/.pyenv nor on PATH)")
    return found


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(DEVICE)))
def test_syntax_is_that_of_python_38(module):
    ast.parse(module.read_text(encoding="utf-8"), str(module), feature_version=(3, 8))


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(DEVICE)))
def test_nothing_of_the_rest_of_the_package_is_imported(module):
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            name = node.module or ""
            assert node.level == 0
            assert name.split(".")[0] != "superres" or name.startswith("superres.device")


def travelled(folder: Path) -> Path:
    """The package as it arrives on a device: this part alone."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(DEVICE, folder / "superres/device", ignore=ignored)
    return folder


def test_it_compiles_under_a_real_python_38(python38, tmp_path):
    command = [python38, "-m", "compileall", "-q", str(travelled(tmp_path))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert len(list(tmp_path.rglob("*.cpython-38.pyc"))) == len(MODULES)


def test_it_runs_under_a_real_python_38(python38, tmp_path):
    has_numpy = subprocess.run([python38, "-c", "import numpy"], capture_output=True, check=False)
    if has_numpy.returncode != 0:
        pytest.skip(f"{python38} has no numpy; PYTHON38 may name one that has")
    done = subprocess.run(
        [python38, "-c", CHECK], cwd=travelled(tmp_path), capture_output=True, text=True, check=False
    )
    assert done.stdout == "fine\n", done.stderr


# What runs on the device: the job's task, on this many threads, with the package that travelled.
JOB = "import sys; from superres.device.tasks.worker import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture(scope="module")
def old_torch(python38) -> str:
    """A Python 3.8 with an old PyTorch, as NVIDIA's wheels for JetPack 5 are."""
    ask = [python38, "-c", "import torch; print(torch.__version__)"]
    found = subprocess.run(ask, capture_output=True, text=True, check=False)
    if found.returncode != 0:
        pytest.skip(f"{python38} has no torch; PYTHON38 may name one that has, such as 1.12.1")
    return python38


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("runtime", ["pytorch", "pytorch_tuned"])
def test_a_program_of_today_runs_in_the_pytorch_of_python_38(
    runtime, precision, old_torch, tiny_arm, tmp_path
):
    """TorchScript promises to be read by later versions alone; JetPack 5 has an earlier one."""
    arm = tiny_arm(runtime, precision)
    profile = arm.measure_quality()
    inputs = {name: path for name, path in profile.inputs.items() if name != "hr"}
    outputs = {"profile": str(arm.path("profile.csv")), "record": str(arm.path("profile.json"))}
    settings = {"runs": 2, "options": profile.settings["options"]}
    profile = replace(profile, task="measure_profile", inputs=inputs, outputs=outputs, settings=settings)
    jobs = [arm.build_engine(), arm.measure_quality(), arm.measure_latency(), profile]
    package = travelled(tmp_path / "package")
    for job in jobs:
        arm.path("job.json").write_text(job.to_json())
        command = [old_torch, "-c", JOB, str(arm.path("job.json"))]
        done = subprocess.run(command, cwd=package, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert json.loads(Path(job.outputs["record"]).read_text())["status"] == "ok"
    old = [float(row["psnr_db"]) for row in csv.DictReader(arm.path("quality.csv").open(newline=""))]
    for job in jobs[:2]:
        run_job(job)
    new = [float(row["psnr_db"]) for row in csv.DictReader(arm.path("quality.csv").open(newline=""))]
    assert old == pytest.approx(new, abs=0.01)


RUN_PROGRAMS = """
import sys
import numpy, torch
planes = torch.linspace(0, 1, 3 * 16 * 24).reshape(1, 3, 16, 24)
for path in sys.argv[1:]:
    with torch.no_grad():
        numpy.save(path + ".npy", torch.jit.load(path)(planes).numpy())
"""


def test_the_programs_of_all_networks_open_in_the_pytorch_of_python_38(old_torch, tmp_path):
    paths = [tmp_path / f"{name}.pt" for name in NETWORKS]
    for name, path in zip(NETWORKS, paths, strict=True):
        export_program(name, WEIGHTS / f"{weights_name(name)}.safetensors", path)
    command = [old_torch, "-c", RUN_PROGRAMS, *map(str, paths)]
    subprocess.run(command, check=True)
    planes = torch.linspace(0, 1, 3 * 16 * 24).reshape(1, 3, 16, 24)
    for path in paths:
        with torch.no_grad():
            here = torch.jit.load(str(path))(planes).numpy()
        np.testing.assert_allclose(np.load(f"{path}.npy"), here, atol=1e-5)
