"""Which file an arm's engine is built from, and what TensorRT's arms may be asked for."""

from collections.abc import Callable
from typing import Any

import pytest

from superres.device.base.errors import UserError
from superres.study.engines import (
    FORMS,
    build_settings,
    form_file,
    forms_of,
    frames_of,
    graph_of,
    measured_arm,
)
from superres.study.keys.arms import Arm
from superres.study.keys.study import Study
from superres.study.load import load_study

from .test_load import Config, edited


def study(*runtimes: dict[str, Any], edit: Callable[[Config], object] = lambda config: None) -> Study:
    def change(config: Config) -> None:
        config["models"] = [{"name": "espcn_rgb"}]
        config["runtimes"] = list(runtimes)
        edit(config)

    return load_study(edited(change))


TENSORRT = {
    "name": "tensorrt",
    "precisions": ["fp32", "fp16", "int8-minmax", "int8-trt-minmax", "int8-trt-dummy"],
}


@pytest.mark.parametrize(
    ("runtime", "precision", "frames", "files"),
    [
        ("onnxruntime", "fp32", "uint8", "fp32.pixels fp32.blocks fp32.levels"),
        ("onnxruntime", "int8-minmax", "float32", "int8-minmax"),
        ("openvino", "int8-minmax", "uint8", "int8-minmax int8-minmax.pixels int8-minmax.channels_last"),
        ("pytorch", "fp32", "uint8", "fp32"),
        ("openvino", "bf16", "uint8", "fp32"),
        ("tensorrt", "fp32", "uint8", "fp32.casts"),
        ("tensorrt", "fp16", "uint8", "fp16.casts"),
        ("tensorrt", "fp16", "float32", "fp16"),
        ("tensorrt", "int8-minmax", "uint8", "int8-minmax.casts"),
        ("tensorrt", "int8-trt-minmax", "uint8", "fp32"),
        ("tensorrt_rtx", "fp16", "uint8", "fp16.casts"),
    ],
)
def test_the_graphs_that_an_arm_may_be_built_from(runtime, precision, frames, files):
    named = study({"name": runtime, "precisions": [precision], "frames": frames})
    (arm,) = named.arms
    assert [form_file(graph_of(named, arm), form) for form in forms_of(named, arm)] == files.split()
    assert frames_of(named, arm) == ("float32" if "trt-" in precision else frames)


def test_tensorrts_own_calibration_has_the_images_of_a_calibration():
    named = study(TENSORRT)
    arms = {arm.precision: arm for arm in named.arms}
    found = [named.calibration_of(arm) for arm in named.arms]
    assert [c and c.name for c in found] == [None, None, "minmax", "minmax", "dummy"]
    assert build_settings(named, arms["int8-minmax"]) == {}
    photographs = {"type": "calibration-set", "name": "photographs", "images": 40}
    expected = {"calibration": {"method": "minmax", "data": photographs}}
    assert build_settings(named, arms["int8-trt-minmax"]) == expected
    assert build_settings(named, arms["int8-trt-dummy"])["calibration"]["data"]["type"] == "random"


def test_settings_of_a_build_have_their_defaults_in_the_schema():
    named = study({**TENSORRT, "build": {"workspace_mib": 32}}, {"name": "openvino", "precisions": ["fp32"]})
    defaults = {"fp16_fallback": False, "timing_cache": True}
    assert named.builds == {"tensorrt": {"workspace_mib": 32, **defaults}}


def add_percentile(config: Config) -> None:
    data = config["calibrations"][1]["data"]
    config["calibrations"].append({"name": "p", "method": "percentile", "data": data})


MISTAKES = [
    (
        {"name": "openvino", "precisions": ["fp32"], "build": {}},
        r"runtimes\[0\]\.build: expected it with tensorrt",
    ),
    ({"name": "tensorrt", "precisions": ["bf16"]}, "expected fp32, fp16 or int8 for tensorrt, found bf16"),
    (
        {"name": "tensorrt_rtx", "precisions": ["int8-trt-minmax"]},
        "expected int8-trt-minmax with the runtime tensorrt only, found it with tensorrt_rtx; take int8-minmax",
    ),
    (
        {"name": "tensorrt", "precisions": ["int8-trt-p"]},
        "int8-trt-p: expected a calibration by entropy or minmax, which TensorRT has itself, found percentile",
    ),
    (
        {"name": "tensorrt", "precisions": ["int8-trt-none"]},
        r"runtimes\[0\]\.precisions: expected a recipe that begins with a name from `calibrations` .*found 'none'",
    ),
    (
        {"name": "tensorrt_rtx", "precisions": ["int8-minmax+asymmetric"]},
        "tensorrt_rtx: int8-minmax.asymmetric: expected symmetric activations.*take center instead",
    ),
    (
        {"name": "tensorrt", "precisions": ["fp32"], "build": {"workspace": 1}},
        r"runtimes\[0\]\.build\.workspace: unknown key \(did you mean workspace_mib\?\)",
    ),
    (
        {"name": "tensorrt", "precisions": ["fp32"], "build": {"optimization_level": 6}},
        r"runtimes\[0\]\.build\.optimization_level: expected 5 or less, found 6",
    ),
]


@pytest.mark.parametrize(("runtime", "message"), MISTAKES)
def test_a_mistake_gets_one_line(runtime, message):
    with pytest.raises(UserError, match=message) as caught:
        study(runtime, edit=add_percentile)
    assert "\n" not in str(caught.value)


def test_an_arm_knows_whether_tensorrt_finds_its_ranges():
    precisions = ("fp32", "int8-minmax", "int8-trt-minmax")
    assert [Arm("local", "tensorrt", "m", name).implicit for name in precisions] == [False, False, True]


def test_a_form_that_the_study_names_is_the_only_one() -> None:
    named = study({"name": "openvino", "precisions": ["fp32"], "form": "channels_last"})
    assert forms_of(named, named.arms[0]) == ("channels_last",)


def test_others_graphs_are_given_to_openvino_as_they_are() -> None:
    def add_tool(full: dict) -> None:
        data = full["calibrations"][0]["data"]
        full["calibrations"].append({"name": "tool", "method": "onnxruntime", "data": data})

    precisions = ["int8-tool", "int8-minmax"]
    for runtime, forms in (("openvino", ("plain",)), ("onnxruntime", FORMS["onnxruntime"])):
        parsed = study({"name": runtime, "precisions": precisions}, edit=add_tool)
        tool = next(arm for arm in parsed.arms if arm.precision == "int8-tool")
        assert forms_of(parsed, tool) == forms
        measured = measured_arm(parsed, "local", runtime, "int8")
        assert measured.precision == ("int8-minmax" if runtime == "openvino" else "int8-tool")


@pytest.mark.parametrize(
    ("runtime", "form", "known"),
    [
        ("openvino", "levels", "plain or channels_last for openvino"),
        ("pytorch", "blocks", "expected plain for pytorch"),
    ],
)
def test_a_form_that_the_runtime_lacks(runtime: str, form: str, known: str) -> None:
    with pytest.raises(UserError, match=rf"runtimes\[0\].form: .*{known}.*found {form}"):
        study({"name": runtime, "precisions": ["fp32"], "form": form})


def test_forms_are_measured_on_a_network_whose_forms_differ() -> None:
    def add(config: Config) -> None:
        config["models"] = [{"name": "espcn_ycbcr"}, {"name": "espcn_anchor"}]

    named = study({"name": "onnxruntime", "precisions": ["fp32", "int8-minmax"]}, edit=add)
    assert measured_arm(named, "local", "onnxruntime", "int8") == Arm(
        "local", "onnxruntime", "espcn_anchor", "int8-minmax"
    )
    assert measured_arm(named, "local", "onnxruntime", "float").precision == "fp32"
