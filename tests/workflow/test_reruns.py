"""An edit of a module or of the study reruns what it concerns and what depends on it, and nothing else."""

import os
import time

import pytest

from project_copy import Project, read_jobs

STUDY = "--configfile=studies/tiny.yaml"
INT8, ALL, PROFILED = 9, 19, 2
# What follows figures of n arms, from the manifest on; three of the plots show figures, a fourth frames.
COLLECTED = {
    "collect_metrics": 1,
    "write_table": 1,
    "write_recommendation": 1,
    "draw_plot": 3,
    "build_page": 1,
}
FRAMES_DRAWN = 4
# The calibrated INT8 graph of each network.
GRAPHS_DRAWN = 3


def of_figures(arms: int, **jobs: int) -> dict[str, int]:
    return {"write_manifest": arms, **COLLECTED, **jobs}


def of_engines(arms: int, **jobs: int) -> dict[str, int]:
    measured = {"measure_quality": arms, "measure_latency": arms, "draw_plot": FRAMES_DRAWN}
    return of_figures(arms, build_engine=arms, **measured, **jobs)


# What is measured on other frames. OpenVINO's engines are built for their sizes, which stay.
OF_FRAMES = {
    "measure_quality": ALL,
    "measure_latency": ALL,
    # Of the arms whose operations the page shows.
    "measure_profile": PROFILED,
    "draw_plot": FRAMES_DRAWN,
}
# An edit, the modules that get it, and the jobs that follow: each case takes a dry run.
MODULES = {
    "a method of calibration": (
        ["quantization/ranges/methods.py"],
        {
            **of_engines(INT8, calibrate_ranges=6, refine_onnx=6, quantize_onnx=6, write_uint8_graph=9),
            "draw_plot": FRAMES_DRAWN + GRAPHS_DRAWN,
        },
    ),
    # Frames of a clip, but not of a calibration set.
    "downsampling": (
        ["data/resampling.py"],
        of_figures(ALL, prepare_clip=1, downsample_clip=1, check_disjoint_images=1, **OF_FRAMES),
    ),
    "PSNR": (["device/frames/psnr.py"], of_figures(ALL, measure_quality=ALL, draw_plot=FRAMES_DRAWN)),
    # Nothing of this study has come through the others.
    "plots": (
        [
            "report/plots/places.py",
            "models/training/train.py",
            "quantization/steps/qat.py",
            "report/verify.py",
            "study/load.py",
        ],
        {"draw_plot": 3},
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
            module.write_bytes(text + b"\nEDITED = True\n")
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


KEYS = {
    "a comment and a description": (
        "description: Every step",
        "# another comment\ndescription: Each step",
        # The page shows it.
        {"build_page": 1},
    ),
    "a clip's kernel": (
        "    description: one",
        "    downsampling: area\n    description: one",
        of_figures(ALL, downsample_clip=1, **OF_FRAMES),
    ),
    "a seed": (
        "{type: random,",
        "{type: random, seed: 1,",
        of_engines(
            3, observe_activations=3, calibrate_ranges=3, refine_onnx=3, quantize_onnx=3, write_uint8_graph=3
        ),
    ),
    # The reference is one of these engines: every arm takes turns with it.
    "the form of frames": (
        "{name: openvino,",
        "{name: openvino, frames: float32,",
        {**of_engines(9, measure_profile=PROFILED), "measure_latency": ALL, "write_manifest": ALL},
    ),
    "how long arms are timed": (
        "min_seconds: 0.1",
        "min_seconds: 0.3",
        of_figures(ALL, measure_latency=ALL),
    ),
    "the column of the table": (
        "calibrated: minmax",
        "calibrated: dummy",
        {"write_table": 1, "draw_plot": 3 + GRAPHS_DRAWN, "build_page": 1},
    ),
    "a wish": (
        "latency:\n",
        "recommend: {fps: 30}\nlatency:\n",
        {"write_recommendation": 1, "build_page": 1},
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
