"""What each runtime says of itself, without its package."""

import subprocess
import sys

import pytest

from superres.device.runtimes import RUNTIMES, about, precision_kind, refusal

PACKAGES = ("numpy", "torch", "cv2", "onnxruntime", "openvino", "tensorrt", "tensorrt_rtx")
PRECISIONS = ("fp32", "fp16", "bf16", "int8-minmax", "int8-trt-minmax", "uint8")


def test_it_is_read_without_any_package():
    code = (
        "import sys\nfrom superres.device.runtimes import RUNTIMES, about\n"
        f"labels = [about(name).label for name in RUNTIMES]\nassert not set({PACKAGES!r}) & set(sys.modules)\n"
        "print(labels)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    labels = ["PyTorch", "PyTorch tuned", "ONNX Runtime", "OpenVINO", "OpenVINO throughput", "TensorRT"]
    assert done.stdout.strip() == str([*labels, "TensorRT-RTX", "OpenCV"])


def test_no_two_look_alike():
    facts = [about(name) for name in RUNTIMES]
    assert len({each.label for each in facts}) == len({each.marker for each in facts}) == len(RUNTIMES)


@pytest.mark.parametrize("name", RUNTIMES)
def test_what_it_lacks_is_refused_in_one_line(name: str):
    for precision in PRECISIONS:
        found = refusal(name, precision)
        assert (found is None) == (precision_kind(precision) in about(name).precisions)
        assert found is None or (name in found and "\n" not in found and "{" not in found)


@pytest.mark.parametrize(
    ("name", "precision", "expected"),
    [
        (
            "pytorch_tuned",
            "int8-dummy",
            "expected fp32, fp16 or bf16 for pytorch_tuned, found int8-dummy: Q/DQ graphs",
        ),
        ("openvino_throughput", "fp16", "found fp16: it has no fp16 arithmetic on a CPU"),
        ("onnxruntime", "bf16", "onnxruntime has no bf16 convolution on a CPU; take it out"),
        ("tensorrt", "bf16", "expected fp32, fp16 or int8 for tensorrt, found bf16"),
        (
            "tensorrt_rtx",
            "int8-trt-a",
            "expected int8-trt-a with the runtime tensorrt only, found it with tensorrt_rtx; take int8-a",
        ),
        ("openvino", "uint8", "expected any precision but uint8 for openvino, found uint8"),
        ("opencv", "fp32", "expected uint8 for opencv, found fp32"),
    ],
)
def test_the_reason_says_what_to_do(name: str, precision: str, expected: str):
    assert expected in str(refusal(name, precision))
