"""The ONNX file that an arm's engine is built from, and its form."""

from superres.device.runtimes import about
from superres.models.graphs.uint8.forms import FORM_OF, PLAIN, PLAIN_ALONE
from superres.study.keys.arms import Arm
from superres.study.keys.study import Study


def frames_of(study: Study, arm: Arm) -> str:
    """Return the type of an engine's frames: `uint8`, or `float32`, which TensorRT's own ranges need."""
    return "float32" if arm.implicit else study.frames[arm.runtime]


def graph_of(arm: Arm) -> str:
    """Return the name, without folder, form and suffix, of the ONNX file of a network's arm.

    The FP32 graph and each INT8 Q/DQ graph serve every runtime. TensorRT has an FP16 file, because newer
    versions take every type from the file. It reads FP32 to find ranges itself.
    """
    if arm.as_is:
        return arm.precision
    if arm.precision == "fp16" and about(arm.runtime).fp16_file:
        return "fp16"
    return "fp32" if arm.int8 is None or arm.implicit else arm.precision


def form_of(study: Study, arm: Arm) -> str:
    """Return the form of an arm's graph: the runtime's in the study, by default the one in `FORM_OF`."""
    if frames_of(study, arm) != "uint8" or arm.runtime not in FORM_OF:
        return PLAIN
    calibration = study.calibration_of(arm)
    by_tool = arm.as_is or (calibration is not None and calibration.tool is not None)
    if ("tool" if by_tool else arm.precision) in PLAIN_ALONE.get(arm.runtime, ()):
        return PLAIN
    return (
        study.forms[arm.runtime]
        or FORM_OF[arm.runtime]["int8" if arm.as_is or arm.int8 is not None else "float"]
    )


def form_file(study: Study, arm: Arm) -> str:
    """Return the name, without folder and suffix, of the ONNX file that an arm's engine is built from."""
    graph, form = graph_of(arm), form_of(study, arm)
    return graph if form == PLAIN else f"{graph}.{form}"
