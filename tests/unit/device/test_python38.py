"""The part that travels to a device runs under Python 3.8 and needs nothing but numpy."""

import ast
import shutil
import subprocess
from pathlib import Path

import pytest

from far_side import find_python38
from superres import device

DEVICE = Path(device.__path__[0])
MODULES = sorted(DEVICE.rglob("*.py"))

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
