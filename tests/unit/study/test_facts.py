"""What a manifest says of an arm: its files, the code of their jobs, and its part of the study."""

import json
from pathlib import Path
from typing import Any

import pytest

from superres.code_version import ROOT
from superres.quantization.recipes import STEPS
from superres.quantization.settings import TOOLS
from superres.report.plots.registry import PLOTS
from superres.study.facts import Facts, facts_of
from superres.study.keys.arms import Arm
from superres.study.load import load_study
from superres.study.paths import Paths

from .rich import BICUBIC, CONFIG, FOLDED, RGB, YCBCR, local, rich

R = "results/rich"
FACTS = Facts(Paths(rich()))
"""The facts of the rich study, which never change."""
WEIGHTS = f"src/superres/models/weights/{RGB}.safetensors"
PHOTOGRAPHS = f"{R}/frames/calibration/photographs.json"
ONNX = f"{R}/onnx/{RGB}"


@pytest.mark.parametrize(
    ("arm", "files"),
    [
        (BICUBIC, {}),
        (local("pytorch", "fp32"), {"weights": WEIGHTS, "program": f"{R}/programs/{RGB}.pt"}),
        (local("openvino", "bf16"), {"weights": WEIGHTS, "onnx": f"{ONNX}/fp32.onnx"}),
        (
            local("tensorrt", "fp16"),
            {"weights": WEIGHTS, "onnx": f"{ONNX}/fp16.onnx", "onnx_form": f"{ONNX}/fp16.casts.onnx"},
        ),
        (
            local("onnxruntime", "int8-minmax"),
            {
                "weights": WEIGHTS,
                "onnx": f"{ONNX}/int8-minmax.onnx",
                "onnx_form": f"{ONNX}/int8-minmax.levels.onnx",
                "calibration": PHOTOGRAPHS,
                "ranges": f"{R}/ranges/{RGB}/minmax.json",
            },
        ),
        (
            local("openvino", "int8-head"),
            {
                "weights": WEIGHTS,
                "onnx": f"{ONNX}/int8-head.onnx",
                "onnx_form": f"{ONNX}/int8-head.channels_last.onnx",
                "calibration": PHOTOGRAPHS,
                "refined": f"{R}/refined/{RGB}/entropy+center.onnx",
                "ranges": f"{R}/refined/{RGB}/entropy+center.json",
            },
        ),
        (
            local("openvino", "int8-cache"),
            {
                "weights": WEIGHTS,
                "onnx": f"{ONNX}/int8-cache.onnx",
                "onnx_form": f"{ONNX}/int8-cache.channels_last.onnx",
                "cache": "ranges.cache",
                "ranges": f"{R}/ranges/{RGB}/cache.json",
            },
        ),
        (
            local("openvino", "int8-tool"),
            {
                "weights": WEIGHTS,
                "onnx": f"{ONNX}/int8-tool.onnx",
                "calibration": PHOTOGRAPHS,
                "tool": f"{ONNX}/int8-tool.json",
            },
        ),
        # TensorRT's own ranges stay in its engine.
        (
            local("tensorrt", "int8-trt-entropy"),
            {"weights": WEIGHTS, "onnx": f"{ONNX}/fp32.onnx", "calibration": PHOTOGRAPHS},
        ),
        (
            local("openvino", "fp32", FOLDED),
            {"weights": f"{R}/weights/{YCBCR}.safetensors", "onnx": f"{R}/onnx/{FOLDED}/fp32.onnx"},
        ),
    ],
)
def test_files_behind_an_arm(arm: Arm, files: dict[str, str]):
    reference = {"reference": f"{R}/arms/local/openvino/{RGB}/fp32/engine.bin"}
    clip = {"clip": f"{R}/frames/own.json", "lr": f"{R}/frames/own.x2.json"}
    assert FACTS.traced(arm, ".own") == {**clip, **files, **reference}


def test_the_reference_has_no_reference():
    assert "reference" not in FACTS.traced(local("openvino", "fp32"), ".run")


ALWAYS = {
    "prepare_clip",
    "downsample_clip",
    "device/tasks/quality.py",
    "device/tasks/latency.py",
    "device/tasks/build.py",
    # Of the reference, OpenVINO in FP32.
    "device/runtimes/openvino.py",
    "export_onnx",
}
INT8 = {"calibrate_ranges", "quantize_onnx", "write_uint8_graph", "models/graphs/uint8/channels_last.py"}
IMAGES = {"prepare_calibration_set", "check_disjoint_images"}
TRAINING = {"train_model", "check_disjoint_images"}


@pytest.mark.parametrize(
    ("arm", "more"),
    [
        (BICUBIC, {"device/runtimes/opencv.py"}),
        (local("pytorch", "fp32"), {"device/runtimes/pytorch.py", "export_program"}),
        (local("openvino", "bf16"), set()),
        (local("openvino", "fp32", YCBCR), TRAINING),
        (local("openvino", "fp32", FOLDED), TRAINING),
        (
            local("onnxruntime", "fp32"),
            {"device/runtimes/onnxruntime.py", "write_uint8_graph", "models/graphs/uint8/blocks.py"},
        ),
        (
            local("tensorrt", "fp16"),
            {
                "device/runtimes/tensorrt.py",
                "convert_fp16",
                "write_uint8_graph",
                "models/graphs/uint8/casts.py",
            },
        ),
        (local("tensorrt", "int8-trt-entropy"), {"device/runtimes/tensorrt.py", *IMAGES}),
        (local("openvino", "int8-fixed"), INT8),
        (local("openvino", "int8-dummy"), {*INT8, "observe_activations"}),
        (local("openvino", "int8-minmax"), {*INT8, "observe_activations", *IMAGES}),
        (
            local("openvino", "int8-tool"),
            {"quantize_by_tool", "quantization/tools/onnxruntime.py", *IMAGES},
        ),
        (
            local("openvino", "int8-head"),
            {*INT8, "observe_activations", *IMAGES, "refine_onnx", "quantization/steps/center.py"},
        ),
        (
            local("openvino", "int8-minmax+bias+mixed"),
            {
                *INT8,
                "observe_activations",
                *IMAGES,
                "refine_onnx",
                "quantization/steps/bias.py",
                "quantization/steps/mixed.py",
                "measure_subsets",
                "time_subsets",
                "find_frontier",
            },
        ),
    ],
)
def test_code_behind_an_arm(arm: Arm, more: set[str]):
    assert list(FACTS.code_behind(arm)) == sorted(ALWAYS | more)


def test_an_arm_without_a_reference_is_behind_no_other_runtime():
    arm = Arm("jetson", "tensorrt", RGB, "int8-minmax")
    names = FACTS.code_behind(arm)
    assert "device/runtimes/tensorrt.py" in names and "device/runtimes/openvino.py" not in names


def test_a_measured_step_has_the_code_of_its_own_runtime():
    study = rich(steps={"mixed": {"runtime": "onnxruntime"}}, latency={"reference": {"runtime": "pytorch"}})
    names = Facts(Paths(study)).code_behind(local("openvino", "int8-minmax+bias+mixed"))
    assert {"device/runtimes/onnxruntime.py", "models/graphs/uint8/blocks.py"} <= set(names)


def test_every_name_of_code_is_a_file():
    scripts = ROOT.parents[1] / "workflow/scripts"
    names = {name for arm in FACTS.study.arms for name in FACTS.code_behind(arm)}
    names |= {FACTS.step_module(step) for step in STEPS} | {FACTS.tool_module(tool) for tool in TOOLS}
    names |= {FACTS.plot_module(f"{plot}.any") for plot in PLOTS}
    places = [ROOT / name if name.endswith(".py") else scripts / f"{name}.py" for name in names]
    assert [place for place in places if not place.is_file()] == []


# What the study says


def test_of_an_arm_only_what_concerns_it():
    facts = FACTS.of_arm(local("openvino", "fp32"), ".own")
    assert sorted(facts) == ["clip", "latency", "model", "quality", "runtime", "seed", "study", "timed_on"]
    assert (facts["study"], facts["seed"], facts["quality"]["border"]) == ("rich", None, 0)
    assert facts["timed_on"] == "own"
    # A description changes no figure.
    source = {"kind": "Video", "path": "own.mp4", "frames": {"first": 0, "stride": 1}, "deinterlace": False}
    source |= dict.fromkeys(("matrix", "range", "siting"), "auto")
    told = {"name": "own", "downsampling": "bicubic", "chroma": "upscaled", "sources": [source]}
    assert facts["clip"] == told
    assert facts["runtime"] == {"frames": "uint8", "form": "plain", "build": {}}
    assert "training" not in facts["model"] and facts["model"]["name"] == RGB
    assert facts["latency"]["reference"] is None and "noise" not in facts["latency"]


def test_of_int8_its_calibration_recipe_and_steps():
    facts = FACTS.of_arm(local("openvino", "int8-minmax+bias+mixed"), ".run")
    assert facts["calibration"] == {
        "name": "minmax",
        "method": "minmax",
        "data": CONFIG["calibrations"][1]["data"],
    }
    assert facts["calibration_set"]["name"] == "photographs"
    assert [source["kind"] for source in facts["calibration_set"]["sources"]] == ["PackageImages", "Images"]
    assert facts["recipe"] == "minmax+bias+mixed" and list(facts["steps"]) == ["bias", "mixed"]
    assert facts["steps"]["mixed"]["budget_db"] == 0.2 and facts["float_layers"] == []
    assert facts["latency"]["reference"] == f"local/openvino/{RGB}/fp32"
    head = FACTS.of_arm(local("openvino", "int8-head"), ".run")
    assert (head["recipe"], head["steps"], head["float_layers"]) == (
        "entropy+center",
        {"center": {}},
        ["conv3"],
    )
    dummy = FACTS.of_arm(local("openvino", "int8-dummy"), ".run")
    assert dummy["seed"] == 3 and dummy["calibration_set"] is None


def test_of_tensorrt_its_build_and_the_frames_of_its_engines():
    build = {"workspace_mib": 64, "fp16_fallback": False, "timing_cache": True}
    runtimes = {
        precision: FACTS.of_arm(local("tensorrt", precision), ".run")["runtime"]
        for precision in ("fp16", "int8-trt-entropy")
    }
    assert runtimes == {
        "fp16": {"frames": "uint8", "form": "casts", "build": build},
        "int8-trt-entropy": {"frames": "float32", "form": "plain", "build": build},
    }


def test_a_full_path_is_only_a_name(tmp_path: Path):
    clip = {"name": "far", "source": {"type": "y4m", "path": str(tmp_path / "far.y4m")}}
    mine = {"name": "mine", "onnx": str(tmp_path / "mine.onnx")}
    study = rich(clips=[*CONFIG["clips"], clip], models=[*CONFIG["models"], mine])
    assert facts_of(study.clips["far"])["sources"][0]["path"] == "far.y4m"
    facts = Facts(Paths(study)).of_arm(local("openvino", "fp32", "mine"), ".far")
    assert facts["model"]["onnx"] == "mine.onnx"
    assert str(tmp_path) not in str(facts)


@pytest.mark.parametrize("model", [YCBCR, FOLDED])
def test_of_a_trained_model_its_training(model: str):
    facts = FACTS.of_arm(local("openvino", "fp32", model), ".run")["model"]
    assert facts["name"] == model and facts["training"]["steps"] == 7
    sets = {role: images["sources"][0]["path"] for role, images in facts["training_sets"].items()}
    assert sets == {"training_set": "train", "validation_set": "valid"}


@pytest.mark.parametrize(
    ("change", "arms"),
    [
        (
            {
                "calibrations": [
                    {**CONFIG["calibrations"][0], "data": {**CONFIG["calibrations"][0]["data"], "seed": 4}},
                    *CONFIG["calibrations"][1:],
                ]
            },
            3,
        ),
        ({"quality": {"border": 2}}, 76),
        ({"far_db": 2.0}, 0),
        ({"table": {"calibrated": "minmax"}}, 0),
    ],
    ids=["seed of dummy", "border", "far_db", "table"],
)
def test_a_change_of_the_study_reaches_the_arms_that_it_concerns(change: dict[str, Any], arms: int):
    before, after = FACTS.of_manifests(), Facts(Paths(rich(**change))).of_manifests()
    assert before.keys() == after.keys() and len(before) == 2 * 76
    assert sum(before[path] != after[path] for path in before) == 2 * arms


def test_facts_are_json():
    manifests = FACTS.of_manifests()
    assert f"{R}/arms/local/opencv/bicubic/uint8/manifest.own.json" in manifests
    assert json.loads(json.dumps(manifests)).keys() == manifests.keys()


def test_a_checkpoint_is_traced_to_the_users_file_and_to_both_rules():
    models = [*CONFIG["models"], {"name": "theirs", "checkpoint": "models/x2.pth"}]
    paths = Paths(load_study({**CONFIG, "models": models}))
    facts, arm = Facts(paths), local("openvino", "fp32", "theirs")
    assert facts.traced(arm, ".own")["weights"] == "models/x2.pth"
    assert {"export_checkpoint", "adopt_onnx"} <= set(facts.code_behind(arm))
    assert paths.foreign("theirs") == f"{R}/onnx/theirs/checkpoint.onnx"
    assert (paths.adopted, paths.checkpoints) == (["theirs"], ["theirs"])


def test_external_data_is_an_input_and_traced(tmp_path: Path):
    source, data = tmp_path / "mine.onnx", str(tmp_path / "data.bin")
    source.write_bytes(b"\x0a\x08location\x12\x08data.bin" * 2)
    models = [*CONFIG["models"], {"name": "mine", "onnx": str(source)}]
    paths = Paths(load_study({**CONFIG, "models": models}))
    assert paths.foreign_data("mine") == [data]
    traced = Facts(paths).traced(local("openvino", "fp32", "mine"), ".own")
    assert (traced["weights"], traced["weights_data1"]) == (str(source), data)
    assert "weights_data1" not in Facts(paths).traced(local("openvino", "fp32"), ".own")
