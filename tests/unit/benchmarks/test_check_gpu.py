"""What `check_gpu.py` says of arms, by rows and records as a GPU gives them."""

import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from superres.device.runtimes.trt.cuda import has_driver

SCRIPT = Path(__file__).parents[3] / "benchmarks/check_gpu.py"


def load_script() -> Any:
    spec = spec_from_file_location("check_gpu", SCRIPT)
    assert spec is not None and spec.loader is not None
    sys.modules[spec.name] = script = module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


check_gpu = load_script()


def arm(runtime: str, precision: str, psnr: float, types: dict[str, int], **changes: Any) -> Any:
    """An arm that ran on a GPU; `changes` are those of its row, its engine's facts and its session."""
    row = {"runtime": runtime, "model": "espcn_rgb", "precision": precision, "status": "ok", "psnr_db": psnr}
    row |= {"cautions": None, "device_memory_bytes": 10**6, "quantized_convolutions": None}
    row |= {"int8_convolutions": types.get("Int8") if precision.startswith("int8-") else None}
    facts = {"device": {"name": "Orin"}, "convolutions": types, "fixed_shapes": True, "memory": {}}
    session = {"cuda_graph": True}
    row |= {key: value for key, value in changes.items() if key in row}
    facts |= {key: value for key, value in changes.items() if key in facts}
    session |= {key: value for key, value in changes.items() if key in session}
    return check_gpu.Arm(row, {"facts": facts}, {"session": session})


GOOD = [
    arm("pytorch", "fp32", 33.0, {}),
    arm("tensorrt", "fp32", 33.004, {"Float": 3}),
    arm("tensorrt", "fp16", 32.98, {"Half": 3}),
    arm("tensorrt", "int8-entropy", 32.5, {"Int8": 3}, quantized_convolutions=3),
]


ON_PROCESSOR = arm("onnxruntime", "int8-entropy", 32.45, {}, device="cpu")


def broken(arms: list[Any]) -> dict[str, list[str]]:
    return {check.what: list(check.broken) for check in check_gpu.check_arms(arms) if check.broken}


def test_all_holds_for_arms_as_they_should_be():
    assert broken([*GOOD, ON_PROCESSOR]) == {}
    assert all(str(check).startswith("held") for check in check_gpu.check_arms(GOOD))
    assert str(check_gpu.check_arms([])[0]).startswith("not asked")


@pytest.mark.parametrize(
    ("found", "what"),
    [
        (arm("tensorrt", "fp32", 33.02, {"Float": 3}), "FP32 of all runtimes agrees to 0.01 dB"),
        (arm("tensorrt", "fp16", 32.9, {"Half": 3}), "FP16 is within 0.05 dB of FP32"),
        (
            arm("tensorrt", "int8-entropy", 32.3, {"Int8": 3}),
            "INT8 is within 0.1 dB of the same graph in ONNX Runtime",
        ),
        (
            arm("tensorrt", "int8-entropy", 32.5, {"Int8": 3}, cautions="far off: 9.00 dB below bicubic"),
            "no picture is far off",
        ),
        (arm("tensorrt", "fp16", 33.0, {"unknown": 3}), "types of convolutions are known"),
        (
            arm("tensorrt", "int8-entropy", 32.5, {"Int8": 2, "Float": 1}, quantized_convolutions=3),
            "quantised convolutions run in INT8",
        ),
        (arm("tensorrt", "fp16", 33.0, {"Half": 3}, cuda_graph=False), "frames run as a CUDA graph"),
        (arm("tensorrt", "fp16", 33.0, {"Half": 3}, device_memory_bytes=None), "memory is known"),
        (
            arm("tensorrt", "fp16", 33.0, {"Half": 3}, memory={"skipped_kernels": 4}),
            "no kernel was skipped for lack of memory",
        ),
        (arm("tensorrt", "fp16", 33.0, {"Half": 3}, fixed_shapes=False), "engines have fixed shapes"),
    ],
)
def test_what_does_not_hold_is_named_with_its_arm(found, what):
    assert broken([*GOOD, ON_PROCESSOR, found]) == {what: [found.name]}


@pytest.mark.skipif(has_driver(), reason="this machine has an NVIDIA driver")
def test_without_a_gpu_it_says_why_and_ends_well():
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "nothing to check: found no NVIDIA driver (libcuda.so.1)" in done.stdout
    assert "tensorrt_rtxleft out" not in done.stdout and "left out: " in done.stdout
