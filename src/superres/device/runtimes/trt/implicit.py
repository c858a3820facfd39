"""What only TensorRT up to 10 has: ranges that it finds itself. Checked against the types of 10, not of 11."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from superres.device.base.errors import UnsupportedError
from superres.device.runtimes.sizes import Size, input_shape
from superres.device.runtimes.trt.calibrator import CALIBRATORS
from superres.device.runtimes.trt.config import is_strongly_typed
from superres.device.runtimes.trt.options import IMPLICIT

if TYPE_CHECKING:
    import tensorrt


def is_implicit(precision: str) -> bool:
    """Whether TensorRT finds the ranges of a precision itself."""
    return precision.startswith(IMPLICIT)


def check_implicit(trt: Any, method: str) -> None:
    """Raise UnsupportedError if TensorRT finds no ranges itself."""
    if is_strongly_typed(trt) or not hasattr(trt, CALIBRATORS[method]):
        raise UnsupportedError(
            f"TensorRT {trt.__version__} finds no ranges itself, 10 was the last that did: "
            "take int8-NAME, a Q/DQ graph, instead of int8-trt-NAME"
        )


def set_calibrator(
    builder: tensorrt.Builder, config: tensorrt.IBuilderConfig, calibrator: Any, size: Size, frames: str
) -> None:
    """Have TensorRT find the ranges, on images of a size; see `check_implicit`."""
    config.int8_calibrator = calibrator
    profile = builder.create_optimization_profile()
    shape: Any = input_shape(size, frames)
    profile.set_shape("frame", shape, shape, shape)
    config.set_calibration_profile(profile)
