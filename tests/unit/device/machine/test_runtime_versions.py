"""When an engine has to be built again: found from package metadata and files of the kernel."""

from importlib import metadata
from pathlib import Path

import onnxruntime
import pytest

from superres.device.machine import runtime_versions
from superres.device.machine.runtime_versions import engine_identity


def test_the_version_is_that_of_the_imported_package() -> None:
    assert engine_identity("onnxruntime") == {"version": onnxruntime.__version__}
    assert engine_identity("openvino") == {"version": metadata.version("openvino")}


def test_runtimes_whose_engines_fit_every_version() -> None:
    assert engine_identity("opencv") == {}


def test_a_card_and_its_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_versions, "_CARDS", tmp_path)
    monkeypatch.setattr(runtime_versions, "_MODULE", tmp_path / "model")
    assert engine_identity("tensorrt")["device"] == ""
    (tmp_path / "0000:01:00.0").mkdir()
    (tmp_path / "0000:01:00.0/information").write_text("Model: \t\t NVIDIA RTX A2000\nIRQ:   \t\t 60\n")
    assert engine_identity("tensorrt")["device"] == "NVIDIA RTX A2000"


def test_a_jetson_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_versions, "_CARDS", tmp_path / "none")
    (tmp_path / "model").write_text("NVIDIA Jetson Xavier NX Developer Kit\0")
    monkeypatch.setattr(runtime_versions, "_MODULE", tmp_path / "model")
    assert engine_identity("tensorrt")["device"] == "NVIDIA Jetson Xavier NX Developer Kit"
