"""Quantise an FP32 graph by another tool, and record its settings."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import onnx

from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs, sha256_file, write_json
from superres.models.graphs.footprint import REACH_PROPERTY
from superres.models.graphs.onnx_file import load_onnx
from superres.quantization.ranges.calibration import FrameFile, RandomImages, describe_data


@dataclass(frozen=True)
class Made:
    """A Q/DQ graph, the version of the tool that made it, and all its settings."""

    graph: onnx.ModelProto
    version: str
    settings: Mapping[str, Any]


class Quantizer(Protocol):
    """A module of this package."""

    def quantize(self, onnx_path: Path, preset: str, data: RandomImages | FrameFile) -> Made:
        """Return the tool's own Q/DQ graph of an FP32 graph."""
        ...


def quantize_by_tool(
    onnx_path: Path,
    tool: str,
    preset: str,
    data: RandomImages | FrameFile,
    *,
    onnx_out: Path,
    record_out: Path,
) -> None:
    """Write the Q/DQ graph of an FP32 graph by a tool, a module of `superres.quantization.tools`.

    The tool's graph is not changed. The record (JSON) has the tool's name, version and settings, and the
    images. Both outputs appear together; the same inputs give the same bytes. Raises UserError for a tool
    that isn't installed, or that has changed the graph's input or output.
    """
    module = cast(Quantizer, importlib.import_module(f"superres.quantization.tools.{tool}"))
    made = module.quantize(onnx_path, preset, data)
    before = load_onnx(onnx_path)
    _check_ends(before, made.graph, tool)
    # How far the network looks doesn't change, and tiles need it.
    made.graph.metadata_props.extend(entry for entry in before.metadata_props if entry.key == REACH_PROPERTY)
    onnx.checker.check_model(made.graph, full_check=True)
    record = {
        "tool": tool,
        "version": made.version,
        "preset": preset,
        "settings": dict(made.settings),
        "data": describe_data(data),
        "onnx_sha256": sha256_file(onnx_path),
    }
    with Outputs({"onnx": str(onnx_out), "record": str(record_out)}) as outputs:
        outputs["onnx"].write_bytes(made.graph.SerializeToString(deterministic=True))
        write_json(outputs["record"], record)


def _check_ends(before: onnx.ModelProto, after: onnx.ModelProto, tool: str) -> None:
    expected, found = (
        [
            (value.name, value.type.tensor_type.elem_type)
            for value in (*model.graph.input, *model.graph.output)
        ]
        for model in (before, after)
    )
    if found != expected:
        raise UserError(
            f"{tool}: expected a graph with the inputs and outputs (name, element type) {expected}, found "
            f"{found}"
        )
