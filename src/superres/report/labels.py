"""Words and order of models, runtimes and precisions in the tables and plots.

Models and runtimes say theirs themselves: `superres.models.settings.MODELS`,
`superres.device.runtimes.about`.
"""

from collections.abc import Iterable

from superres.device.runtimes import RUNTIMES, about
from superres.models.settings import MODELS

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
    """A model as the paper writes it, any other as the study does."""
    return MODELS[model].label if model in MODELS else model


def runtime_label(runtime: str) -> str:
    """A runtime as its makers write it."""
    return about(runtime).label if runtime in RUNTIMES else runtime


def runtime_marker(runtime: str) -> str:
    """The shape of a runtime's points in plots."""
    return about(runtime).marker if runtime in RUNTIMES else "P"


def counted(number: int, noun: str) -> str:
    """A number of things in words: `1 frame`, `2 frames`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def border_label(border: int) -> str:
    """What is left out of PSNR, as the end of a clause; empty for nothing."""
    return f", {border} pixels at each side left out" if border else ""


def precision_label(precision: str) -> str:
    """A precision in capitals, with its calibration behind: `INT8 minmax`, `INT8 minmax by TensorRT`."""
    kind, _, calibration = precision.partition("-")
    own = calibration.startswith("trt-")
    return f"{kind.upper()} {calibration.removeprefix('trt-')}{' by TensorRT' if own else ''}".strip()


def order_models(models: Iterable[str]) -> list[str]:
    """The built-in models first, further ones by name, bicubic last."""
    known = [model for model in MODELS if model != "bicubic"]

    def key(model: str) -> tuple[bool, int, str]:
        return model == "bicubic", known.index(model) if model in known else len(known), model

    return sorted(set(models), key=key)


def order_runtimes(runtimes: Iterable[str]) -> list[str]:
    """In the order of the registry of runtimes, unknown ones behind."""
    known = list(RUNTIMES)
    return sorted(set(runtimes), key=lambda name: (known.index(name) if name in known else len(known), name))


def order_precisions(precisions: Iterable[str], calibrated: str) -> list[str]:
    """Floats, then INT8 without and with the headline's calibration, further INT8 by name, then the rest."""
    first = (*FLOATS, UNCALIBRATED, calibrated)

    def key(name: str) -> tuple[int, bool, str]:
        return (first.index(name) if name in first else len(first), not name.startswith("int8-"), name)

    return sorted(set(precisions), key=key)
