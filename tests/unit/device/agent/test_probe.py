"""A probe without a model gives the same answer for a precision as a build."""

import json
import subprocess
import sys

import pytest

from superres.device.agent.commands import will_run
from superres.device.base.errors import UnsupportedError
from superres.device.runtimes import RUNTIMES, load_runtime
from superres.device.runtimes.base import Settings
from superres.device.runtimes.trt.cuda import has_driver

ANSWERS = [
    ("onnxruntime", "fp32", "yes"),
    ("onnxruntime", "int8-minmax", "yes"),
    ("onnxruntime", "fp16", "no: onnxruntime has no fast fp16 on a CPU; it runs fp32 and int8"),
    ("openvino", "bf16", "yes"),
    ("pytorch", "int8-minmax", "no: pytorch runs fp32, fp16, bf16, not int8-minmax"),
    ("opencv", "uint8", "yes"),
    ("nothing", "fp32", "no: runtime: expected one of"),
]


@pytest.mark.parametrize("runtime, precision, expected", ANSWERS)
def test_what_will_work(runtime: str, precision: str, expected: str):
    assert will_run(runtime, precision).startswith(expected)


@pytest.mark.parametrize("name", [name for name in RUNTIMES if name != "opencv"])
def test_a_build_says_the_same(name: str, tmp_path):
    """A precision that doesn't exist is refused before the model is looked at, in the same words."""
    runtime = load_runtime(name)
    with pytest.raises(UnsupportedError) as asked:
        runtime.check_precision("fp8")
    with pytest.raises(UnsupportedError) as built:
        runtime.build(tmp_path / "none", tmp_path / "engine", Settings("fp8", 1, {"frames": "uint8"}))
    assert str(asked.value) == str(built.value)


@pytest.mark.skipif(has_driver(), reason="here is a driver")
def test_tensorrt_without_a_driver():
    answers = [will_run(name, "fp16") for name in ("tensorrt", "tensorrt_rtx")]
    assert answers[0].startswith("no: needs a CUDA device: found no NVIDIA driver")
    assert answers[1].startswith(
        ("no: built, not run: needs a CUDA device", "no: runtime tensorrt_rtx: expected")
    )


def test_it_answers_as_a_program():
    command = [sys.executable, "-m", "superres.device.agent.commands", "probe", "opencv", "uint8", "fp32"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    answers = json.loads(done.stdout)
    assert answers["uint8"] == "yes" and answers["fp32"].startswith("no: opencv interpolates")
