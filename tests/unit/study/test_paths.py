"""The files of a study: where each is, and which of them every kind of job reads."""

from pathlib import Path

import pytest

from superres.device.base.errors import UserError
from superres.models.settings import Teacher
from superres.study.facts import Facts
from superres.study.job_settings import JobSettings
from superres.study.keys.arms import Arm
from superres.study.load import load_study
from superres.study.paths import Paths
from videos import picture, write_video

from .rich import BICUBIC, CONFIG, FOLDED, RGB, YCBCR, local, rich

R = "results/rich"
PHOTOGRAPHS = f"{R}/frames/calibration/photographs"
INDICES = [f"{R}/frames/own.json", f"{R}/frames/run.json"]
PATHS = Paths(rich())
"""The paths of the rich study, which never change."""


# Images


def test_files_of_an_arm_name_their_clip_unless_there_is_one_only():
    assert PATHS.of_clip == {".own": "own", ".run": "run"}
    one = Paths(rich(clips=CONFIG["clips"][:1]))
    assert one.of_clip == {"": "run"}
    # Without a clip that is only missing here, files keep their names.
    study = one.study.but(left_out={"own": PATHS.study.clips["own"]})
    assert Paths(study).of_clip == {".run": "run"}


def test_frames_and_sets_of_images():
    assert PATHS.clips("json") == INDICES
    assert PATHS.clip("own", "x2.npy") == f"{R}/frames/own.x2.npy"
    assert PATHS.twin(local("openvino", "fp32"), ".own") == f"{R}/frames/own.x2.npy"
    assert PATHS.twins(RGB) == PATHS.clips("x2.npy")
    found = {name: PATHS.calibration_frames(c) for name, c in PATHS.study.calibrations.items()}
    without = {name for name, files in found.items() if not files}
    assert without == {"dummy", "fixed", "cache"}
    assert found["few"] == found["tool"] == [f"{PHOTOGRAPHS}.npy"]
    assert PATHS.training_set(YCBCR, "validation_set", "hr.npy") == f"{R}/training/validation.hr.npy"
    inputs = PATHS.training_inputs(YCBCR)
    assert (inputs["training"], inputs["training_lr"], inputs["validation_hr"]) == (
        f"{R}/training/training.json",
        f"{R}/training/training.x2.npy",
        f"{R}/training/validation.hr.npy",
    )
    assert inputs["training_lr_index"] == f"{R}/training/training.x2.json"
    assert len(inputs) == 8
    assert PATHS.image_set("frames", "own") is PATHS.study.clips["own"]
    assert PATHS.image_set("training", "training") is PATHS.study.training_sets["training"]


def test_what_prepares_images_reads_wheels_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for name in ("b.png", "a.png"):
        (tmp_path / "photos" / name).touch()
    read = PATHS.read_by(PATHS.study.calibration_sets["photographs"])
    wheel = "resources/packages/photos-1.0.whl"
    assert read == {"packages": [wheel], "files": ["photos/a.png", "photos/b.png"]}
    assert PATHS.read_by_set("frames", "run") == {"packages": [], "files": ["resources/files/run.y4m"]}
    assert PATHS.read_by_set("frames", "own") == {"packages": [], "files": ["own.mp4"]}


def test_room_for_frames_counts_what_is_not_there_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert PATHS.room_for_frames("run.y4m") == 2500
    hr = tmp_path / PATHS.clip("run", "hr.npy")
    hr.parent.mkdir(parents=True)
    hr.touch()
    assert PATHS.room_for_frames("run.y4m") == 0


@pytest.mark.parametrize(
    ("arm", "sets"),
    [
        (BICUBIC, []),
        (local("openvino", "fp32"), []),
        (local("openvino", "int8-dummy"), []),
        (local("openvino", "int8-head"), ["frames/calibration/photographs"]),
        (local("tensorrt", "int8-trt-entropy"), ["frames/calibration/photographs"]),
        (local("pytorch", "fp32", YCBCR), ["training/training", "training/validation"]),
        # A folded model has the weights that were trained for its origin.
        (
            local("openvino", "int8-minmax", FOLDED),
            ["training/training", "training/validation", "frames/calibration/photographs"],
        ),
    ],
)
def test_records_that_images_share_no_frame(arm: Arm, sets: list[str]):
    expected = [f"{R}/{name}.disjoint{of_clip}.json" for of_clip in (".own", ".run") for name in sets]
    # An edit of one clip is no reason to measure another.
    assert PATHS.disjoint(arm, ".own") + PATHS.disjoint(arm, ".run") == expected
    if arm.int8 is not None and not arm.implicit:
        assert PATHS.disjoint_recipe(arm.model, arm.int8) == expected


# Models, ranges, graphs


def test_weights_are_shipped_or_trained():
    assert PATHS.trained == [YCBCR]
    assert PATHS.weights(RGB) == f"src/superres/models/weights/{RGB}.safetensors"
    assert PATHS.weights(YCBCR) == PATHS.weights(FOLDED) == f"{R}/weights/{YCBCR}.safetensors"
    own = PATHS.study.models[RGB].model_copy(update={"weights": "mine/w.safetensors"})
    paths = Paths(PATHS.study.but(models={**PATHS.study.models, RGB: own}))
    assert paths.weights(RGB) == "mine/w.safetensors"


def test_a_training_reads_the_weights_of_its_teacher():
    pupil = PATHS.study.models[YCBCR]
    training = pupil.training.model_copy(update={"teacher": Teacher(model=RGB)})
    models = {**PATHS.study.models, YCBCR: pupil.model_copy(update={"training": training})}
    paths = Paths(PATHS.study.but(models=models))
    added = paths.training_inputs(YCBCR).items() - PATHS.training_inputs(YCBCR).items()
    assert added == {("teacher", PATHS.weights(RGB))}


def test_calibrations_on_the_same_images_share_their_statistics():
    observed = {name: PATHS.observed(RGB, name) for name in PATHS.study.calibrations}
    shared = [f"{R}/ranges/{RGB}/observed/photographs.npz"]
    assert observed["minmax"] == observed["entropy"] == observed["few"] == observed["minmaxof2"] == shared
    assert observed["fixed"] == observed["cache"] == observed["tool"] == []
    assert observed["dummy"] == [f"{R}/ranges/{RGB}/observed/random-uniform-3-32x16.npz"]
    assert PATHS.observed_frames("photographs") == [f"{PHOTOGRAPHS}.npy"]
    assert PATHS.observed_frames("random-uniform-3-32x16") == []
    assert PATHS.replayed_cache("cache") == ["ranges.cache"] and PATHS.replayed_cache("minmax") == []


def test_a_recipe_with_steps_has_a_graph_and_ranges_of_its_own():
    plain = {"onnx": f"{R}/onnx/{RGB}/fp32.onnx", "ranges": f"{R}/ranges/{RGB}/minmax.json"}
    assert PATHS.quantized(RGB, "minmax") == plain
    centred = f"{R}/refined/{RGB}/entropy+center"
    assert PATHS.quantized(RGB, "head") == {"onnx": f"{centred}.onnx", "ranges": f"{centred}.json"}
    assert PATHS.recipe_calibration("minmax+bias").name == "minmax"
    assert PATHS.recipe_frames("dummy+center") == []


@pytest.mark.parametrize(
    ("recipe", "step", "graph", "ranges", "more"),
    [
        # A step without images doesn't wait for any.
        ("entropy", "center", f"onnx/{RGB}/fp32", f"ranges/{RGB}/entropy", {"frames": []}),
        ("minmax", "bias", f"onnx/{RGB}/fp32", f"ranges/{RGB}/minmax", {}),
        (
            "minmax+bias",
            "mixed",
            f"refined/{RGB}/minmax+bias",
            f"refined/{RGB}/minmax+bias",
            {"measured": [f"{R}/frontier/{RGB}/minmax+bias.csv"]},
        ),
    ],
)
def test_a_step_reads_what_the_recipe_before_it_made(
    recipe: str, step: str, graph: str, ranges: str, more: dict[str, list[str]]
):
    expected = {"onnx": f"{R}/{graph}.onnx", "ranges": f"{R}/{ranges}.json"}
    images = {"frames": [f"{PHOTOGRAPHS}.npy"], "measured": []}
    assert PATHS.refined(RGB, recipe, step) == expected | images | more


# Arms


@pytest.mark.parametrize(
    ("arm", "source", "counted", "sized"),
    [
        (BICUBIC, None, None, False),
        (local("pytorch", "fp32"), f"programs/{RGB}.pt", "fp32", False),
        (local("onnxruntime", "fp32"), f"onnx/{RGB}/fp32.blocks.onnx", "fp32", False),
        (local("onnxruntime", "int8-minmax"), f"onnx/{RGB}/int8-minmax.levels.onnx", "int8-minmax", False),
        (local("openvino", "bf16"), f"onnx/{RGB}/fp32.onnx", "fp32", True),
        (local("openvino", "int8-tool"), f"onnx/{RGB}/int8-tool.onnx", "int8-tool", True),
        (local("openvino", "int8-head"), f"onnx/{RGB}/int8-head.channels_last.onnx", "int8-head", True),
        (local("tensorrt", "fp16"), f"onnx/{RGB}/fp16.casts.onnx", "fp32", True),
        (local("tensorrt", "int8-minmax"), f"onnx/{RGB}/int8-minmax.casts.onnx", "int8-minmax", True),
        (local("tensorrt", "int8-trt-entropy"), f"onnx/{RGB}/fp32.onnx", "fp32", True),
    ],
)
def test_what_an_engine_is_built_from(arm: Arm, source: str | None, counted: str | None, sized: bool):
    assert PATHS.engine_inputs(arm) == {
        "model": [f"{R}/{source}"] if source else [],
        "graph": [f"{R}/onnx/{RGB}/{counted}.onnx"] if counted else [],
        "clips": PATHS.listed_sizes if sized else [],
        "calibration": [f"{PHOTOGRAPHS}.npy"] if arm.implicit else [],
    }
    assert PATHS.counted_graph(arm) == (f"{R}/onnx/{RGB}/{counted}.onnx" if counted else None)


VIEW = {
    "type": "turning-view",
    "package": "photos",
    "member": "p.jpg",
    **{"count": 3, "width": 64, "height": 32, "fov": 60, "yaw": 0, "yaw_step": 1},
}


def sized(*clips: tuple[str, dict]) -> Paths:
    """The paths of a study with clips of these names and sources."""
    return Paths(rich(clips=[{"name": name, "source": source} for name, source in clips]))


def y4m(path: Path, width: int, height: int) -> dict:
    planes = width * height + 2 * -(-height // 2) * -(-width // 2)
    path.write_bytes(f"YUV4MPEG2 W{width} H{height} F25:1 Ip C420jpeg\nFRAME\n".encode() + bytes(planes))
    return {"type": "y4m", "path": str(path)}


def test_an_arm_is_timed_once_for_clips_of_one_size(tmp_path: Path):
    clips = [
        ("wide", {**VIEW, "width": 128}),
        ("view", VIEW),
        ("film", y4m(tmp_path / "film.y4m", 64, 32)),
        # Not known before: a fetched file, and a video that isn't there.
        ("run", CONFIG["clips"][0]["source"]),
        ("own", CONFIG["clips"][1]["source"]),
    ]
    paths = sized(*clips)
    timed = {"wide": "wide", "view": "film", "film": "film", "run": "run", "own": "own"}
    assert {name: paths.timed_clip(name) for name in paths.sizes} == timed
    assert paths.timed_suffix(".view") == ".film"
    assert set(paths.timed) == {".wide", ".film", ".run", ".own"}
    arm = local("openvino", "fp32")
    assert paths.timing(arm, ".view") == {
        "latency": paths.arm(arm, "latency.film.csv"),
        "latency_record": paths.arm(arm, "latency.film.json"),
    }
    files = paths.timing_files("latency{of_clip}.csv")
    assert len(files) == len(paths.arms_on_clips()) and not [file for file in files if "view" in file]
    # The order of clips is no input.
    other = sized(*reversed(clips))
    assert {name: other.timed_clip(name) for name in other.sizes} == timed
    assert other.engine_inputs(arm) == paths.engine_inputs(arm)
    assert other.known_sizes(2) == paths.known_sizes(2) == [[16, 32], [16, 32], [16, 64]]
    assert paths.known_sizes(4) == [[8, 16], [8, 16], [8, 32]]


def test_engines_wait_for_sizes_that_no_key_and_no_header_tells():
    own = {"type": "video", "path": "own.mp4"}
    arm = local("openvino", "fp32")
    assert sized(("view", VIEW)).engine_inputs(arm)["clips"] == []
    assert sized(("view", VIEW), ("own", own)).engine_inputs(arm)["clips"] == [f"{R}/frames/own.json"]
    # Pinned files never tell: what is timed must not change once they are there.
    run = CONFIG["clips"][0]["source"]
    assert sized(("run", run)).sizes == {"run": None}
    # A study may state their size.
    size = {"width": 64, "height": 32}
    stated = sized(("own", {**own, **size}), ("run", {**run, **size}), ("view", VIEW))
    assert stated.engine_inputs(arm)["clips"] == []
    assert stated.known_sizes(2) == [[16, 32]] * 3
    assert set(stated.timed) == {".own"}


def test_a_video_tells_its_size_as_soon_as_it_is_there(tmp_path: Path):
    """So an edit of one video, such as its count of frames, builds no engine again."""
    turned = write_video(tmp_path / "turned.mp4", prepare=lambda stream: stream.set_display_rotation(90))
    odd = write_video(tmp_path / "odd.mkv", "ffv1", frames=[picture(0, 33, 47)])
    film = {"type": "video", "path": str(turned)}
    arm = local("openvino", "fp32")
    clips = [("odd", {"type": "video", "path": str(odd)}), ("small", y4m(tmp_path / "a.y4m", 47, 33))]
    paths = sized(("film", film), *clips)
    assert paths.sizes == {"film": (64, 48), "odd": (32, 46), "small": (32, 46)}
    assert paths.engine_inputs(arm)["clips"] == [] and paths.timed_clip("small") == "odd"
    fewer = sized(("film", {**film, "frames": {"count": 3}}), *clips)
    assert fewer.engine_inputs(arm) == paths.engine_inputs(arm)
    assert fewer.known_sizes(2) == paths.known_sizes(2) == [[16, 23], [16, 23], [32, 24]]


def test_a_file_of_no_clip_names_those_that_there_are():
    with pytest.raises(UserError) as error:
        PATHS.named_clip("")
    for name in ("quality.run.csv", "quality.own.csv", "latency.run.csv", "latency.own.csv"):
        assert name in str(error.value)
    assert "\n" not in str(error.value)


def test_each_arm_has_its_files_on_every_clip_in_one_order():
    arms = [local("openvino", "fp32"), BICUBIC]
    folder = f"{R}/arms/local"
    assert PATHS.arm_files("quality{of_clip}.csv", arms) == [
        f"{folder}/openvino/{RGB}/fp32/quality.own.csv",
        f"{folder}/openvino/{RGB}/fp32/quality.run.csv",
        f"{folder}/opencv/bicubic/uint8/quality.own.csv",
        f"{folder}/opencv/bicubic/uint8/quality.run.csv",
    ]
    assert PATHS.arms_on_clips(arms)[1:3] == [
        ("local", "openvino", RGB, "fp32", "run"),
        ("local", "opencv", "bicubic", "uint8", "own"),
    ]
    # Three networks: 18 precisions here and 7 on the device; and bicubic.
    assert len(PATHS.study.arms) == 3 * 25 + 1
    assert len(PATHS.arms_on_clips()) == len(PATHS.graphs_of_arms) == 2 * len(PATHS.study.arms)
    assert {name for name in PATHS.graphs_of_arms if name} == set(PATHS.counted_graphs)


def test_the_graphs_of_arms_whose_int8_sums_are_a_processors():
    arms = [arm for arm in PATHS.evaluated for _ in PATHS.of_clip]
    found = dict(zip(arms, PATHS.int8_graphs, strict=True))
    assert found[local("openvino", "int8-head")] == f"{R}/onnx/{RGB}/int8-head.onnx"
    assert found[local("onnxruntime", "int8-minmax")] == f"{R}/onnx/{RGB}/int8-minmax.onnx"
    for other in (("openvino", "bf16"), ("tensorrt", "int8-minmax"), ("tensorrt", "int8-trt-entropy")):
        assert found[local(*other)] is None
    assert found[BICUBIC] is None


def test_the_sweep_is_evaluated_and_no_arm():
    swept = set(PATHS.evaluated) - set(PATHS.study.arms)
    assert swept == {local("openvino", "int8-minmaxof2", model) for model in (RGB, YCBCR, FOLDED)}


def test_arms_are_timed_against_the_reference_of_their_target():
    folder = f"{R}/arms/local/openvino/{RGB}/fp32"
    reference = {"reference_engine": f"{folder}/engine.bin", "reference_record": f"{folder}/engine.json"}
    assert PATHS.reference_engine(local("pytorch", "fp32", YCBCR)) == reference
    assert PATHS.reference_engine(local("openvino", "fp32")) == {}
    assert PATHS.reference_engine(Arm("jetson", "tensorrt", RGB, "fp16")) == {}


def test_arms_can_be_asked_for_by_group():
    groups = PATHS.arm_groups()
    assert groups["uint8"] == groups["opencv"] == groups["bicubic"] == [BICUBIC]
    assert {arm.target for arm in groups["tensorrt"]} == {"local", "jetson"}
    assert len(groups["int8-head"]) == 3
    assert PATHS.targets == ["jetson", "local"]
    assert PATHS.devices == ["jetson"]


def test_a_video_is_upscaled_by_an_arm():
    folder = f"{R}/arms/local/openvino/{RGB}/int8-minmax"
    assert PATHS.upscaled_video == f"{R}/upscaled/film.mkv"
    assert PATHS.upscale_inputs == {
        "video": "film.mp4",
        "engine": f"{folder}/engine.bin",
        "engine_record": f"{folder}/engine.json",
        "model": [f"{R}/onnx/{RGB}/int8-minmax.channels_last.onnx"],
        "calibration": [],
    }
    with pytest.raises(UserError, match=r"^upscale: expected a video, found none"):
        _ = Paths(rich(upscale={})).upscaled_video


# Tables and plots


def test_tools_are_compared_with_what_saw_the_same_images():
    assert PATHS.tools == {"tool": "onnxruntime"}
    precisions = {arm.precision for arm in PATHS.compared}
    same_images = {"int8-minmax", "int8-tool", "int8-head", "int8-minmax+bias+mixed", "int8-trt-entropy"}
    assert precisions == {"fp32", *same_images}
    # One graph serves all runtimes.
    assert len(PATHS.compared_graphs) == len(set(PATHS.compared_graphs)) == 3 * len(precisions)


def test_plots_of_a_study():
    assert PATHS.plots == [
        "psnr_fps",
        "int8_loss",
        "fps",
        "sensitivity",
        "frontier.minmax+bias",
        f"training.{YCBCR}",
        "samples.own",
        "samples.run",
        *(f"graph_{model}" for model in (RGB, YCBCR, FOLDED)),
        "graphs",
    ]
    assert PATHS.evaluation_plots == ["sensitivity", "frontier.minmax+bias", "images"]


def test_a_study_in_float_alone_has_fewer_plots():
    clips = {"models": [{"name": RGB}], "clips": CONFIG["clips"][:1]}
    without = {"quantizations": [], "sweep": {}, "upscale": {}, "training_sets": []}
    config = {**CONFIG, **clips, **without, "runtimes": [{"name": "pytorch", "precisions": ["fp32"]}]}
    config |= {"targets": ["local"], "steps": {}}
    del config["sensitivity"]
    paths = Paths(load_study(config))
    # No network runs in the runtime that the samples show.
    assert paths.plots == ["psnr_fps", "fps", f"graph_{RGB}"]
    assert paths.drawn_graphs(RGB) == [(RGB, "fp32")]
    assert paths.evaluation_plots == [] and paths.sensitivity_tables == [] and paths.compared == []


def test_a_study_of_bicubic_alone_has_no_plots_of_networks():
    """All of them would be empty, and `all` would fail."""
    config = {key: CONFIG[key] for key in ("study", "packages", "files", "clips", "samples")}
    config |= {"models": [{"name": "bicubic"}], "runtimes": [{"name": "opencv", "precisions": ["uint8"]}]}
    assert Paths(load_study(config)).plots == []


@pytest.mark.parametrize(
    "reordered",
    [
        {"clips": CONFIG["clips"][::-1]},
        {"calibrations": CONFIG["calibrations"][::-1]},
        {"runtimes": [{**r, "precisions": r["precisions"][::-1]} for r in CONFIG["runtimes"][::-1]]},
        {"models": CONFIG["models"][::-1]},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_the_order_of_entries_is_no_input(reordered: dict):
    """Of no job but the table's: files, their order, and what jobs are told are the same."""

    def told(paths: Paths) -> dict:
        settings, facts = JobSettings(paths), Facts(paths)
        of_arms = (
            settings.engine,
            settings.known_sizes,
            settings.latency,
            settings.profile,
            facts.code_behind,
            paths.engine_inputs,
        )
        observed = {c.observed for c in paths.study.calibrations.values() if c.observed}
        return {
            "arms": {arm: [repr(tell(arm)) for tell in of_arms] for arm in paths.arms},
            "clips": {
                (a, c): repr((facts.of_arm(a, c), settings.quality(a, c)))
                for a in paths.arms
                for c in paths.of_clip
            },
            "observed": {name: settings.observation(name) for name in observed},
            "files": [
                paths.arm_files("{of_clip}"),
                paths.timing_files("{of_clip}"),
                paths.arms_on_clips(paths.evaluated),
                paths.graphs_of_arms,
                paths.targets,
                paths.sample_arms,
                repr(settings.references()),
            ],
        }

    assert told(Paths(rich(**reordered))) == told(PATHS)


def test_inputs_of_plots():
    graphs = {"graphs": [f"{R}/onnx/{model}/fp32.onnx" for model in (RGB, YCBCR, FOLDED)]}
    assert PATHS.plot_inputs("graphs") == graphs
    assert PATHS.plot_inputs(f"graph_{RGB}") == {"graphs": [f"{R}/onnx/{RGB}/int8-cache.onnx"]}
    assert PATHS.plot_inputs("fps") == {"metrics": f"{R}/metrics.csv"}
    assert PATHS.plot_inputs("images") == {"evaluation": f"{R}/evaluation.csv"}
    assert PATHS.plot_inputs("operations") == {"profile": f"{R}/profile.csv"}
    assert PATHS.plot_inputs(f"training.{YCBCR}") == {"curve": f"{R}/weights/{YCBCR}.csv"}
    assert PATHS.plot_inputs("sensitivity") == {"sensitivities": [f"{R}/sensitivity/{RGB}/minmax.csv"]}
    tables = [f"{R}/frontier/{model}/minmax+bias.csv" for model in (RGB, YCBCR, FOLDED)]
    assert PATHS.plot_inputs("frontier.minmax+bias") == {"frontiers": tables}
    samples = PATHS.plot_inputs("samples.own")
    assert (samples["hr"], samples["clip"]) == (f"{R}/frames/own.hr.npy", f"{R}/frames/own.json")
    # Three networks in ten precisions of OpenVINO, and bicubic.
    assert len(samples["samples"]) == 31
    assert PATHS.arm(BICUBIC, "sample.own.npy") in samples["samples"]
