"""What an arm's engine is built from: which ONNX file, and in which form it takes frames."""

from superres.device.runtimes import about
from superres.models.graphs.uint8.forms import FORM_OF, PLAIN, PLAIN_ALONE
from superres.study.keys.arms import Arm
from superres.study.keys.study import Study


def frames_of(study: Study, arm: Arm) -> str:
    """What the arm's engine takes and gives: TensorRT finds ranges of its own on float32 planes only."""
    return "float32" if arm.implicit else study.frames[arm.runtime]


def graph_of(arm: Arm) -> str:
    """Name, without folder, form and ending, of the ONNX file of an arm of a network.

    FP32 and the Q/DQ graph of an INT8 precision serve every runtime. TensorRT's FP16 is written into the file, since
    newer versions take every type from there; where TensorRT finds ranges itself it reads FP32.
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
    return study.forms[arm.runtime] or FORM_OF[arm.runtime]["float" if arm.int8 is None else "int8"]


def form_file(study: Study, arm: Arm) -> str:
    """Name, without folder and ending, of the ONNX file that an arm's engine is built from."""
    graph, form = graph_of(arm), form_of(study, arm)
    return graph if form == PLAIN else f"{graph}.{form}"
