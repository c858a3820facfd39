"""A dry run shows the right jobs without data or heavy imports, and a mistake gets one line."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from project_copy import ROOT, Project, read_jobs
from superres.quantization.settings import TOOLS

STUDIES = sorted(path.name for path in (ROOT / "studies").glob("*.yaml"))
HEAVY = ("torch", "numpy", "cv2", "av", "polars", "matplotlib", "onnx", "onnxruntime", "openvino")


def make_files(project: Project, study: Any) -> None:
    """Small images and a file wherever the study names a folder or a network of the user's."""
    if isinstance(study, list):
        for item in study:
            make_files(project, item)
    elif isinstance(study, dict):
        if study.get("type") == "images":
            folder = project.folder / study["path"]
            folder.mkdir(parents=True, exist_ok=True)
            for name in ("t1.png", "t10.png", "a.jpg", "a0.jpg"):
                Image.new("RGB", (96, 96)).save(folder / name)
        if "onnx" in study:
            # Read by a job alone.
            (project.folder / study["onnx"]).parent.mkdir(exist_ok=True)
            (project.folder / study["onnx"]).write_bytes(b"")
        for value in study.values():
            make_files(project, value)


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_dry_runs(project: Project, name: str):
    study = project.folder / "studies" / name
    make_files(project, yaml.safe_load(study.read_text(encoding="utf-8")))
    done = project.snakemake("-n", "all", "--configfile", f"studies/{name}")
    assert done.returncode == 0, done.stdout
    jobs = read_jobs(done.stdout)
    assert jobs["collect_metrics"] == 1
    # The paper's clip and calibration images; DIV2K's training and validation sets.
    assert jobs.get("fetch_file", 0) == {"paper.yaml": 2, "train-div2k.yaml": 2}.get(name, 0)


def test_default_study_without_heavy_imports(project: Project):
    blocked = project.folder / "blocked"
    for name in HEAVY:
        (blocked / name).mkdir(parents=True)
        (blocked / name / "__init__.py").write_text(f"raise ImportError('{name} in a dry run')\n")
    done = project.snakemake("-n", "all", environment={"PYTHONPATH": str(blocked)})
    assert done.returncode == 0, done.stdout
    jobs = read_jobs(done.stdout)
    assert jobs["build_engine"] == jobs["measure_latency"] == 36
    # On two clips of one frame size, for which an arm is timed once.
    assert jobs["measure_quality"] == jobs["write_manifest"] == 2 * 36
    assert jobs["refine_onnx"] == 5 * 5
    assert jobs["quantize_onnx"] == jobs["calibrate_ranges"] == 15 and jobs["observe_activations"] == 10
    # Every graph of ONNX Runtime, and OpenVINO's in INT8.
    assert jobs["write_uint8_graph"] == 3 * 2 + 5 * 3
    assert (jobs["export_onnx"], jobs["export_program"]) == (5, 2)
    assert (jobs["prepare_clip"], jobs["prepare_calibration_set"]) == (2, 1)
    assert "train_model" not in jobs


def test_graphs_on_8_bit_frames_are_written_only_where_they_are_asked_for(project: Project):
    text = (project.folder / "studies/tiny.yaml").read_text(encoding="utf-8")
    study = project.write_study(
        "planes", re.sub(r"{name: (onnxruntime|openvino),", r"{name: \1, frames: float32,", text)
    )
    jobs = read_jobs(project.snakemake("-n", "all", f"--configfile={study}").stdout)
    assert "write_uint8_graph" not in jobs
    assert jobs["build_engine"] == 19


def test_a_runtime_gets_the_form_of_the_table_unless_a_study_names_one(project: Project):
    done = project.snakemake("-n", "all", "--configfile=studies/tiny.yaml")
    # ONNX Runtime's fp32 and int8-minmax, OpenVINO's int8-dummy and int8-minmax, of three networks.
    assert read_jobs(done.stdout)["write_uint8_graph"] == 3 * 4
    graphs = set(re.findall(r"espcn_rgb/([a-z0-9-]+\.[a-z_]+)\.onnx", done.stdout))
    assert graphs == {
        "fp32.blocks",
        "int8-minmax.levels",
        "int8-dummy.channels_last",
        "int8-minmax.channels_last",
    }
    text = (project.folder / "studies/tiny.yaml").read_text(encoding="utf-8")
    named = text.replace("{name: openvino,", "{name: openvino, form: plain,")
    done = project.snakemake("-n", "all", f"--configfile={project.write_study('named', named)}")
    assert read_jobs(done.stdout)["write_uint8_graph"] == 3 * 2


def test_calibrations_on_the_same_images_share_a_pass(project: Project):
    study = (project.folder / "studies/int8.yaml").read_text(encoding="utf-8")
    models = study[study.index("models:") : study.index("runtimes:")]
    one = project.write_study("one", study.replace(models, "models: [{name: espcn_rgb}]\n"))
    done = project.snakemake("-n", "evaluate", "--configfile", one)
    jobs = read_jobs(done.stdout)
    # 21 by name; of 4 methods on 6 numbers of images those that are new: 24 - 5. 17 more have steps.
    assert (jobs["calibrate_ranges"], jobs["quantize_onnx"]) == (21 + 19, 21 + 17 + 19)
    # The photographs, five seeds, and three more dummies; fixed ranges need no image.
    assert jobs["observe_activations"] == 9
    assert jobs["compare_tools"] == 1 and "plots/images.svg" in done.stdout
    # onnxruntime makes two graphs; NNCF as many where it is installed, and where it isn't, that is said.
    there = TOOLS["nncf"].is_there
    assert jobs["quantize_by_tool"] == 2 + 2 * there
    assert ("INT8 nncf is left out: the package nncf isn't installed" in done.stdout) == (not there)


def test_a_sweep_is_for_evaluate_alone(project: Project):
    done = project.snakemake("-n", "all", "--configfile=studies/int8.yaml")
    jobs = read_jobs(done.stdout)
    of_tools = 2 + 2 * TOOLS["nncf"].is_there
    assert jobs["measure_latency"] == 4 * (22 + 17 + of_tools) + 4 * (3 + of_tools)
    assert jobs["calibrate_ranges"] == 4 * 21
    assert "plots/images.svg" not in done.stdout


def test_a_step_is_taken_once_for_all_recipes_that_go_on_from_it(project: Project):
    study = project.write_study(
        "steps",
        """
study: steps
quantizations: [{name: head, recipe: minmax+center, float_layers: [conv3]}]
models: [{name: espcn_rgb}]
runtimes:
  - name: openvino
    precisions: [int8-minmax, int8-minmax+center, int8-minmax+center+asymmetric, int8-head]
""",
    )
    done = project.snakemake("-n", "evaluate", "--configfile", study)
    jobs = read_jobs(done.stdout)
    assert jobs["calibrate_ranges"] == jobs["observe_activations"] == 1
    assert jobs["refine_onnx"] == 2
    assert jobs["quantize_onnx"] == jobs["build_engine"] == 4
    assert "results/steps/refined/espcn_rgb/minmax+center+asymmetric.onnx" in done.stdout
    # A precision with steps can be asked for by its name, like any other.
    jobs = read_jobs(project.snakemake("-n", "int8-minmax+center", f"--configfile={study}").stdout)
    assert jobs["refine_onnx"] == jobs["measure_latency"] == 1
    assert jobs["quantize_onnx"] == 1


def test_a_training_with_rounding_takes_photographs_and_one_thread(project: Project):
    study = project.write_study(
        "tuned",
        """
study: tuned
models: [{name: espcn_rgb}]
runtimes: [{name: openvino, precisions: [int8-minmax+center+qat]}]
""",
    )
    done = project.snakemake("-n", "evaluate", "--cores", "6", "--configfile", study)
    by_step = {
        step: next(block for block in done.stdout.split("\nrule ") if f", step={step}\n" in block)
        for step in ("center", "qat")
    }
    photographs = "results/tuned/frames/calibration/photographs.npy"
    assert photographs in by_step["qat"] and photographs not in by_step["center"]
    assert "threads: 3" in by_step["center"] and "threads:" not in by_step["qat"]


LAYERS = """
study: layers
models: [{name: espcn_rgb}, {name: espcn_anchor}]
sensitivity: {recipe: minmax, models: [espcn_anchor]}
runtimes:
  - {name: onnxruntime, precisions: [int8-entropy+center+mixed]}
  - {name: openvino, precisions: [int8-minmax, int8-entropy+mixed, int8-entropy+mixed+asymmetric]}
"""


def test_layers_are_measured_where_a_study_asks_for_it(project: Project):
    study = project.write_study("layers", LAYERS)
    done = project.snakemake("-n", "evaluate", "--configfile", study)
    jobs = read_jobs(done.stdout)
    assert jobs["measure_sensitivity"] == 1
    # Two models behind entropy and behind entropy+center; what comes after mixed is none of its business.
    assert jobs["measure_subsets"] == jobs["time_subsets"] == jobs["find_frontier"] == 4
    # Of sensitivity, and of both recipes that mixed goes on from.
    assert jobs["draw_plot"] == 1 + 2
    # center, mixed behind it, mixed, asymmetric behind it: of two models.
    assert jobs["refine_onnx"] == 8
    assert "measure_latency" not in jobs
    for file in ("sensitivity/espcn_anchor/minmax.csv", "frontier/espcn_rgb/entropy+center.csv"):
        assert f"results/layers/{file}" in done.stdout
    jobs = read_jobs(project.snakemake("-n", "all", "--configfile", study).stdout)
    assert (jobs["measure_sensitivity"], jobs["find_frontier"]) == (1, 4)


def test_no_layer_is_measured_unless_a_study_asks_for_it(project: Project):
    jobs = read_jobs(project.snakemake("-n", "all").stdout)
    assert not {"measure_sensitivity", "measure_subsets", "time_subsets", "find_frontier"} & jobs.keys()


def test_a_cache_is_read_before_anything_starts(project: Project):
    study = """
study: jetson
calibrations: [{name: jetson, method: cache, path: jetson.cache}]
models: [{name: espcn_rgb}]
runtimes: [{name: openvino, precisions: [int8-jetson]}]
"""
    path = project.write_study("jetson", study)
    done = project.snakemake("-n", "all", "--configfile", path)
    assert done.returncode != 0 and "calibration jetson: jetson.cache: expected a TensorRT" in done.stdout
    (project.folder / "jetson.cache").write_text("TRT-8502-EntropyCalibration2\nframe: 3c010a14\n")
    done = project.snakemake("-n", "all", "--configfile", path)
    assert done.returncode == 0, done.stdout
    jobs = read_jobs(done.stdout)
    assert jobs["calibrate_ranges"] == 1
    assert "observe_activations" not in jobs and "prepare_calibration_set" not in jobs


def test_one_file_of_an_arm_asks_for_that_arm_alone(project: Project):
    done = project.snakemake(
        "-n", "results/default/arms/local/openvino/espcn_rgb/int8-entropy/latency.park.csv"
    )
    jobs = read_jobs(done.stdout)
    # Its own engine, and that of the arm that it takes turns with.
    assert (jobs["build_engine"], jobs["measure_latency"]) == (2, 1)
    assert jobs["quantize_onnx"] == jobs["write_uint8_graph"] == 1
    assert "measure_quality" not in jobs


def test_the_page_has_operations_of_the_arms_that_the_study_names(project: Project):
    jobs = read_jobs(project.snakemake("-n", "all").stdout)
    # Two networks in two precisions; the table of every arm's operations is no part of it.
    assert jobs["measure_profile"] == 4
    assert "collect_profiles" not in jobs
    quiet = project.snakemake("-n", "all", "--config", "profile={runtimes: []}")
    assert "measure_profile" not in read_jobs(quiet.stdout)


def test_profiles_of_every_arm_are_a_target(project: Project):
    jobs = read_jobs(project.snakemake("-n", "profile").stdout)
    assert jobs["measure_profile"] == jobs["build_engine"] == 36
    assert jobs["collect_profiles"] == jobs["draw_plot"] == 1
    assert not {"measure_latency", "measure_quality"} & jobs.keys()


def test_a_study_without_the_reference_says_so_and_runs(project: Project):
    study = "study: alone\nmodels: [{name: espcn_rgb}]\nruntimes: [{name: onnxruntime, precisions: [fp32]}]\n"
    done = project.snakemake("-n", "all", "--configfile", project.write_study("alone", study))
    jobs = read_jobs(done.stdout)
    assert jobs["build_engine"] == jobs["measure_latency"] == jobs["measure_roofline"] == 1
    assert (
        "No ratios of speeds on local: the reference local/openvino/espcn_rgb/fp32 is no arm of this study."
        in done.stdout
    )
    # Nothing is timed, and there is no Table 1.
    calibrated = study.replace("[fp32]", "[fp32, int8-minmax]")
    named = project.write_study("alone", f"{calibrated}table: {{calibrated: none}}\n")
    done = project.snakemake("-n", "evaluate", "--configfile", named)
    assert done.returncode == 0 and "No ratios" not in done.stdout and "is empty" not in done.stdout
    chosen = study + "latency: {reference: {runtime: onnxruntime}}\n"
    done = project.snakemake("-n", "all", "--configfile", project.write_study("alone", chosen))
    assert read_jobs(done.stdout)["measure_latency"] == 1 and "No ratios" not in done.stdout


def test_a_calibration_that_the_table_names_and_no_arm_has(project: Project):
    text = (project.folder / "studies/tiny.yaml").read_text(encoding="utf-8")
    named = text.replace("table: {calibrated: minmax}", "table: {calibrated: minmx}")
    done = project.snakemake("-n", "all", "--configfile", project.write_study("named", named))
    assert done.returncode == 0
    note = 'The column "INT8 w/ calibration" is empty: table.calibrated is minmx, which no arm has; '
    note += "it may be minmax."
    assert note in done.stdout
    done = project.snakemake("-n", "all", "--configfile", "studies/tiny.yaml")
    assert "is empty" not in done.stdout


@pytest.mark.parametrize("paper", [False, True])
def test_the_study_of_a_jetson_has_all_columns_and_ratios(project: Project, paper: bool):
    """A person's copy, with an address: on the default clips, and on the paper's for TensorRT 11."""
    study = project.folder / "studies/jetson.yaml"
    text = study.read_text(encoding="utf-8").replace("ssh: user@jetson ", "ssh: me@192.0.2.7 ")
    if paper:
        text = text.replace("fp16, int8-trt-dummy, int8-trt-entropy", "fp16, int8-dummy, int8-entropy")
    assert "me@192.0.2.7" in text and ("fp16, int8-trt-dummy" in text) == (not paper)
    study.write_text(text, encoding="utf-8")
    files = [*["studies/paper.yaml"] * paper, "studies/jetson.yaml"]
    done = project.snakemake("-n", "all", "--configfile", *files)
    assert done.returncode == 0, done.stdout
    assert "No ratios" not in done.stdout and "is empty" not in done.stdout
    jobs = read_jobs(done.stdout)
    assert jobs["measure_latency_on_device"] == jobs["build_engine_on_device"] == 13
    assert "measure_latency" not in jobs and jobs.get("fetch_file", 0) == 2 * paper


@pytest.mark.parametrize(
    "group, arms", [("int8-entropy", 5), ("bf16", 5), ("openvino", 25), ("espcn_rgb", 9), ("bicubic", 1)]
)
def test_arms_by_name(project: Project, group: str, arms: int):
    jobs = read_jobs(project.snakemake("-n", group).stdout)
    assert jobs["measure_latency"] == arms
    # On two clips.
    assert jobs["measure_quality"] == jobs["write_manifest"] == 2 * arms


def test_a_misspelt_target_is_told_the_names(project: Project):
    done = project.snakemake("-n", "int8-minmx", "--configfile=studies/tiny.yaml")
    assert done.returncode != 0
    assert done.stdout.splitlines()[-1].startswith(
        "study tiny: expected a target that this study has, found 'int8-minmx' (did you mean int8-minmax"
    )


def test_misspelt_files_are_told_the_nearest(project: Project):
    arm = "arms/local/openvino/espcn_rgb"
    meant = {
        "report/indx.html": "report/index.html",
        "plots/fpss.svg": "plots/fps.svg",
        f"{arm}/int8-minmx/manifest.json": f"{arm}/int8-minmax/manifest.json",
        f"{arm.replace('local', 'locl')}/fp32/manifest.json": f"{arm}/fp32/manifest.json",
    }
    files = [f"results/tiny/{name}" for name in meant]
    done = project.snakemake("-n", *files, "--configfile=studies/tiny.yaml")
    assert done.returncode != 0 and "Traceback" not in done.stdout
    assert "Exception" not in done.stdout
    for file, name in zip(files, meant.values(), strict=True):
        line = f"expected a file that this study makes, found {file!r} (did you mean results/tiny/{name}"
        assert f"study tiny: {line}" in done.stdout


@pytest.mark.parametrize("name", ["ranges/espcn_rgb/minmx.json", "ranges/espcn_rbg/minmax.json"])
def test_a_name_that_only_a_job_looks_up_is_told_the_nearest_in_one_line(project: Project, name: str):
    done = project.snakemake("-n", f"results/tiny/{name}", "--configfile=studies/tiny.yaml")
    assert done.returncode != 0
    *_, before, line = done.stdout.splitlines()
    assert line.startswith(
        f"study tiny: expected a file that this study makes, found 'results/tiny/{name}' (did you mean "
        "results/tiny/ranges/espcn_rgb/minmax.json"
    )
    # Nothing of Snakemake's in between: neither its exceptions nor their traceback.
    assert before == "Building DAG of jobs..."


def test_weights_are_trained_if_the_study_says_so(project: Project):
    study = project.write_study("train_both", train_study(project))
    jobs = read_jobs(project.snakemake("-n", "all", "--configfile", study).stdout)
    assert jobs["train_model"] == 2
    assert jobs["prepare_clip"] == 2 + 2


def train_study(project: Project) -> str:
    (project.folder / "photos").mkdir()
    for name in ("a.png", "b.png"):
        Image.new("RGB", (64, 64)).save(project.folder / "photos" / name)
    return """
study: train_both
models: [{name: espcn_rgb, weights: train}, {name: espcn_ycbcr, weights: train}, {name: bicubic}]
training_sets:
  - {name: training, sources: [{type: images, path: photos, include: [a.png]}]}
  - {name: validation, sources: [{type: images, path: photos, include: [b.png]}]}
"""


def test_several_clips_have_files_of_their_own(project: Project):
    clips = yaml.safe_load((project.folder / "config.yaml").read_text(encoding="utf-8"))["clips"]
    clips.append({**clips[0], "name": "lake", "source": {**clips[0]["source"], "yaw": 120}})
    runtimes = [{"name": "opencv", "precisions": ["uint8"]}]
    config = {"study": "two", "clips": clips, "models": [{"name": "bicubic"}], "runtimes": runtimes}
    study = project.write_study("two", yaml.safe_dump(config))
    done = project.snakemake("-n", "bicubic", "--configfile", study)
    assert "quality.park.csv" in done.stdout, done.stdout
    assert "latency.lake.csv" in done.stdout


MISTAKES = {
    "unknown key": ("cilps: []", ["cilps: unknown key", "did you mean clips?"]),
    "missing video": (
        "clips: [{name: a, source: {type: video, path: nowhere.mp4}}]",
        ["clip a", "nowhere.mp4"],
    ),
    "truncated y4m": (
        "clips: [{name: a, source: {type: y4m, path: cut.y4m}}]",
        ["clip a", "cut.y4m", "found 1 and a part of the next"],
    ),
    "thin y4m": ("clips: [{name: a, source: {type: y4m, path: thin.y4m}}]", ["clip a", "thin.y4m", "1x8"]),
    "range outside a y4m": (
        "clips: [{name: a, source: {type: y4m, path: whole.y4m, frames: {first: 1, count: 2}}}]",
        ["clip a", "whole.y4m", "2"],
    ),
    "unreadable image": (
        "clips: [{name: a, source: {type: images, path: broken}}]",
        ["clip a", "broken/a.png"],
    ),
    "empty folder": ("clips: [{name: a, source: {type: images, path: empty}}]", ["clip a", "empty"]),
    "clip and calibration overlap": (
        """
calibration_sets:
  - name: photographs
    width: 64
    height: 64
    sources:
      - {type: turning-view, package: psychopy,
         member: "psychopy/demos/builder/Feature Demos/panorama/panImg.jpg",
         count: 1, width: 64, height: 64, fov: 20, yaw: 90}
""",
        ["clip park", "calibration set photographs", "scene", "both look into", "panorama"],
    ),
}


def make_broken_files(folder: Path) -> None:
    frame = b"FRAME\n" + bytes(16 * 8 * 3 // 2)
    (folder / "cut.y4m").write_bytes(b"YUV4MPEG2 W16 H8 F50:1 Ip A1:1\n" + frame + frame[:-5])
    (folder / "thin.y4m").write_bytes(b"YUV4MPEG2 W1 H8 F50:1 Ip A1:1\nFRAME\n" + bytes(8 + 2 * 4))
    (folder / "whole.y4m").write_bytes(b"YUV4MPEG2 W16 H8 F50:1 Ip A1:1\n" + frame * 2)
    for name in ("broken", "empty"):
        (folder / name).mkdir()
    (folder / "broken/a.png").write_bytes(b"no picture")


@pytest.mark.parametrize("text, parts", MISTAKES.values(), ids=MISTAKES.keys())
def test_mistake_gets_one_line_before_any_work(project: Project, text: str, parts: list[str]):
    make_broken_files(project.folder)
    study = project.write_study("bad", f"study: bad\n{text}\n")
    done = project.snakemake("--cores", "1", "all", "--configfile", study)
    assert done.returncode != 0
    lines = [line for line in done.stdout.splitlines() if line.startswith("study error: ")]
    assert len(lines) == 1, done.stdout
    for part in parts:
        assert part in lines[0]
    assert "Traceback" not in done.stdout
    assert not (project.folder / "results").exists()


TENSORRT = """
study: tensorrt
models: [{name: espcn_rgb}, {name: espcn_anchor}]
runtimes:
  - {name: tensorrt, precisions: [fp32, fp16, int8-minmax, int8-trt-entropy], build: {workspace_mib: 1024}}
  - {name: tensorrt_rtx, precisions: [fp16], frames: float32}
"""


def test_tensorrt_gets_the_graphs_that_it_reads(project: Project):
    study = project.write_study("tensorrt", TENSORRT)
    jobs = read_jobs(project.snakemake("-n", "all", "--configfile", study).stdout)
    assert jobs["build_engine"] == 10
    # RTX's arms of this study convert frames outside the graph; TensorRT finds its own ranges on planes.
    assert jobs["convert_fp16"] == 2
    assert jobs["write_uint8_graph"] == 6
    assert jobs["quantize_onnx"] == jobs["calibrate_ranges"] == 2
    assert jobs["prepare_calibration_set"] == 1
    assert "measure_profile" not in jobs
    arm = "results/tensorrt/arms/local/tensorrt/espcn_rgb"
    done = project.snakemake("-n", f"{arm}/int8-trt-entropy/profile.park.csv", "--configfile", study)
    jobs = read_jobs(done.stdout)
    assert jobs["measure_profile"] == jobs["build_engine"] == jobs["prepare_calibration_set"] == 1
    assert not {"quantize_onnx", "calibrate_ranges", "write_uint8_graph", "convert_fp16"} & set(jobs)
    assert "measure_quality" not in jobs


def test_the_papers_study_has_the_six_columns_of_its_table(project: Project):
    columns = ("pytorch/{}/fp32", "pytorch/{}/fp16", "tensorrt/{}/fp32", "tensorrt/{}/fp16")
    columns += ("tensorrt/{}/int8-trt-dummy", "tensorrt/{}/int8-trt-entropy")
    arms = [column.format(model) for column in columns for model in ("espcn_rgb", "espcn_ycbcr")]
    arms.append("opencv/bicubic/uint8")
    # On a Jetson, its study over the paper's.
    for target, names in (("local", ["paper"]), ("jetson", ["paper", "jetson"])):
        wanted = [f"results/{names[-1]}/arms/{target}/{arm}/manifest.json" for arm in arms]
        files = [f"studies/{name}.yaml" for name in names]
        done = project.snakemake("-n", *wanted, "--configfile", *files)
        assert done.returncode == 0, done.stdout
        jobs = read_jobs(done.stdout)
        where = "" if target == "local" else "_on_device"
        assert jobs[f"measure_latency{where}"] == jobs[f"measure_quality{where}"] == 13
        # Here arms are timed in turn with a reference in another runtime.
        assert jobs[f"build_engine{where}"] == 13 + (target == "local")
        assert jobs["prepare_calibration_set"] == 1 and "quantize_onnx" not in jobs


def test_an_arm_of_a_device_leaves_this_machine_to_others(project: Project):
    text = (project.folder / "studies/tiny.yaml").read_text(encoding="utf-8")
    device = "{name: jetson, ssh: user@jetson, runtimes: [onnxruntime]}"
    study = project.write_study("jetson", f"{text}\ntargets: [local, {device}]\n")
    rules = {"local": "measure_latency", "jetson": "measure_latency_on_device"}
    for target, rule in rules.items():
        arm = f"results/tiny/arms/{target}/onnxruntime/espcn_rgb/fp32/latency.csv"
        done = project.snakemake("-n", "--cores", "4", f"--configfile={study}", arm)
        (block,) = re.findall(rf"rule {rule}:\n(?: .*\n)+", done.stdout)
        assert ("threads: 4" in block) == (target == "local")
        # What has this machine to itself waits until nothing else is left to do.
        assert ("priority: -1" in block) == (target == "local")
