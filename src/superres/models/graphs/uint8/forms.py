"""The forms of a graph on uint8 frames, and the form of each runtime.

Light: the workflow imports it without onnx.
"""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Literal

from superres.device.base.errors import UserError

Kind = Literal["float", "int8"]
"""Graphs in float, and Q/DQ graphs: they have other forms."""

PLAIN = "plain"
"""No form: the runtime converts frames itself, or reads float32 planes."""

FORMS: Mapping[str, str] = {
    "blocks": "superres.models.graphs.uint8.blocks:write_blocks",
    "levels": "superres.models.graphs.uint8.levels:write_levels",
    "channels_last": "superres.models.graphs.uint8.channels_last:write_channels_last",
    "casts": "superres.models.graphs.uint8.casts:write_casts",
}
"""The function of two paths that writes a form, as module:function, imported on use."""

FORMS_OF: Mapping[str, tuple[str, ...]] = {
    "onnxruntime": ("blocks", "levels"),
    "openvino": (PLAIN, "channels_last"),
    "openvino_throughput": (PLAIN, "channels_last"),
    "tensorrt": ("casts",),
    "tensorrt_rtx": ("casts",),
}
"""Forms that a runtime takes on uint8 frames; any other runtime has only `plain`."""

FORM_OF: Mapping[str, Mapping[Kind, str]] = {
    "onnxruntime": {"float": "blocks", "int8": "levels"},
    "openvino": {"float": PLAIN, "int8": "channels_last"},
    "openvino_throughput": {"float": PLAIN, "int8": "channels_last"},
    "tensorrt": {"float": "casts", "int8": "casts"},
    "tensorrt_rtx": {"float": "casts", "int8": "casts"},
}
"""The fastest form of each runtime; `benchmarks/compare_forms.py` times all of them on any machine."""

PLAIN_ALONE: Mapping[str, tuple[str, ...]] = dict.fromkeys(
    ("openvino", "openvino_throughput"), ("bf16", "tool")
)
"""Precisions that a runtime runs only in the form `plain`; `tool` stands for graphs of other quantisers.

OpenVINO 2026.4 compiles the other forms in BF16, but fails on the first frame where two paths join
(espcn_anchor and the folded network): "Convolution node ... object is not initialized". It crashes while it
compiles onnxruntime's own graph of espcn_ycbcr.
"""


def form_of(runtime: str, kind: Kind) -> str:
    """Return the form of a runtime on uint8 frames, unless a study sets another."""
    return FORM_OF[runtime][kind] if runtime in FORM_OF else PLAIN


def write_form(onnx: Path, out: Path, form: str) -> None:
    """Write a network on float32 planes, in FP32 or as a Q/DQ graph, in a form on uint8 frames.

    Input `frame` is uint8 1 x H x W x 3; output `upscaled` depends on the form: see its module. The
    same file gives the same bytes. Raises UserError for an unknown form and for a file that is no such
    network.
    """
    if form not in FORMS:
        raise UserError(f"form of {onnx}: expected one of {', '.join(FORMS)}, found {form!r}")
    module, _, function = FORMS[form].partition(":")
    getattr(import_module(module), function)(onnx, out)
