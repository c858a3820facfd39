"""After a run: an edit of a module or of the study reruns what it concerns and what depends on it, and nothing else."""

import os
import time

import pytest

from project_copy import Project, read_jobs

STUDY = "--configfile=studies/tiny.yaml"
INT8, ALL = 9, 19
DRAWN = {"plot_psnr_fps": 1, "plot_int8_loss": 1, "plot_fps": 1}
# What follows figures of n arms, from the manifest on.
COLLECTED = {"collect_metrics": 1, "write_table": 1, **DRAWN}


def of_figures(arms: int, **jobs: int) -> dict[str, int]:
    return {**jobs, "write_manifest": arms, **COLLECTED}


def of_engines(arms: int, **jobs: int) -> dict[str, int]:
    measured = {"measure_quality": arms, "measure_latency": arms, "plot_samples": 1}
    return of_figures(arms, **jobs, build_engine=arms, **measured)


# What is measured on other frames; for OpenVINO's engines their sizes count, and forms are timed on them.
SIZED = 9
OF_FRAMES = {
    "choose_form": 2,
    "build_engine": SIZED,
    "measure_quality": ALL,
    "measure_latency": ALL,
    "plot_samples": 1,
}
# An edit, the modules that get it, and the jobs that follow: each case takes a dry run.
MODULES = {
    "a method of calibration": (
        ["quantization/ranges/methods.py"],
        of_engines(INT8, calibrate_ranges=6, quantize_onnx=6, fold_frames=6, choose_form=1),
    ),
    # Frames of a clip, but not of a calibration set.
    "downsampling": (
        ["data/resampling.py"],
        of_figures(ALL, prepare_clip=1, check_disjoint_images=1, **OF_FRAMES),
    ),
    "PSNR": (["device/frames/psnr.py"], of_figures(ALL, measure_quality=ALL, plot_samples=1)),
    # Nothing of this study has come through the others.
    "plots": (
        [
            "report/plots/arms.py",
            "models/training/train.py",
            "quantization/steps/qat.py",
            "report/verify.py",
            "study/parse.py",
        ],
        DRAWN,
    ),
}


@pytest.mark.parametrize("name", MODULES)
def test_an_edited_module(tiny: Project, name: str):
    modules, expected = MODULES[name]
    before = {
        path: (path.stat(), path.read_bytes()) for path in (tiny.folder / "src/superres" / m for m in modules)
    }
    later = time.time() + 5
    try:
        for module, (_, text) in before.items():
            module.write_bytes(text + b"\n")
            os.utime(module, (later, later))
        jobs = dry_run(tiny, STUDY)
    finally:
        for module, (facts, text) in before.items():
            module.write_bytes(text)
            os.utime(module, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert jobs == expected


def dry_run(project: Project, study: str) -> dict[str, int]:
    """Jobs that would run for `all`."""
    done = project.snakemake("-n", study, "all")
    assert done.returncode == 0, done.stdout
    return {name: n for name, n in read_jobs(done.stdout).items() if name not in ("all", "total")}


LATENCY = "latency:\n"
KEYS = {
    "a comment and a description": (
        "description: Every step",
        "# another comment\ndescription: Each step",
        {},
    ),
    "a clip's kernel": (
        "    description: one",
        "    downsampling: area\n    description: one",
        of_figures(ALL, prepare_clip=1, check_disjoint_images=1, **OF_FRAMES),
    ),
    "a seed": (
        "{type: random,",
        "{type: random, seed: 1,",
        # OpenVINO's other INT8 too: which form is the fastest is found with a graph of this calibration.
        of_engines(
            6, observe_activations=3, calibrate_ranges=3, quantize_onnx=3, fold_frames=3, choose_form=1
        ),
    ),
    # The reference is one of these engines: every arm takes turns with it.
    "the form of frames": (
        "{name: openvino,",
        "{name: openvino, frames: float32,",
        {**of_engines(9), "measure_latency": ALL, "write_manifest": ALL},
    ),
    "how long arms are timed": (
        "min_seconds: 0.2",
        "min_seconds: 0.3",
        of_figures(ALL, measure_latency=ALL),
    ),
    "the column of the table": (
        LATENCY,
        "table: {calibrated: dummy}\n" + LATENCY,
        {"write_table": 1, **DRAWN},
    ),
}


@pytest.mark.parametrize("name", KEYS)
def test_a_changed_study(tiny: Project, name: str):
    before, after, expected = KEYS[name]
    text = (tiny.folder / "studies/tiny.yaml").read_text(encoding="utf-8")
    assert before in text
    changed = tiny.write_study("changed", text.replace(before, after, 1))
    try:
        assert dry_run(tiny, f"--configfile={changed}") == expected
    finally:
        (tiny.folder / changed).unlink()
