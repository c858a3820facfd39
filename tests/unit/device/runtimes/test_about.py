"""Facts of each runtime without its package, and what its engines belong to."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import onnxruntime
import pytest

from superres.device import runtimes
from superres.device.runtimes import RUNTIMES, about, engine_identity, precision_kind, refusal
from superres.device.runtimes.base import takes

PACKAGES = ("numpy", "torch", "cv2", "onnxruntime", "openvino", "tensorrt", "tensorrt_rtx")
PRECISIONS = ("fp32", "fp16", "bf16", "int8-minmax", "int8-trt-minmax", "uint8")


def test_it_is_read_without_any_package():
    code = (
        "import sys\nfrom superres.device.runtimes import RUNTIMES, about\n"
        "labels = [about(name).label for name in RUNTIMES]\n"
        f"assert not set({PACKAGES!r}) & set(sys.modules)\n"
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


def test_the_version_is_that_of_the_imported_package() -> None:
    assert engine_identity("onnxruntime") == {"version": onnxruntime.__version__}
    assert engine_identity("openvino") == {"version": metadata.version("openvino")}


def test_runtimes_whose_engines_fit_every_version() -> None:
    assert engine_identity("opencv") == {}


def test_a_card_and_its_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtimes, "_CARDS", tmp_path)
    monkeypatch.setattr(runtimes, "_MODULE", tmp_path / "model")
    assert engine_identity("tensorrt")["device"] == ""
    (tmp_path / "0000:01:00.0").mkdir()
    (tmp_path / "0000:01:00.0/information").write_text("Model: \t\t NVIDIA RTX A2000\nIRQ:   \t\t 60\n")
    assert engine_identity("tensorrt")["device"] == "NVIDIA RTX A2000"


def test_a_jetson_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtimes, "_CARDS", tmp_path / "none")
    (tmp_path / "model").write_text("NVIDIA Jetson Xavier NX Developer Kit\0")
    monkeypatch.setattr(runtimes, "_MODULE", tmp_path / "model")
    assert engine_identity("tensorrt")["device"] == "NVIDIA Jetson Xavier NX Developer Kit"


@pytest.mark.parametrize(
    ("size", "taken"),
    [((24, 20), True), ((40, 60), True), ((23, 20), False), ((24, 61), False), ((30, 30), True)],
)
def test_an_engine_takes_what_lies_between(size: tuple[int, int], taken: bool) -> None:
    facts = {"sizes": {"smallest": [24, 20], "tuned": [40, 32], "largest": [40, 60]}}
    assert takes(facts, size) == taken
    assert takes({}, size) and takes({"sizes": None}, size)
