"""What an arm's engine is built from and with: which ONNX file, in which form, and what the runtime is told."""

from typing import Any

from superres.models.settings import ENDS_IN_BLOCKS
from superres.study.arms import Arm
from superres.study.keys.study import Study

PYTORCH = ("pytorch", "pytorch_tuned")
OPENVINO = ("openvino", "openvino_throughput")
TENSORRT = ("tensorrt", "tensorrt_rtx")
SIZED = (*OPENVINO, *TENSORRT)
"""Runtimes whose engines are built for the sizes of the study's frames."""

FORMS = {
    "onnxruntime": ("pixels", "blocks", "levels"),
    **dict.fromkeys(OPENVINO, ("plain", "pixels", "channels_last")),
    **dict.fromkeys(TENSORRT, ("casts",)),
}
"""Forms of a graph on uint8 frames that a runtime may be given; `plain` has none: the runtime converts itself."""

MEASURED = "fastest"
"""The form that turns out to be the fastest on a target."""


def frames_of(study: Study, arm: Arm) -> str:
    """What the arm's engine takes and gives: TensorRT finds ranges of its own on float32 planes only."""
    return "float32" if arm.implicit else study.frames[arm.runtime]


def graph_of(study: Study, arm: Arm) -> str:
    """Name, without folder, form and ending, of the ONNX file of an arm of a network.

    FP32 and the Q/DQ graph of an INT8 precision serve every runtime. TensorRT's FP16 is written into the file,
    since newer versions take every type from there; where TensorRT finds ranges itself it reads FP32.
    """
    graph = "fp32" if arm.int8 is None or arm.implicit else arm.precision
    if arm.runtime in TENSORRT and arm.precision == "fp16":
        graph = "fp16"
    return graph


def forms_of(study: Study, arm: Arm) -> tuple[str, ...]:
    """Forms of the arm's graph among which its engine's is chosen; PyTorch's program and tables of whole numbers have one."""
    if frames_of(study, arm) != "uint8" or arm.runtime not in FORMS:
        return ("plain",)
    form = study.forms[arm.runtime] or MEASURED
    if form == MEASURED and _is_plain_only(study, arm):
        return ("plain",)
    return FORMS[arm.runtime] if form == MEASURED else (form,)


def _is_plain_only(study: Study, arm: Arm) -> bool:
    """Whether OpenVINO 2026.4 can't be given another form of an arm's graph.

    In BF16 it compiles the others and then fails on the first frame where two paths join (espcn_anchor and the folded
    network): "Convolution node ... object is not initialized". On others' graphs of colour conversions (onnxruntime's of
    espcn_ycbcr) it crashes while it compiles.
    """
    calibration = study.calibration_of(arm)
    by_tool = calibration is not None and calibration.tool is not None
    return arm.runtime in OPENVINO and (arm.precision == "bf16" or by_tool)


def form_file(graph: str, form: str) -> str:
    """Name, without folder and ending, of the ONNX file of a graph in a form."""
    return graph if form == "plain" else f"{graph}.{form}"


def kind_of(arm: Arm) -> str:
    """What forms are measured for once: graphs in INT8, and those in float."""
    return "float" if arm.int8 is None else "int8"


def measured_arm(study: Study, target: str, runtime: str, kind: str) -> Arm:
    """The arm whose forms are measured for all of a kind on a target in a runtime.

    It is the first one of a network whose forms differ.
    """
    arms = [
        arm
        for arm in (*study.arms, *study.swept)
        if (arm.target, arm.runtime, kind_of(arm)) == (target, runtime, kind)
        and not arm.implicit
        and not _is_plain_only(study, arm)
    ]
    return next((arm for arm in arms if arm.model in ENDS_IN_BLOCKS), arms[0])


def build_settings(study: Study, arm: Arm) -> dict[str, Any]:
    """Settings of the job that builds an engine, besides the runtime's options: what TensorRT calibrates with."""
    calibration = study.calibration_of(arm)
    if calibration is None or not arm.implicit:
        return {}
    return {
        "calibration": {
            "method": calibration.method,
            "data": {} if calibration.data is None else calibration.data.model_dump(exclude_none=True),
        }
    }
