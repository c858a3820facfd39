"""A study with every kind of arm and recipe, for the tests of what jobs read and are told."""

import copy
from typing import Any

from superres.study.keys.arms import Arm
from superres.study.keys.study import Study
from superres.study.load import load_study

RGB, FOLDED, YCBCR = "espcn_rgb", "espcn_ycbcr_folded", "espcn_ycbcr"
PHOTOGRAPHS = {"type": "calibration-set", "name": "photographs", "images": 40}
RANDOM = {"type": "random", "width": 32, "height": 16, "seed": 3}

CONFIG: dict[str, Any] = {
    "study": "rich",
    "packages": [{"name": "photos", "version": "1.0", "sha256": "a" * 64}],
    "files": [{"name": "run.y4m", "url": "https://h/run.y4m", "bytes": 1000, "sha256": "b" * 64}],
    "clips": [
        {"name": "run", "source": {"type": "y4m", "file": "run.y4m"}},
        {"name": "own", "description": "a walk", "source": {"type": "video", "path": "own.mp4"}},
    ],
    "calibration_sets": [
        {
            "name": "photographs",
            "width": 32,
            "height": 16,
            "sources": [
                {"type": "package-images", "package": "photos", "members": ["photos/a.jpg"]},
                {"type": "images", "path": "photos"},
            ],
        }
    ],
    "training_sets": [
        {"name": "training", "sources": [{"type": "images", "path": "train"}]},
        {"name": "validation", "sources": [{"type": "images", "path": "valid"}]},
    ],
    "calibrations": [
        {"name": "dummy", "data": RANDOM},
        {"name": "minmax", "data": PHOTOGRAPHS},
        {"name": "entropy", "method": "entropy", "data": PHOTOGRAPHS},
        {"name": "few", "data": {**PHOTOGRAPHS, "images": 5}},
        {"name": "fixed", "method": "fixed"},
        {"name": "cache", "method": "cache", "path": "ranges.cache"},
        {"name": "tool", "method": "onnxruntime", "data": PHOTOGRAPHS},
    ],
    "quantizations": [{"name": "head", "recipe": "entropy+center", "float_layers": ["conv3"]}],
    "steps": {"mixed": {"budget_db": 0.2, "runtime": "openvino"}},
    "sensitivity": {"recipe": "minmax", "models": [RGB]},
    "models": [
        {"name": "bicubic", "kernel": "matlab"},
        {"name": RGB},
        {"name": YCBCR, "weights": "train", "training": {"steps": 7}},
        {"name": FOLDED},
    ],
    "targets": ["local", {"name": "jetson", "ssh": "user@jetson", "runtimes": ["tensorrt", "onnxruntime"]}],
    "runtimes": [
        {"name": "pytorch", "precisions": ["fp32"]},
        {"name": "onnxruntime", "precisions": ["fp32", "int8-minmax", "int8-tool"]},
        {
            "name": "openvino",
            "precisions": [
                "fp32",
                "bf16",
                "int8-dummy",
                "int8-minmax",
                "int8-few",
                "int8-fixed",
                "int8-cache",
                "int8-tool",
                "int8-head",
                "int8-minmax+bias+mixed",
            ],
        },
        {
            "name": "tensorrt",
            "precisions": ["fp32", "fp16", "int8-minmax", "int8-trt-entropy"],
            "build": {"workspace_mib": 64},
        },
        {"name": "opencv", "precisions": ["uint8"]},
    ],
    "table": {"calibrated": "entropy"},
    "samples": {"frame": 2},
    "latency": {"reference": {"model": RGB}},
    "upscale": {"input": "film.mp4", "model": RGB, "precision": "int8-minmax"},
    "sweep": {"calibrations": ["minmax"], "images": [2]},
}


def rich(**changes: Any) -> Study:
    """Return the study with some keys replaced."""
    return load_study({**copy.deepcopy(CONFIG), **changes})


def local(runtime: str, precision: str, model: str = RGB) -> Arm:
    """Return an arm on this machine."""
    return Arm("local", runtime, model, precision)


BICUBIC = local("opencv", "uint8", "bicubic")
