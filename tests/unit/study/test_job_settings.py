"""What jobs are told next to their files."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest
from snakemake.iocontainers import Wildcards

from superres.models.architectures import Fsrcnn
from superres.models.settings import NetworkSettings, TrainingSettings
from superres.quantization.settings import Calibration
from superres.report.plots.registry import find_plot
from superres.study.job_settings import JobSettings
from superres.study.keys.arms import Arm
from superres.study.load import load_study
from superres.study.paths import Paths
from superres.targets.run import job_of

from .rich import BICUBIC, CONFIG, FOLDED, RGB, YCBCR, local, rich

SETTINGS = JobSettings(Paths(rich()))
"""The settings of the rich study, which never change."""
PHOTOGRAPHS = CONFIG["calibrations"][1]["data"]
UINT8 = {"frames": "uint8", "scale": 2}
BUILD = {"workspace_mib": 64, "fp16_fallback": False, "timing_cache": True}


def builtin(value: Any) -> bool:
    """Whether Snakemake can compare a parameter by its repr."""
    if isinstance(value, dict):
        return all(builtin(entry) for entry in value.values())
    if isinstance(value, list | tuple):
        return all(map(builtin, value))
    return value is None or type(value) in (str, int, float, bool)


# Arms


@pytest.mark.parametrize(
    ("arm", "settings"),
    [
        (BICUBIC, {"options": {"frames": "uint8", "scale": 2, "kernel": "matlab"}}),
        (local("pytorch", "fp32"), {"options": UINT8, "form": "plain"}),
        (local("onnxruntime", "int8-tool"), {"options": UINT8, "form": "levels"}),
        (local("openvino", "bf16"), {"options": UINT8, "form": "plain"}),
        (local("openvino", "int8-head"), {"options": UINT8, "form": "channels_last"}),
        (local("tensorrt", "fp16"), {"options": {**UINT8, "build": BUILD}, "form": "casts"}),
        (local("tensorrt", "int8-minmax"), {"options": {**UINT8, "build": BUILD}, "form": "casts"}),
        (
            local("tensorrt", "int8-trt-entropy"),
            {
                "options": {"frames": "float32", "scale": 2, "build": BUILD},
                "form": "plain",
                "calibration": {"method": "entropy", "data": PHOTOGRAPHS},
            },
        ),
    ],
)
def test_how_an_engine_is_built(arm: Arm, settings: dict[str, Any]):
    assert SETTINGS.engine(arm) == settings
    assert SETTINGS.known_sizes(arm) == []


def test_jobs_of_an_arm_have_its_options():
    arm = local("tensorrt", "fp16")
    options = {**UINT8, "build": BUILD}
    quality = {"luma": "full-range", "border": 0, "sample_frame": 2, "options": options}
    assert SETTINGS.quality(arm, ".run") == {**quality, "chroma": "upscaled"}
    wide = rich(quality={"border": "scale"})
    assert JobSettings(Paths(wide)).quality(arm, ".run") == {**quality, "border": 2, "chroma": "upscaled"}
    assert wide.quality.at(3)["border"] == 3
    assert SETTINGS.profile(arm) == {"runs": 10, "options": options}
    timing = SETTINGS.latency(arm)
    assert timing["options"] == options and timing["min_iterations"] == 50 and "noise" not in timing
    assert timing["reference"] == {
        "label": f"local/openvino/{RGB}/fp32",
        "runtime": "openvino",
        "precision": "fp32",
        "options": UINT8,
    }


def test_a_runtime_may_have_rounds_of_its_own():
    first, *others = CONFIG["runtimes"]
    slow = load_study(CONFIG | {"runtimes": [{**first, "rounds": 6}, *others]})
    timing = JobSettings(Paths(slow)).latency
    assert timing(local(first["name"], "fp32"))["rounds"] == 6
    assert timing(local("onnxruntime", "fp32"))["rounds"] == slow.latency.rounds == 12


def test_the_reference_and_a_device_without_one_are_timed_alone():
    assert "reference" not in SETTINGS.latency(local("openvino", "fp32"))
    assert "reference" not in SETTINGS.latency(Arm("jetson", "tensorrt", RGB, "fp16"))
    assert SETTINGS.references() == [f"local/openvino/{RGB}/fp32"]


TASKS: dict[str, tuple[Callable[[Arm], dict[str, Any]], str]] = {
    "build_engine": (SETTINGS.engine, "engine"),
    "measure_quality": (lambda arm: SETTINGS.quality(arm, ".run"), "quality"),
    "measure_latency": (SETTINGS.latency, "latency"),
    "measure_profile": (SETTINGS.profile, "profile"),
}


@pytest.mark.parametrize("task", TASKS)
def test_tasks_take_their_settings(task: str):
    """A job refuses settings that its task doesn't know."""
    method, output = TASKS[task]
    inputs = dict.fromkeys(("engine", "engine_record", "hr", "lr", "clip"), "file")
    for arm in (BICUBIC, local("openvino", "int8-head"), local("tensorrt", "int8-trt-entropy")):
        settings = method(arm)
        assert builtin(settings)
        files = {**inputs, **SETTINGS.paths.engine_inputs(arm), "clip": "file"}
        outputs = {output: "a", "record": "b"}
        # As Snakemake has them: a list of values, not a mapping.
        wildcards: Any = Wildcards(fromdict=asdict(arm))
        job = job_of(task, wildcards, inputs=files, outputs=outputs, settings=settings, threads=2)
        assert (job.settings, job.label, job.threads) == (settings, arm.folder, 2)
        assert ("model" in job.inputs) == (task == "build_engine" and arm != BICUBIC)


def test_targets_are_asked_for_the_precisions_of_their_arms():
    asked = SETTINGS.asked_of_targets()
    assert asked["jetson"] == {
        "onnxruntime": ["fp32", "int8-minmax", "int8-tool"],
        "tensorrt": ["fp16", "fp32", "int8-minmax", "int8-trt-entropy"],
    }
    assert asked["local"]["opencv"] == ["uint8"]
    # The sweep runs here too.
    assert asked["local"]["openvino"][-1] == "int8-minmaxof2"


def test_a_job_of_a_device_gets_it_and_one_of_this_machine_gets_none():
    [device] = SETTINGS.device("jetson")
    assert device == SETTINGS.study.targets["jetson"]
    assert SETTINGS.device("local") == []


# Images, models and INT8


def test_what_prepares_images_is_told():
    study = SETTINGS.study
    assert SETTINGS.image_set("frames", "own") == {
        "name": "own",
        "sources": [study.clips["own"].source],
        "multiple": 2,
    }
    assert SETTINGS.downsampling("frames", "own") == "bicubic"
    assert SETTINGS.image_set("training", "training")["multiple"] == 1
    training = SETTINGS.image_set("training", "training")
    assert training["sources"] == list(study.training_sets["training"].sources)
    assert SETTINGS.package("photos-1.0.whl") == {
        "package": "photos",
        "version": "1.0",
        "sha256": "a" * 64,
    }


def test_settings_are_those_of_their_models():
    assert NetworkSettings(**SETTINGS.network(YCBCR)) == NetworkSettings()
    architecture = Fsrcnn(channels=(8, 4))
    model = SETTINGS.study.models[RGB].model_copy(update={"architecture": architecture})
    study = SETTINGS.study.but(models={**SETTINGS.study.models, "mine": model})
    written = JobSettings(Paths(study)).network("mine")
    assert NetworkSettings(**written) == NetworkSettings(architecture=architecture)
    assert type(written["architecture"]) is dict
    trained = TrainingSettings(**SETTINGS.training(FOLDED))
    assert trained == TrainingSettings(steps=7)
    head = SETTINGS.study.calibrations["entropy"]
    assert Calibration.model_validate(SETTINGS.calibration("entropy")) == head


def test_one_pass_serves_all_calibrations_on_the_same_images():
    observation = SETTINGS.observation("photographs")
    assert observation["data"]["images"] == 40 and observation["prefixes"] == [2, 5, 40]
    every = {**PHOTOGRAPHS}
    del every["images"]
    calibrations = [*CONFIG["calibrations"], {"name": "all", "data": every}]
    observation = JobSettings(Paths(rich(calibrations=calibrations))).observation("photographs")
    # All images of the set are more than any number of them.
    assert observation["data"]["images"] is None and observation["prefixes"] == [2, 5, 40]


def test_a_step_has_the_calibration_of_its_recipe_and_the_studys_settings():
    step = SETTINGS.step("minmax+bias", "mixed")
    assert step["calibration"] == SETTINGS.calibration("minmax")
    assert step["settings"] == {"budget_db": 0.2, "runtime": "openvino", "downsampling": "bicubic"}
    assert SETTINGS.step("entropy", "center")["settings"] == {}
    assert SETTINGS.step_threads("bias", 4) == 4 and SETTINGS.step_threads("qat", 4) == 1
    assert SETTINGS.float_layers("head") == ["conv3"] and SETTINGS.float_layers("minmax") == []


def test_an_executor_has_the_frames_and_the_form_of_its_runtime():
    assert SETTINGS.executor("openvino", "espcn_rgb") == {
        "runtime": "openvino",
        "frames": "uint8",
        "form": None,
        "scale": 2,
    }
    runtimes = [
        {**runtime, "form": "blocks", "frames": "float32"} if runtime["name"] == "onnxruntime" else runtime
        for runtime in CONFIG["runtimes"]
    ]
    other = JobSettings(Paths(rich(runtimes=runtimes))).executor("onnxruntime", "espcn_rgb")
    assert other == {"runtime": "onnxruntime", "frames": "float32", "form": "blocks", "scale": 2}


# Tables and plots


def test_a_table_says_what_the_study_lacks():
    text = SETTINGS.table_text()
    assert text["kernel"] == "matlab" and text["calibrated"] == "int8-entropy"
    described, walk, reference = text["notes"]
    assert described == "Clip `run`: not described; LR by bicubic downsampling."
    assert walk == "Clip `own`: a walk; LR by bicubic downsampling."
    assert f"the reference jetson/openvino/{RGB}/fp32 is no arm of this study" in reference
    assert SETTINGS.table_text(timed=False)["notes"] == [described, walk]
    # Only TensorRT has entropy here, by itself: that stands in the column, as in the paper.
    *_, column = JobSettings(Paths(rich(table={"calibrated": "none"}))).table_text()["notes"]
    assert "table.calibrated is none" in column and "cache, entropy, few, fixed" in column


def test_a_study_that_has_everything_has_notes_of_its_clips_alone():
    study = rich(table={"calibrated": "minmax"}, targets=["local"])
    assert len(JobSettings(Paths(study)).table_text()["notes"]) == 2


def test_series_of_images_and_seeds():
    series = dict(SETTINGS.series("images"))
    assert series == {"minmax": ((2, "int8-minmaxof2"), (5, "int8-few"), (40, "int8-minmax"))}
    assert SETTINGS.seeds() == []
    calibrations = [
        *CONFIG["calibrations"],
        {"name": "noise", "data": {**CONFIG["calibrations"][0]["data"], "seed": 1}},
    ]
    runtimes = [
        {**runtime, "precisions": [*runtime["precisions"], "int8-noise"]}
        if runtime["name"] == "openvino"
        else runtime
        for runtime in CONFIG["runtimes"]
    ]
    seeds = JobSettings(Paths(rich(calibrations=calibrations, runtimes=runtimes))).seeds()
    assert seeds == [("minmax of uniform dummy data", ["int8-noise", "int8-dummy"])]


@pytest.mark.parametrize("plot", [*SETTINGS.paths.plots, *SETTINGS.paths.evaluation_plots, "operations"])
def test_plots_have_the_settings_and_files_that_they_ask_for(plot: str):
    settings, files = SETTINGS.plot(plot), SETTINGS.paths.plot_inputs(plot)
    kind = find_plot(plot)
    assert (set(settings), set(files)) == (set(kind.settings), set(kind.inputs))
    assert builtin(settings)


def test_what_plots_are_told():
    assert SETTINGS.plot("frontier.minmax+bias") == {"budget": {"budget_db": 0.2}}
    settings = JobSettings(Paths(rich(steps={"mixed": {"budget_mse": 2}})))
    assert settings.plot("frontier.minmax+bias") == {"budget": {"budget_mse": 2.0}}
    assert "budget_db" not in settings.step("minmax+bias", "mixed")["settings"]
    assert SETTINGS.plot("fps") == {"calibrated": "int8-entropy"}
    assert SETTINGS.plot(f"graph_{RGB}") == {"drawn": [(RGB, "int8-cache")]}
    samples = SETTINGS.plot("samples.run")
    assert samples["frame"] == 2 and ("bicubic", "uint8", 2) in samples["arms"]


def test_a_clip_with_the_chroma_of_the_original_is_measured_with_it_and_says_so():
    study = rich()
    clips = {name: clip.model_copy(update={"chroma": "hr"}) for name, clip in study.clips.items()}
    settings = JobSettings(Paths(study.but(clips=clips)))
    assert settings.quality(local("openvino", "fp32"), ".own")["chroma"] == "hr"
    assert "LR by bicubic downsampling; chroma of the HR frames." in settings.table_text()["notes"][1]
