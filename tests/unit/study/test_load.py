"""A study's mistakes, each in one line that names the key, what was expected and what was found."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from superres.data.sources.images import Images
from superres.data.sources.source import FrameRange
from superres.data.sources.turning_view import TurningView
from superres.data.sources.y4m import Y4m
from superres.device.base.errors import UserError
from superres.models.architectures import Espcn
from superres.quantization.recipes import Recipe
from superres.study.keys.arms import Arm
from superres.study.keys.quantization import Quantization, Sensitivity
from superres.study.load import load_study
from superres.study.recipes import measured_recipes

ROOT = Path(__file__).parents[3]
DEFAULT = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))

Config = dict[str, Any]


def edited(edit: Callable[[Config], object]) -> Config:
    config = copy.deepcopy(DEFAULT)
    edit(config)
    return config


def source(config: Config) -> Config:
    return config["clips"][0]["source"]


PLAIN = {"kind": "plain", "channels": 8, "layers": 4}


def own(config: Config, architecture: Config, weights: str = "train") -> None:
    """Make the first model one of an own architecture."""
    config["models"][0] = {"name": "mine", "architecture": architecture, "weights": weights}


def taught(config: Config, **teachers: str) -> None:
    """Train some models with a teacher each."""
    folder = {"type": "images", "path": "a"}
    config["training_sets"] = [{"name": name, "sources": [folder]} for name in ("training", "validation")]
    for model in config["models"]:
        if model["name"] in teachers:
            model |= {"weights": "train", "training": {"teacher": {"model": teachers[model["name"]]}}}


def test_default_study_has_the_arms_of_the_table():
    study = load_study(DEFAULT)
    arms = {(arm.runtime, arm.model, arm.precision) for arm in study.arms}
    assert len(study.arms) == len(arms) == 2 * (1 + 1) + 3 * 2 + 5 * 5 + 1
    assert ("opencv", "bicubic", "uint8") in arms
    assert ("openvino", "espcn_ycbcr", "int8-dummy") in arms
    assert not any(model == "bicubic" for runtime, model, _ in arms if runtime != "opencv")


def test_a_runtime_runs_the_models_that_it_names():
    def change(config: Config) -> None:
        config["models"] = [{"name": "espcn_rgb"}, {"name": "plain_c8_m4"}, {"name": "bicubic"}]
        config["runtimes"][0]["models"] = ["plain_c8_m4", "espcn_ycbcr"]

    study = load_study(edited(change))
    # espcn_ycbcr is a network of the package: a study without it keeps the runtimes of another.
    assert {arm.model for arm in study.arms if arm.runtime == "pytorch"} == {"plain_c8_m4"}
    assert {arm.model for arm in study.arms if arm.runtime == "openvino"} == {"espcn_rgb", "plain_c8_m4"}
    assert [arm.model for arm in study.arms if arm.runtime == "opencv"] == ["bicubic"]


def test_an_int8_precision_is_a_recipe_or_a_name_for_one():
    def add(config: Config) -> None:
        config["quantizations"] = [
            {"name": "head", "recipe": "entropy+center", "float_layers": ["conv3"]},
            {"name": "idle", "recipe": "minmax"},
        ]
        config["runtimes"][1]["precisions"] = [
            "fp32",
            "int8-head",
            "int8-dummy+asymmetric+pertensor",
            "int8-minmax",
        ]
        config["runtimes"][2]["precisions"] = ["int8-minmax"]

    study = load_study(edited(add))
    assert study.quantizations == {
        "head": Quantization(Recipe("entropy", ("center",)), ("conv3",)),
        "dummy+asymmetric+pertensor": Quantization(Recipe("dummy", ("asymmetric", "pertensor"))),
        "minmax": Quantization(Recipe("minmax")),
    }
    arms = {arm.precision: arm for arm in study.arms if arm.runtime == "onnxruntime"}
    assert study.calibration_of(arms["int8-head"]) == study.calibrations["entropy"]
    assert study.calibration_of(arms["fp32"]) is None


def test_sensitivity_is_that_of_the_runtimes_arms():
    assert load_study(DEFAULT).sensitivity is None
    wanted = {"recipe": "entropy", "frames": 6}
    study = load_study(edited(lambda c: c.update(sensitivity=wanted)))
    networks = ("espcn_rgb", "espcn_ycbcr", "espcn_ycbcr_folded", "plain_c16_m4", "plain_c8_m4")
    assert study.sensitivity == Sensitivity(recipe="entropy", models=networks, frames=6)
    one = {"recipe": "dummy", "runtime": "openvino", "models": ["plain_c8_m4"]}
    study = load_study(edited(lambda c: c.update(sensitivity=one)))
    assert study.sensitivity == Sensitivity(recipe="dummy", runtime="openvino", models=("plain_c8_m4",))


def test_a_measured_step_is_measured_behind_what_comes_before_it():
    def add(config: Config) -> None:
        config["runtimes"][1]["precisions"] = [
            "int8-minmax+center+mixed",
            "int8-minmax+center+mixed+asymmetric",
        ]
        config["runtimes"][2]["precisions"] = ["int8-entropy+mixed", "int8-minmax+center+mixed"]
        config["models"] = [{"name": "espcn_rgb"}]
        config["runtimes"] = config["runtimes"][1:3]

    study = load_study(edited(add))
    assert measured_recipes(study.arms, study.quantizations) == [
        ("espcn_rgb", "minmax+center"),
        ("espcn_rgb", "entropy"),
    ]
    assert study.steps.of("mixed") == {
        "budget_db": 0.05,
        "runtime": "openvino",
        "downsampling": "bicubic",
    }
    assert study.steps.of("center") == {}


def test_frames_are_chosen_for_each_runtime():
    chosen = load_study(edited(lambda c: c["runtimes"][1].update(frames="float32"))).frames
    uint8 = dict.fromkeys(("pytorch", "pytorch_tuned", "openvino", "opencv"), "uint8")
    assert chosen == {**uint8, "onnxruntime": "float32"}


def test_a_calibration_carries_its_steps_into_every_recipe_that_begins_with_it():
    def add(config: Config) -> None:
        config["calibrations"][2]["steps"] = ["center", "bias"]
        config["quantizations"] = [{"name": "head", "recipe": "entropy", "float_layers": ["conv3"]}]
        config["runtimes"][1]["precisions"] = ["int8-entropy", "int8-entropy+adaround", "int8-head"]
        config["runtimes"][2]["precisions"] = ["int8-tuned"]

    study = load_study(edited(add))
    assert {name: str(q.recipe) for name, q in study.quantizations.items()} == {
        "entropy": "entropy+center+bias",
        "entropy+adaround": "entropy+center+bias+adaround",
        "head": "entropy+center+bias",
        "tuned": "tuned+balance+asymmetric+reducerange+adaround+anchor",
    }
    assert study.quantizations["head"].float_layers == ("conv3",)
    # The jobs of a calibration and of its steps don't depend on which steps follow.
    assert "steps" not in study.calibrations["entropy"].model_dump()


def test_calibrations_on_the_same_images_share_a_pass():
    def add(config: Config) -> None:
        first = config["calibrations"][0]["data"]
        photographs = config["calibrations"][1]["data"]
        config["calibrations"] += [
            {"name": "five", "data": {**first, "images": 5}},
            {"name": "other", "data": {**first, "seed": 1}},
            {"name": "p", "method": "percentile", "data": {**photographs, "images": 7}},
            {"name": "fixed", "method": "fixed", "output_range": 3},
            {"name": "jetson", "method": "cache", "path": "a.cache"},
        ]

    calibrations = load_study(edited(add)).calibrations
    assert {name: c.observed for name, c in calibrations.items()} == {
        "dummy": "random-uniform-0-960x540",
        "minmax": "photographs",
        "entropy": "photographs",
        "tuned": "photographs",
        "five": "random-uniform-0-960x540",
        "other": "random-uniform-1-960x540",
        "p": "photographs",
        "fixed": None,
        "jetson": None,
    }
    assert calibrations["p"].settings == {"percentile": 99.99}
    assert calibrations["fixed"].settings == {"input_range": 2.0, "output_range": 3}
    assert calibrations["jetson"].settings == {"path": "a.cache"}
    assert calibrations["minmax"].settings == {}


def test_default_clip_is_the_turning_view():
    clip = load_study(DEFAULT).clips["park"]
    assert clip.downsampling == "bicubic"
    assert isinstance(clip.source.kind, TurningView)
    assert (clip.source.kind.width, clip.source.kind.height, clip.source.kind.count) == (1920, 1080, 12)


def test_defaults_are_filled_in_from_the_schema():
    config = {
        "study": "mine",
        "clips": [
            {"name": "a", "source": {"type": "y4m", "path": "a.y4m", "frames": {"first": 3}}},
            {"name": "b", "source": {"type": "images", "path": "b"}},
        ],
        "models": [{"name": "espcn_rgb"}],
        "runtimes": [{"name": "openvino", "precisions": ["fp32"]}],
    }
    study = load_study(config)
    assert study.clips["a"].source.kind == Y4m(
        path="a.y4m", matrix="auto", range="auto", siting="auto", frames=FrameRange(first=3)
    )
    assert study.clips["a"].source.frames == FrameRange(first=3, count=None, stride=1)
    assert study.clips["b"].source.kind == Images(path="b", include=("*",), exclude=())
    assert study.models["espcn_rgb"].weights == "pretrained"
    assert (study.latency.min_seconds, study.latency.min_iterations) == (3.0, 50)
    assert study.noise.model_dump() == {"spread": 1.5, "busy_processors": 0.1}
    # The paper's Eq. 1 and 2.
    assert study.quality.at(4) == study.quality.model_dump()
    assert study.quality.model_dump() == {"luma": "full-range", "border": 0}
    assert [arm.folder for arm in study.arms] == ["local/openvino/espcn_rgb/fp32"]


def test_every_arm_but_the_reference_has_it_on_its_own_target():
    study = load_study(edited(lambda c: c["latency"]["reference"].update(model="plain_c8_m4")))
    reference = Arm("local", "openvino", "plain_c8_m4", "fp32")
    assert study.reference_of(reference) is None
    assert {study.reference_of(arm) for arm in study.arms if arm != reference} == {reference}
    assert "reference" not in study.latency.timing and "noise" not in study.latency.timing
    # The study's first model, unless it says another.
    assert load_study(DEFAULT).reference(2).model == "espcn_rgb"
    without = load_study(edited(lambda c: c["latency"]["reference"].update(precision="fp16")))
    assert {without.reference_of(arm) for arm in without.arms} == {None}


MISTAKES = {
    "a key of the reference that it hasn't": (
        lambda c: c["latency"]["reference"].update(target="local"),
        ["latency.reference.target: unknown key", "runtime, model, precision"],
    ),
    "int8 in tuned PyTorch": (
        lambda c: c["runtimes"][3].update(precisions=["int8-minmax"]),
        ["runtimes[3].precisions: expected fp32, fp16 or bf16 for pytorch_tuned"],
    ),
    "unknown key": (lambda c: c.update(modles=[]), ["modles: unknown key", "did you mean models?"]),
    "unknown nested key": (lambda c: source(c).update(fovv=1), ["clips[0].source.fovv", "did you mean fov?"]),
    "unknown model": (
        lambda c: c["models"][0].update(name="espcn_rbg"),
        ["models[0].name", "expected one of espcn_rgb", "found 'espcn_rbg'", "did you mean espcn_rgb?"],
    ),
    "wrong type": (
        lambda c: source(c).update(count="many"),
        ["clips[0].source.count", "expected a whole number", "found 'many'"],
    ),
    "list expected": (lambda c: c.update(clips="park"), ["clips: expected a list", "found 'park'"]),
    "missing key": (
        lambda c: source(c).pop("yaw"),
        ["clips[0].source", "expected the key yaw, found type, package"],
    ),
    "unknown source type": (
        lambda c: source(c).update(type="film"),
        ["clips[0].source.type", "turning-view", "y4m", "found 'film'"],
    ),
    "name that leaves its folder": (lambda c: c.update(study="../up"), ["study:", "found '../up'"]),
    "frame without a pixel": (lambda c: source(c).update(width=0), ["clips[0].source", "16 or more", "0"]),
    "unknown package": (
        lambda c: source(c).update(package="psychpy"),
        ["clips[0].source.package", "psychopy", "found 'psychpy'"],
    ),
    "version without hash": (lambda c: c["packages"][0].pop("sha256"), ["packages[0]", "sha256"]),
    "clip named twice": (
        lambda c: c["clips"].append(c["clips"][0]),
        ["clips[2].name", "'park' a second time"],
    ),
    "precision without calibration": (
        lambda c: c["runtimes"][1]["precisions"].append("int8-entropie"),
        ["runtimes[1].precisions", "`calibrations` (dummy, minmax, entropy, tuned)", "found 'entropie'"],
    ),
    "unknown step": (
        lambda c: c["runtimes"][1]["precisions"].append("int8-entropy+centre"),
        ["runtimes[1].precisions", "steps among", "center", "found 'centre' in 'entropy+centre'"],
    ),
    "step taken twice": (
        lambda c: c["runtimes"][1]["precisions"].append("int8-entropy+center+center"),
        ["runtimes[1].precisions", "each step once", "found center 2 times"],
    ),
    "training behind a step that changes what the float graph computes": (
        lambda c: c["runtimes"][1]["precisions"].append("int8-minmax+center+bias+qat"),
        ["runtimes[1].precisions", "center, equalize", "before the step qat, found bias"],
    ),
    "fewer levels behind a step that was fitted to more": (
        lambda c: c["runtimes"][1]["precisions"].append("int8-minmax+bias+reducerange"),
        ["runtimes[1].precisions", "center, equalize", "before the step reducerange, found bias"],
    ),
    "anchor in INT8 on symmetric frames": (
        lambda c: c["runtimes"][1]["precisions"].append("int8-minmax+adaround+anchor"),
        ["runtimes[1].precisions", "the step asymmetric before the step anchor, found none"],
    ),
    **{
        f"{fitted} in front of {step}": (
            lambda c, recipe=f"int8-minmax+{fitted}+{step}": c["runtimes"][1]["precisions"].append(recipe),
            ["runtimes[1].precisions", f"before the step {step}, found {fitted}"],
        )
        for fitted, step in (
            ("adaround", "bias"),
            ("qat", "bias"),
            ("qat", "adaround"),
            ("adaround", "pertensor"),
            ("qat", "asymmetric"),
            ("adaround", "center"),
            ("bias", "asymmetric"),
        )
    },
    "step that needs the calibration as it was": (
        lambda c: c["runtimes"][1]["precisions"].append("int8-minmax+reducerange+balance"),
        ["runtimes[1].precisions", "expected nothing before the step balance, found reducerange"],
    ),
    "training without photographs": (
        lambda c: c["runtimes"][1]["precisions"].append("int8-dummy+qat"),
        ["runtimes[1].precisions", "on photographs before the step qat", "found dummy", "random"],
    ),
    "no step of a training": (lambda c: c.update(steps={"qat": {"steps": 0}}), ["steps.qat.steps", "0"]),
    "step that moves scales behind pow2": (
        lambda c: c["runtimes"][1]["precisions"].append("int8-minmax+pow2+center"),
        ["runtimes[1].precisions", "nothing but bias, adaround after the step pow2", "'minmax+pow2+center'"],
    ),
    "pow2 behind a step that has rounded weights": (
        lambda c: c["runtimes"][1]["precisions"].append("int8-minmax+adaround+pow2"),
        ["runtimes[1].precisions", "center, equalize", "before the step pow2, found adaround"],
    ),
    "pow2search without images": (
        lambda c: (
            c["calibrations"].append({"name": "flat", "method": "fixed"}),
            c["runtimes"][1]["precisions"].append("int8-flat+pow2search"),
        ),
        ["runtimes[1].precisions", "images before the step pow2search", "found flat"],
    ),
    "quantization with the name of a calibration": (
        lambda c: c.update(quantizations=[{"name": "minmax", "recipe": "entropy"}]),
        ["quantizations[0].name", "found 'minmax' in `calibrations` too"],
    ),
    "quantization named twice": (
        lambda c: c.update(
            quantizations=[{"name": "a", "recipe": "entropy"}, {"name": "a", "recipe": "dummy"}]
        ),
        ["quantizations[1].name", "expected a name of its own", "found 'a' a second time"],
    ),
    "step of a calibration that doesn't exist": (
        lambda c: c["calibrations"][3].update(steps=["centre"]),
        ["calibrations[3].steps", "steps among", "found 'centre' in 'tuned+centre'"],
    ),
    "steps of a calibration in a wrong order": (
        lambda c: c["calibrations"][3].update(steps=["bias", "qat"]),
        ["calibrations[3].steps", "before the step qat, found bias"],
    ),
    "step of a calibration taken again": (
        lambda c: c["runtimes"][1]["precisions"].append("int8-tuned+adaround"),
        ["runtimes[1].precisions", "each step once", "found adaround 2 times"],
    ),
    "steps of a calibration without images": (
        lambda c: c["calibrations"].append({"name": "fixed", "method": "fixed", "steps": ["bias"]}),
        ["calibrations[4].steps", "a calibration with images before the step bias"],
    ),
    "steps of TensorRT's own ranges": (
        lambda c: (
            c["calibrations"][2].update(steps=["center"]),
            c["runtimes"].append({"name": "tensorrt", "precisions": ["int8-trt-entropy"]}),
        ),
        ["runtimes[5].precisions", "without steps as TensorRT's own", "entropy+center for int8-trt-entropy"],
    ),
    "quantization of another one": (
        lambda c: c.update(
            quantizations=[{"name": "a", "recipe": "dummy"}, {"name": "b", "recipe": "a+center"}]
        ),
        ["quantizations[1].recipe", "`calibrations` (dummy, minmax, entropy, tuned)", "found 'a+center'"],
    ),
    "unknown quantization": (
        lambda c: (
            c.update(quantizations=[{"name": "best", "recipe": "entropy"}]),
            c["runtimes"][1]["precisions"].append("int8-bets"),
        ),
        [
            "runtimes[1].precisions",
            "or `quantizations` (dummy, minmax, entropy, tuned, best)",
            "found 'bets'",
        ],
    ),
    "calibration without its set": (
        lambda c: c["calibrations"][1]["data"].update(name="div2k"),
        ["calibrations: minmax: data.name", "photographs", "found 'div2k'"],
    ),
    "percentile of another method": (
        lambda c: c["calibrations"][2].update(percentile=99.9),
        ["calibrations[2].percentile", "no such key for the method entropy, which has data"],
    ),
    "percentile beyond all values": (
        lambda c: c["calibrations"][2].update(method="percentile", percentile=101),
        ["calibrations[2].percentile", "101", "expected 100 or less"],
    ),
    "fixed ranges with images": (
        lambda c: c["calibrations"][0].update(method="fixed"),
        ["calibrations[0].data", "the method fixed", "input_range, output_range"],
    ),
    "calibration without data": (
        lambda c: c["calibrations"][2].pop("data"),
        ["calibrations[2]", "expected data with the method entropy"],
    ),
    "cache without a path": (
        lambda c: c["calibrations"].append({"name": "jetson", "method": "cache"}),
        ["calibrations[4]", "expected path with the method cache"],
    ),
    "unknown method": (
        lambda c: c["calibrations"][2].update(method="entropie"),
        ["calibrations[2].method", "percentile, mse, fixed, cache", "did you mean entropy?"],
    ),
    "precision that a runtime lacks": (
        lambda c: c["runtimes"][0]["precisions"].append("int8-dummy"),
        ["runtimes[0].precisions", "pytorch", "found int8-dummy"],
    ),
    "bicubic without opencv": (lambda c: c["runtimes"].pop(), ["models: bicubic", "opencv"]),
    "planes for opencv": (
        lambda c: c["runtimes"][4].update(frames="float32"),
        ["runtimes[4].frames", "expected uint8 for opencv", "found float32"],
    ),
    "unknown kind of frames": (
        lambda c: c["runtimes"][1].update(frames="uint16"),
        ["runtimes[1].frames", "uint8, float32", "found 'uint16'"],
    ),
    "opencv without bicubic": (lambda c: c["models"].pop(), ["runtimes[4]", "bicubic"]),
    "kernel of a network": (
        lambda c: c["models"][0].update(kernel="matlab"),
        ["models[0].kernel", "bicubic only", "found it with espcn_rgb"],
    ),
    "weights of a folded model": (
        lambda c: c["models"][2].update(weights="train"),
        ["models[2].weights", "espcn_ycbcr_folded", "it is espcn_ycbcr folded"],
    ),
    "a built-in name for an own architecture": (
        lambda c: c["models"][0].update(architecture=PLAIN),
        ["models[0].name: expected a name of its own for a network with the key architecture", "rename it"],
    ),
    "a built-in name for an ONNX file": (
        lambda c: c["models"][0].update(onnx="mine.onnx"),
        ["models[0].weights: expected no such key next to onnx, which has its weights inside"],
    ),
    "a built-in name for a checkpoint": (
        lambda c: c["models"].append({"name": "espcn_rgb", "checkpoint": "x.pth"}),
        ["models[6].name: expected a name of its own for a network with the key checkpoint", "rename it"],
    ),
    "weights of a checkpoint": (
        lambda c: c["models"].append({"name": "mine", "checkpoint": "x.pth", "weights": "train"}),
        ["models[6].weights: expected no such key next to checkpoint"],
    ),
    "a checkpoint that is a graph": (
        lambda c: c["models"].append({"name": "mine", "checkpoint": "x.onnx"}),
        ["models[6].checkpoint: expected a text of the form", "safetensors", "found 'x.onnx'"],
    ),
    "a graph and a checkpoint": (
        lambda c: c["models"].append({"name": "mine", "checkpoint": "x.pth", "onnx": "x.onnx"}),
        ["models[6].checkpoint: expected onnx or checkpoint, found both; leave one out"],
    ),
    "a built-in name for a new ONNX file": (
        lambda c: c["models"].append({"name": "fsrcnn", "onnx": "mine.onnx"}),
        ["models[6].name: expected a name of its own for a network with the key onnx", "fsrcnn", "rename it"],
    ),
    "colours of no ONNX file": (
        lambda c: c["models"][0].update(colour="bgr"),
        ["models[0].colour: expected it next to onnx or checkpoint, found neither; leave it out"],
    ),
    "a scale that no network has": (
        lambda c: c["models"].append({"name": "mine", "onnx": "mine.onnx", "scale": 9}),
        ["models[6].scale: expected", "8", "found 9"],
    ),
    "a runtime with a model that isn't there": (
        lambda c: c["runtimes"][1].update(models=["espcn_rgb", "espcn_rbg"]),
        ["runtimes[1].models[1]: expected a name from `models` (espcn_rgb, ", "found 'espcn_rbg'"],
    ),
    "an own architecture without weights": (
        lambda c: c["models"][0].update(name="mine", architecture=PLAIN),
        ["models[0].weights: expected train or the path of a .safetensors file for mine, found pretrained"],
    ),
    "a built-in name for the paper's network": (
        lambda c: c["models"][0].update(network="espcn_rgb"),
        ["models[0].name: expected a name of its own for a network with the key network", "rename it"],
    ),
    "a network that isn't the paper's": (
        lambda c: c["models"][0].update(name="mine", network="fsrcnn", weights="train"),
        ["models[0].network: expected", "espcn_rgb", "found 'fsrcnn'"],
    ),
    "a network of the paper by its layers": (
        lambda c: c["models"][0].update(name="mine", network="espcn_rgb", architecture=PLAIN),
        ["models[0].network: expected architecture or network, found both"],
    ),
    "weights that are no weights": (
        lambda c: c["models"][0].update(weights="mine.onnx"),
        ["models[0].weights: expected a text of the form", "safetensors", "found 'mine.onnx'"],
    ),
    "an architecture without a kind": (
        lambda c: own(c, {"channels": 8, "layers": 4}),
        ["models[0].architecture.kind: expected one of espcn, fsrcnn, plain; found None"],
    ),
    "an unknown kind": (
        lambda c: own(c, {"kind": "sesr", "channels": 8}),
        ["models[0].architecture.kind: expected one of espcn, fsrcnn, plain; found 'sesr'"],
    ),
    "a network without channels": (
        lambda c: own(c, {**PLAIN, "channels": 0}),
        ["models[0].architecture.channels: expected 1 or more, found 0"],
    ),
    "a network without a number of layers": (
        lambda c: own(c, {"kind": "plain", "channels": 8}),
        ["models[0].architecture: expected the key layers, found kind, channels; add it"],
    ),
    "blocks that carry the image": (
        lambda c: own(c, {**PLAIN, "unshuffle": 2, "anchor": "none"}),
        ["models[0].architecture.anchor: expected anchor bicubic or nearest with unshuffle 2, found none"],
    ),
    "an even kernel": (
        lambda c: own(c, {**PLAIN, "first_kernel": 4}),
        ["models[0].architecture.first_kernel: expected one of 1, 3, 5, 7, 9, found 4"],
    ),
    "an unknown anchor": (
        lambda c: own(c, {**PLAIN, "anchor": "bicubick"}),
        ["models[0].architecture.anchor: expected one of bicubic, nearest, none (did you mean bicubic?)"],
    ),
    "a scale beyond 8": (
        lambda c: own(c, {**PLAIN, "scale": 9}),
        ["models[0].architecture.scale: expected 8 or less, found 9"],
    ),
    "a scale of no whole number": (
        lambda c: own(c, {**PLAIN, "scale": 2.5}),
        ["models[0].architecture.scale: expected a whole number, found 2.5"],
    ),
    "a network named like the baseline at a scale": (
        lambda c: c["models"].append({"name": "bicubic_x3", "onnx": "mine.onnx"}),
        ["].name: expected another name than bicubic_x3, the baseline at a scale; write bicubic"],
    ),
    "a teacher of another scale": (
        lambda c: c.update(
            models=[
                {"name": "espcn_anchor"},
                {
                    "name": "mine",
                    "architecture": {**PLAIN, "scale": 3},
                    "weights": "train",
                    "training": {"teacher": {"model": "espcn_anchor"}},
                },
            ],
            runtimes=c["runtimes"][:1],
            training_sets=[
                {"name": name, "sources": [{"type": "images", "path": name}]}
                for name in ("training", "validation")
            ],
        ),
        [
            "training.teacher.model of mine: expected a network of its own scale, x3, found 'espcn_anchor' "
            "of x2"
        ],
    ),
    "a training without images": (
        lambda c: own(c, PLAIN),
        ["training.training_set: expected a name from `training_sets` (none)", "as studies/search.yaml does"],
    ),
    "the baseline's runtime without it": (
        lambda c: c.update(models=[{"name": "espcn_rgb"}]),
        ["opencv runs the model bicubic only, which `models` doesn't name: add {name: bicubic}"],
    ),
    "a teacher of other colours": (
        lambda c: taught(c, espcn_ycbcr="espcn_rgb"),
        [
            "training.teacher.model of espcn_ycbcr: expected a network on luma, as itself, found 'espcn_rgb' "
            "on rgb"
        ],
    ),
    "a teacher of others": (
        lambda c: (c["models"].append({"name": "o", "onnx": "o.onnx"}), taught(c, espcn_rgb="o")),
        ["training.teacher.model of espcn_rgb: expected a network from `models`", "found 'o'"],
    ),
    "a training of shipped weights": (
        lambda c: c.update(models=[{"name": "plain_c16_m4", "training": {"steps": 9}}]),
        ["models[0].training: expected weights: train next to it, found weights: pretrained"],
    ),
    "a shipped network at another scale": (
        lambda c: c.update(models=[{"name": "plain_c16_m4", "scale": 3}]),
        ["models[0].scale: expected", "another scale needs an architecture with that scale, under a name of"],
    ),
    "a scale beside the architecture": (
        lambda c: c.update(models=[{"name": "mine", "architecture": PLAIN, "scale": 3, "weights": "train"}]),
        ["models[0].scale: expected it inside architecture, found it beside; move it"],
    ),
    "channels beside the architecture": (
        lambda c: c.update(models=[{"name": "mine", "channels": 8, "layers": 2, "weights": "train"}]),
        ["models[0].channels: expected it inside architecture, found it beside; move it"],
    ),
    "yes as unshuffle": (
        lambda c: own(c, {**PLAIN, "unshuffle": True}),
        ["models[0].architecture.unshuffle: expected a whole number, found True"],
    ),
    "no as anchor": (
        lambda c: own(c, {**PLAIN, "anchor": False}),
        ["models[0].architecture.anchor: expected one of bicubic, nearest, none, found False"],
    ),
    "channels of three layers": (
        lambda c: own(c, {"kind": "espcn", "channels": [64, 32, 16]}),
        ["models[0].architecture.channels: expected a list of 2 or fewer, found [64, 32, 16]"],
    ),
    "a key of another kind": (
        lambda c: own(c, {"kind": "fsrcnn", "unshuffle": 2}),
        ["models[0].architecture.unshuffle: unknown key", "known here: colour, anchor"],
    ),
    "a teacher that isn't there": (
        lambda c: taught(c, espcn_rgb="bicubic"),
        [
            "training.teacher.model of espcn_rgb: expected a network from `models` (espcn_rgb",
            "found 'bicubic'",
        ],
    ),
    "teachers of each other": (
        lambda c: taught(c, espcn_rgb="espcn_ycbcr", espcn_ycbcr="espcn_rgb"),
        ["training.teacher.model: expected teachers that don't learn from their pupils", "each pupil alone"],
    ),
    "its own teacher": (
        lambda c: taught(c, espcn_ycbcr="espcn_ycbcr_folded"),
        ["don't learn from their pupils, found espcn_ycbcr teaches espcn_ycbcr"],
    ),
    "a teacher without a share": (
        lambda c: c.update(training={"teacher": {"model": "espcn_rgb", "share": 0}}),
        ["training.teacher.share: expected more than 0, found 0"],
    ),
    "unknown luma": (
        lambda c: c.update(quality={"luma": "studio_swing"}),
        ["quality.luma", "did you mean studio-swing?"],
    ),
    "sensitivity of no arm": (
        lambda c: c.update(sensitivity={"recipe": "mse"}),
        [
            "sensitivity.recipe",
            "(int8-dummy, int8-entropy, int8-tuned), found 'mse'",
            "add int8-mse",
        ],
    ),
    "sensitivity of a model that isn't there": (
        lambda c: c.update(sensitivity={"recipe": "entropy", "models": ["espcn_rgb", "bicubic"]}),
        ["sensitivity.models[1]", "openvino runs in int8-entropy", "found 'bicubic'"],
    ),
    "mixed without its runtime": (
        lambda c: (
            c["runtimes"][1]["precisions"].append("int8-minmax+mixed"),
            c["runtimes"].pop(2),
        ),
        ["steps.mixed.runtime", "from `runtimes` (onnxruntime), found 'openvino'"],
    ),
    "mixed without photographs": (
        lambda c: c["runtimes"][1]["precisions"].append("int8-dummy+mixed"),
        ["runtimes[1].precisions", "calibration on photographs before the step mixed", "found dummy"],
    ),
    "no budget": (
        lambda c: c.update(steps={"mixed": {"budget_db": 0}}),
        ["steps.mixed.budget_db"],
    ),
    "no budget of squared error": (
        lambda c: c.update(steps={"mixed": {"budget_mse": -1.0}}),
        ["steps.mixed.budget_mse: expected more than 0, found -1.0"],
    ),
    "two budgets": (
        lambda c: c.update(steps={"mixed": {"budget_mse": 1.0, "budget_db": 0.05}}),
        ["steps.mixed: expected budget_db or budget_mse, found both; take one out"],
    ),
    "training without its set": (
        lambda c: c["models"][0].update(weights="train"),
        ["training.training_set", "found 'training'"],
    ),
}


@pytest.mark.parametrize("edit, parts", MISTAKES.values(), ids=MISTAKES.keys())
def test_mistake_is_named_in_one_line(edit: Callable[[Config], object], parts: list[str]):
    with pytest.raises(UserError) as caught:
        load_study(edited(edit))
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_a_network_of_ones_own_by_its_layers():
    def add(config: Config) -> None:
        own(config, {"kind": "espcn", "channels": [22, 32], "anchor": "nearest"}, "weights/mine.safetensors")

    model = load_study(edited(add)).models["mine"]
    assert model.architecture == Espcn(channels=(22, 32), anchor="nearest")
    assert model.weights == "weights/mine.safetensors"


def test_a_models_training_is_laid_over_the_studys():
    def train(config: Config) -> None:
        folder = {"type": "images", "path": "a"}
        config["training_sets"] = [{"name": name, "sources": [folder]} for name in ("training", "validation")]
        config["training"] = {"steps": 7}
        config["models"][0] |= {"weights": "train", "training": {"learning_rate": 0.5}}

    models = load_study(edited(train)).models
    assert (models["espcn_rgb"].training.steps, models["espcn_rgb"].training.learning_rate) == (7, 0.5)
    assert (models["espcn_ycbcr"].training.steps, models["espcn_ycbcr"].training.learning_rate) == (7, 0.003)


def test_a_folded_model_is_what_its_origin_is():
    def train(config: Config) -> None:
        config["models"] = [
            {"name": "espcn_ycbcr_folded"},
            {"name": "espcn_ycbcr", "weights": "train", "chroma_upsampling": "nearest"},
        ]
        config["training_sets"] = [
            {"name": name, "sources": [{"type": "images", "path": name}]}
            for name in ("training", "validation")
        ]
        config["runtimes"] = config["runtimes"][:-1]

    folded = load_study(edited(train)).models["espcn_ycbcr_folded"]
    assert (folded.name, folded.weights, folded.chroma_upsampling) == (
        "espcn_ycbcr_folded",
        "train",
        "nearest",
    )


def test_a_folded_model_alone_has_the_shipped_weights():
    def alone(config: Config) -> None:
        config["models"] = [{"name": "espcn_ycbcr_folded"}]
        config["runtimes"] = config["runtimes"][:-1]

    assert load_study(edited(alone)).models["espcn_ycbcr_folded"].weights == "pretrained"
