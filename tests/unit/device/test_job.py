"""Jobs: there and back, and what is wrong with one."""

import dataclasses
import json
import subprocess
import sys

import pytest

from superres.device.base.errors import UserError
from superres.device.job import Job, task_inputs
from superres.device.tasks import TASKS, load_task

JOB = Job(
    task="build_engine",
    runtime="openvino",
    precision="fp32",
    threads=2,
    inputs={"model": "model.onnx"},
    outputs={"engine": "engine.bin", "record": "engine.json"},
    settings={"options": {"a": 1}},
    label="local/openvino/espcn_rgb/fp32",
)


def test_a_job_comes_back_from_its_json():
    assert Job.from_json(JOB.to_json()) == JOB
    assert JOB.options == {"a": 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "measure"}, "expected a task of build_engine, .* found 'measure'"),
        ({"threads": 0}, "expected 1 or more threads, found 0"),
        ({"threads": True}, "found True"),
        ({"runtime": 3}, "expected text as runtime, found 3"),
        ({"inputs": {"onnx": "x"}}, r"inputs: expected \[model\], \[calibration\], found onnx"),
        ({"outputs": {"engine": "x"}}, "outputs: expected engine, record, found engine"),
        ({"outputs": {"engine": "x", "record": ""}}, "expected a path as record"),
        ({"settings": {"speed": 1}}, "settings: .*found speed"),
        ({"settings": {"options": 1}}, "options as a mapping, found 1"),
        ({"settings": {"sizes": [1, 2]}}, r"sizes as a mapping, found \[1, 2\]"),
        ({"settings": {"calibration": "entropy"}}, "calibration as a mapping, found 'entropy'"),
        ({"settings": {"form": 3}}, "text as form, found 3"),
        ({"task": "measure_latency"}, r"inputs: expected engine, engine_record, \[reference_engine\]"),
    ],
)
def test_a_wrong_job_says_what_was_expected(change, message):
    with pytest.raises(UserError, match=message):
        dataclasses.replace(JOB, **change)


def test_settings_of_a_measurement_are_numbers():
    needed = [name for name in load_task("measure_latency").SETTINGS if not name.startswith("[")]
    text = {**dict.fromkeys(needed, 1), "warmup_seconds": "long"}
    inputs: dict[str, str] = dict.fromkeys(("engine", "engine_record", "lr", "clip"), "x")
    with pytest.raises(UserError, match="warmup_seconds as a number >= 0, found 'long'"):
        Job("measure_latency", "openvino", "fp32", 1, inputs, {"latency": "x", "record": "y"}, text)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"luma": 2, "border": 2}, "expected text as luma, found 2"),
        ({"luma": "studio-swing", "border": -1}, "expected border as a number >= 0, found -1"),
        ({"luma": "studio-swing"}, "settings: expected luma, border, .*found luma"),
    ],
)
def test_how_psnr_is_measured_has_to_be_said(settings, message):
    inputs = dict.fromkeys(task_inputs("measure_quality"), "x")
    outputs = {"quality": "x", "record": "y"}
    with pytest.raises(UserError, match=message):
        Job("measure_quality", "openvino", "fp32", 1, inputs, outputs, settings)


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"task": "build_engine", "host": "x"})])
def test_text_that_is_no_job_is_a_users_mistake(text):
    with pytest.raises(UserError, match=r"^job: expected"):
        Job.from_json(text)


def test_what_a_task_takes_is_known_without_numpy():
    code = (
        "import sys\nfrom superres.device.job import task_inputs\nfrom superres.device.tasks import TASKS\n"
        "for task in TASKS:\n    task_inputs(task)\nassert 'numpy' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_names_that_may_be_missing_are_among_those_of_a_task():
    assert task_inputs("build_engine") == ("model", "calibration")
    with pytest.raises(UserError, match=r"expected a task of build_engine, .* found 'measure'"):
        task_inputs("measure")


@pytest.mark.parametrize("name", TASKS)
def test_every_task_writes_a_record(name: str):
    assert "record" in load_task(name).OUTPUTS
