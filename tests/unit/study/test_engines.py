"""Which file an arm's engine is built from, in which form, and what a study may ask of TensorRT's arms."""

from collections.abc import Callable
from typing import Any

import pytest

from superres.device.base.errors import UserError
from superres.study.engines import form_file, form_of, frames_of, graph_of
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


def add_calibrations(config: Config) -> None:
    data = config["calibrations"][1]["data"]
    config["calibrations"] += [
        {"name": "p", "method": "percentile", "data": data},
        {"name": "tool", "method": "onnxruntime", "data": data},
    ]


TENSORRT = {
    "name": "tensorrt",
    "precisions": ["fp32", "fp16", "int8-minmax", "int8-trt-minmax", "int8-trt-dummy"],
}


@pytest.mark.parametrize(
    ("runtime", "precision", "frames", "graph", "form"),
    [
        ("pytorch", "fp32", "uint8", "fp32", "plain"),
        ("onnxruntime", "fp32", "uint8", "fp32", "blocks"),
        ("onnxruntime", "int8-minmax", "uint8", "int8-minmax", "levels"),
        ("onnxruntime", "int8-minmax", "float32", "int8-minmax", "plain"),
        ("onnxruntime", "int8-tool", "uint8", "int8-tool", "levels"),
        ("openvino", "fp32", "uint8", "fp32", "plain"),
        ("openvino", "int8-minmax+center", "uint8", "int8-minmax+center", "channels_last"),
        ("openvino", "int8-minmax", "float32", "int8-minmax", "plain"),
        # OpenVINO runs these two in no other form.
        ("openvino", "bf16", "uint8", "fp32", "plain"),
        ("openvino", "int8-tool", "uint8", "int8-tool", "plain"),
        ("openvino_throughput", "int8-minmax", "uint8", "int8-minmax", "channels_last"),
        ("tensorrt", "fp32", "uint8", "fp32", "casts"),
        ("tensorrt", "fp16", "uint8", "fp16", "casts"),
        ("tensorrt", "fp16", "float32", "fp16", "plain"),
        ("tensorrt", "int8-minmax", "uint8", "int8-minmax", "casts"),
        # TensorRT finds these ranges itself, on float32 planes.
        ("tensorrt", "int8-trt-minmax", "uint8", "fp32", "plain"),
        ("tensorrt_rtx", "fp16", "uint8", "fp16", "casts"),
    ],
)
def test_the_graph_of_an_arm_and_its_form(runtime: str, precision: str, frames: str, graph: str, form: str):
    runtimes = {"name": runtime, "precisions": [precision], "frames": frames}
    named = study(runtimes, edit=add_calibrations)
    (arm,) = named.arms
    assert (graph_of(arm), form_of(named, arm)) == (graph, form)
    assert form_file(named, arm) == (graph if form == "plain" else f"{graph}.{form}")
    assert frames_of(named, arm) == ("float32" if "trt-" in precision else frames)


@pytest.mark.parametrize(
    ("precision", "frames", "form"),
    [
        ("fp32", "uint8", "channels_last"),
        ("int8-minmax", "uint8", "channels_last"),
        ("int8-minmax", "float32", "plain"),
        ("bf16", "uint8", "plain"),
        ("int8-tool", "uint8", "plain"),
    ],
)
def test_a_form_that_the_study_names_replaces_the_default(precision: str, frames: str, form: str):
    runtime = {"name": "openvino", "precisions": [precision], "frames": frames, "form": "channels_last"}
    named = study(runtime, edit=add_calibrations)
    assert form_of(named, named.arms[0]) == form


def test_plain_can_be_named_too():
    named = study({"name": "openvino", "precisions": ["int8-minmax"], "form": "plain"})
    assert form_file(named, named.arms[0]) == "int8-minmax"


def test_settings_of_a_build_have_their_defaults_in_the_schema():
    named = study({**TENSORRT, "build": {"workspace_mib": 32}}, {"name": "openvino", "precisions": ["fp32"]})
    defaults = {"fp16_fallback": False, "timing_cache": True}
    assert named.builds == {"tensorrt": {"workspace_mib": 32, **defaults}}


MISTAKES = [
    (
        {"name": "openvino", "precisions": ["fp32"], "build": {}},
        r"runtimes\[0\]\.build: expected it with tensorrt",
    ),
    (
        {"name": "tensorrt", "precisions": ["fp16", "fp32"], "build": {"dla_core": 0}},
        r"runtimes\[0\]\.precisions: expected fp16 and int8 alone with build\.dla_core, .* found fp32; ",
    ),
    (
        {"name": "tensorrt_rtx", "precisions": ["fp16"], "build": {"dla_core": 1}},
        r"runtimes\[0\]\.build: expected dla_core with tensorrt only, found it with tensorrt_rtx",
    ),
    ({"name": "tensorrt", "precisions": ["bf16"]}, "expected fp32, fp16 or int8 for tensorrt, found bf16"),
    (
        {"name": "tensorrt_rtx", "precisions": ["int8-trt-minmax"]},
        "expected int8-trt-minmax with the runtime tensorrt only, found it with tensorrt_rtx; "
        "take int8-minmax",
    ),
    (
        {"name": "tensorrt", "precisions": ["int8-trt-p"]},
        "int8-trt-p: expected a calibration by entropy or minmax, which TensorRT has itself, "
        "found percentile",
    ),
    (
        {"name": "tensorrt", "precisions": ["int8-trt-none"]},
        r"runtimes\[0\]\.precisions: expected a recipe that begins with a name from `calibrations` .*"
        "found 'none'",
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
        study(runtime, edit=add_calibrations)
    assert "\n" not in str(caught.value)


def test_an_arm_knows_whether_tensorrt_finds_its_ranges():
    precisions = ("fp32", "int8-minmax", "int8-trt-minmax")
    assert [Arm("local", "tensorrt", "m", name).implicit for name in precisions] == [False, False, True]


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


def test_calibrations_of_tensorrts_arms():
    named = study(TENSORRT)
    found = [named.calibration_of(arm) for arm in named.arms]
    assert [c and c.name for c in found] == [None, None, "minmax", "minmax", "dummy"]
