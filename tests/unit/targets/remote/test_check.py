"""What check_device says, and when it fails."""

import pytest

from superres.device.base.errors import UserError
from superres.targets.remote import check
from superres.targets.settings import Device, Local

JETSON = Device(name="jetson", ssh="user@jetson", power_mode=2, lock_clocks=True)
FACTS = {
    "machine": {
        "module": "NVIDIA Jetson Xavier NX Developer Kit",
        "architecture": "aarch64",
        "kernel": "5.10",
        "cpus": 6,
    }
    | {"memory_bytes": 8 * 2**30},
    "software": {
        "python": "3.8.10 (/usr/bin/python3)",
        "l4t": "35.4.1",
        "jetpack": "5.1.2-b104",
        "tensorrt": "8.5.2.2",
    }
    | {
        "cuda": "11.4.19",
        "numpy": "1.17.4",
        "onnxruntime": None,
        "openvino": None,
        "torch": None,
        "cv2": "4.5.4",
    },
    "disk": {
        "workdir": "/home/user/superres-work",
        "free_bytes": 30_000_000_000,
        "store_bytes": 4_000_000_000,
    },
    "state": {
        "power_mode": 2,
        "power_mode_name": "MODE_15W_6CORE",
        "clocks": {"GPU": {"lowest": 1_109_250_000, "highest": 1_109_250_000, "current": 1_109_250_000}},
        "clocks_locked": True,
        "temperatures_c": {"CPU-therm": 41.5, "GPU-therm": 43.0},
    },
    "runtimes": {"tensorrt": {"fp32": "yes", "int8-trt-entropy": "yes"}},
}


def test_a_target_is_chosen_by_its_name():
    targets = (Local(), JETSON)
    assert check.choose_target(targets, "jetson") is JETSON
    for name, found in ((None, "none"), ("orin", "orin")):
        with pytest.raises(UserError, match=rf"with one of the study's \(local, jetson\), found {found}$"):
            check.choose_target(targets, name)
    with pytest.raises(UserError, match="expected a device, found this machine"):
        check.clean_device(Local())


def test_what_is_there_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(check, "read_facts", lambda target, runtimes: FACTS)
    check.check_device(JETSON, {})
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "jetson (user@jetson)"
    for line in (
        "module NVIDIA Jetson Xavier NX Developer Kit",
        "TensorRT 8.5.2.2",
        "onnxruntime -",
        "disk 30.0 GB free for /home/user/superres-work, 4.000 GB in its store",
        "power mode 2 (MODE_15W_6CORE)",
        "clocks locked, GPU at 1109 MHz",
        "temperature 43.0 degrees Celsius (GPU-therm)",
        "int8-trt-entropy yes",
    ):
        assert line in lines


def test_what_will_not_work_is_an_error(monkeypatch: pytest.MonkeyPatch):
    facts = {
        **FACTS,
        "state": {**FACTS["state"], "power_mode": 0},
        "runtimes": {"tensorrt": {"fp32": "yes", "fp16": "no: this device has no fast FP16"}},
    }
    monkeypatch.setattr(check, "read_facts", lambda target, runtimes: facts)
    with pytest.raises(
        UserError, match=r"^target jetson: tensorrt fp16 won't work; power mode now: expected 2, found 0"
    ):
        check.check_device(JETSON, {})


def test_this_machine_is_asked_as_well():
    facts = check.read_facts(Local(), {"onnxruntime": ["fp32", "bf16"], "opencv": ["uint8"]})
    assert facts["runtimes"]["onnxruntime"]["fp32"] == facts["runtimes"]["opencv"]["uint8"] == "yes"
    assert facts["runtimes"]["onnxruntime"]["bf16"].startswith("no: onnxruntime has no fast bf16")
    assert facts["software"]["onnxruntime"] and facts["disk"]["free_bytes"] > 0
