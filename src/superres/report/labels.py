"""Words and order of models, runtimes and precisions in the tables and plots.

Models and runtimes define their own: `superres.models.settings.MODELS`, `superres.device.runtimes.about`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from superres.device.base.words import counted
from superres.device.runtimes import RUNTIMES, about
from superres.device.runtimes.base import AS_WRITTEN
from superres.models.settings import BASELINE, MODELS, is_baseline

FLOATS = ("fp32", "fp16", "bf16")
KERNELS = {
    "opencv": "OpenCV's INTER_CUBIC (a = -0.75, borders repeated)",
    "matlab": "that of MATLAB's imresize (a = -0.5, borders mirrored)",
}
LUMAS = {
    "full-range": "full-range BT.601 luma",
    "studio-swing": "studio-swing BT.601 luma, as MATLAB's rgb2ycbcr",
}
UNCALIBRATED = "int8-dummy"
"""The paper's "w/o calibration": ranges of one dummy input."""


def model_label(model: str) -> str:
    """Return the paper's name of a model, or the study's for any other: `ESPCN_RGB`, `Bicubic x3`."""
    if model not in MODELS and is_baseline(model):
        return f"{MODELS[BASELINE].label} {model.rpartition('_')[2]}"
    return MODELS[model].label if model in MODELS else model


def scale_label(scale: int) -> str:
    """Return a scale in words: `x2`."""
    return f"x{scale}"


def runtime_label(runtime: str) -> str:
    """Return a runtime's name as its makers write it."""
    return about(runtime).label if runtime in RUNTIMES else runtime


def runtime_marker(runtime: str) -> str:
    """Return the matplotlib marker of a runtime's points."""
    return about(runtime).marker if runtime in RUNTIMES else "P"


def border_label(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the end of a clause about the border that PSNR skips, at each scale; empty without one."""
    borders = {int(row["scale"]): int(row["border"]) for row in rows}
    if not any(borders.values()):
        return ""
    if len(set(borders.values())) == 1:
        return f", without {counted(min(borders.values()), 'pixel')} at each side"
    each = ", ".join(f"{border} at x{scale}" for scale, border in sorted(borders.items()))
    return f", without a border of as many pixels as the scale ({each})"


def precision_label(precision: str) -> str:
    """Return a precision in capitals with its calibration: `INT8 minmax`, `INT8 minmax by TensorRT`."""
    if precision == AS_WRITTEN:
        return "as is"
    kind, _, calibration = precision.partition("-")
    own = calibration.startswith("trt-")
    return f"{kind.upper()} {calibration.removeprefix('trt-')}{' by TensorRT' if own else ''}".strip()


def order_models(models: Iterable[str]) -> list[str]:
    """Sort models: built-in ones first, others by name, bicubic last."""
    known = [model for model in MODELS if not is_baseline(model)]

    def key(model: str) -> tuple[bool, int, str]:
        return is_baseline(model), known.index(model) if model in known else len(known), model

    return sorted(set(models), key=key)


def order_runtimes(runtimes: Iterable[str]) -> list[str]:
    """Sort runtimes by their registry, unknown ones last."""
    known = list(RUNTIMES)
    return sorted(set(runtimes), key=lambda name: (known.index(name) if name in known else len(known), name))


def order_precisions(precisions: Iterable[str], calibrated: str) -> list[str]:
    """Sort precisions: floats, uncalibrated INT8, INT8 `calibrated`, other INT8 by name, then the rest."""
    first = (*FLOATS, UNCALIBRATED, calibrated)

    def key(name: str) -> tuple[int, bool, str]:
        return (first.index(name) if name in first else len(first), not name.startswith("int8-"), name)

    return sorted(set(precisions), key=key)


def arm_folder(row: Mapping[str, Any]) -> str:
    """Return the folder of a row's arm, its name in files: `local/openvino/espcn_rgb/fp32`."""
    return "/".join(row[key] for key in ("target", "runtime", "model", "precision"))


def arm_label(folder: str) -> str:
    """Return an arm's folder in words: `OpenVINO FP32 ESPCN_RGB`."""
    _, runtime, model, precision = folder.split("/")
    return f"{runtime_label(runtime)} {precision_label(precision)} {model_label(model)}"
