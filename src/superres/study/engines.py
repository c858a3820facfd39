"""What an arm's engine is built from and with: which ONNX file, in which form, and what the runtime is told."""

from collections.abc import Mapping
from typing import Any

from superres.device.base.errors import UserError
from superres.device.runtimes import about
from superres.models.graphs.uint8.forms import FORM_OF, PLAIN, PLAIN_ALONE
from superres.models.graphs.uint8.forms import FORMS_OF as FORMS
from superres.study.model import Arm, Study

PYTORCH = ("pytorch", "pytorch_tuned")
OPENVINO = ("openvino", "openvino_throughput")
TENSORRT = ("tensorrt", "tensorrt_rtx")
SIZED = (*OPENVINO, *TENSORRT)
"""Runtimes whose engines are built for the sizes of the study's frames."""

TENSORRT_METHODS = ("entropy", "minmax")
"""Methods of calibration that TensorRT has itself, for int8-trt-NAME."""

MEASURED = "fastest"


def frames_of(study: Study, arm: Arm) -> str:
    """What the arm's engine takes and gives: TensorRT finds ranges of its own on float32 planes only."""
    return "float32" if arm.implicit else study.frames[arm.runtime]


def graph_of(study: Study, arm: Arm) -> str:
    """Name, without folder, form and ending, of the ONNX file of an arm of a network.

    FP32 and the Q/DQ graph of an INT8 precision serve every runtime. TensorRT's FP16 is written into the file,
    since newer versions take every type from there; where TensorRT finds ranges itself it reads FP32.
    """
    if arm.precision == "fp16" and about(arm.runtime).fp16_file:
        return "fp16"
    return "fp32" if arm.int8 is None or arm.implicit else arm.precision


def form_of(study: Study, arm: Arm) -> str:
    """The form in which an arm's graph gets its frames: that of the table, or what the study says for the runtime."""
    if frames_of(study, arm) != "uint8" or arm.runtime not in FORM_OF:
        return PLAIN
    calibration = study.calibration_of(arm)
    by_tool = calibration is not None and calibration.tool is not None
    if ("tool" if by_tool else arm.precision) in PLAIN_ALONE.get(arm.runtime, ()):
        return PLAIN
    written = study.forms[arm.runtime]
    return FORM_OF[arm.runtime]["float" if arm.int8 is None else "int8"] if written == MEASURED else written


def form_file(study: Study, arm: Arm) -> str:
    """Name, without folder and ending, of the ONNX file that an arm's engine is built from."""
    graph, form = graph_of(study, arm), form_of(study, arm)
    return graph if form == PLAIN else f"{graph}.{form}"


def is_sized(arm: Arm) -> bool:
    """Whether an engine is built for the sizes of the study's frames."""
    return about(arm.runtime).sized


def check_form(runtime: Mapping[str, Any], key: str) -> None:
    """Raise UserError for a form that a runtime doesn't have."""
    form, known = runtime["form"], FORMS.get(runtime["name"], ())
    if form != MEASURED and form not in known:
        raise UserError(
            f"{key}.form: expected {' or '.join((MEASURED, *known))} for {runtime['name']}, found {form}"
        )


def build_settings(study: Study, arm: Arm) -> dict[str, Any]:
    """Settings of the job that builds an engine, besides the runtime's options: what TensorRT calibrates with."""
    calibration = study.calibration_of(arm)
    if calibration is None or not arm.implicit:
        return {}
    return {"calibration": {"method": calibration.method, "data": dict(calibration.data or {})}}


def check_tensorrt(runtime: Mapping[str, Any], written: Mapping[str, Any], key: str) -> None:
    """Raise UserError for a precision that a runtime can't have for its TensorRT or its lack of it, and for settings.

    `written` is the entry as the study has it, without defaults.
    """
    name = runtime["name"]
    if name not in TENSORRT and "build" in written:
        raise UserError(f"{key}.build: expected it with {' or '.join(TENSORRT)} only, found it with {name}")
    for precision in runtime["precisions"]:
        if precision.startswith("int8-trt-") and name != "tensorrt":
            raise UserError(
                f"{key}.precisions: expected {precision} with the runtime tensorrt only, found it with {name}; "
                f"take {precision.replace('trt-', '')}, a Q/DQ graph"
            )
        if name in TENSORRT and precision == "bf16":
            raise UserError(
                f"{key}.precisions: expected fp32, fp16 or int8 for {name}, found bf16; take it out"
            )


def check_tensorrt_arms(study: Study) -> None:
    """Raise UserError for INT8 that TensorRT doesn't have.

    That is an int8-trt-NAME whose calibration has a method that TensorRT lacks, and asymmetric activations: its
    parser takes uint8 with zero-point 0 for int8, and everything above half of the range would be clipped, unsaid.
    """
    for arm in study.arms:
        calibration = study.calibration_of(arm)
        steps = study.quantizations[arm.int8].recipe.steps if arm.int8 is not None else ()
        if arm.runtime in TENSORRT and "asymmetric" in steps:
            raise UserError(
                f"runtimes: {arm.runtime}: {arm.precision}: expected symmetric activations, the only ones that TensorRT "
                "has, found the step asymmetric; take center instead"
            )
        if arm.implicit and calibration is not None and calibration.method not in TENSORRT_METHODS:
            raise UserError(
                f"runtimes: {arm.runtime}: {arm.precision}: expected a calibration by "
                f"{' or '.join(TENSORRT_METHODS)}, which TensorRT has itself, found {calibration.method}"
            )
