"""Inputs, outputs, layout and types of a foreign graph."""

from dataclasses import dataclass
from typing import TypeVar

import onnx
from onnx import TensorProto

from superres.device.base.errors import UserError
from superres.models.adoption.statements import Adoption, Layout

_Side = TypeVar("_Side", int, str)

TYPES: dict[int, str] = {
    TensorProto.FLOAT: "float32",
    TensorProto.FLOAT16: "float16",
    TensorProto.UINT8: "uint8",
    TensorProto.BFLOAT16: "bfloat16",
    TensorProto.DOUBLE: "float64",
}
COLOUR_CHANNELS = (1, 3)


@dataclass(frozen=True)
class Ends:
    """The ends of a network: names, layout, number of channels, types, and its own size if it is fixed.

    Types are names of numpy's. `size` is (height, width) as the file states it, None where it is dynamic.
    """

    input: str
    output: str
    layout: Layout
    channels: int
    input_type: str
    output_type: str
    size: tuple[int, int] | None

    def dims(self, height: _Side, width: _Side) -> "list[int | _Side]":
        """Return the dimensions of an input of a size, in the network's layout."""
        channels = self.channels
        return [1, channels, height, width] if self.layout == "NCHW" else [1, height, width, channels]


def find_ends(model: onnx.ModelProto, stated: Adoption, where: str) -> Ends:
    """Return the ends of a graph; `where` names its file in messages.

    Raises UserError for a graph without exactly one image as input and one as output, as far as the
    statements don't decide.
    """
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    image_in = _chosen(inputs, stated.input, where, "input")
    image_out = _chosen(list(model.graph.output), stated.output, where, "output")
    if others := [value.name for value in inputs if value.name != image_in.name]:
        raise UserError(
            f"{where}: expected the picture as the only input, found {', '.join(others)} besides "
            f"{image_in.name}; export the network without them"
        )
    if image_out.name == image_in.name:
        raise UserError(
            f"{where}: expected a network between input and output, found {image_in.name} as both; export it "
            "again"
        )
    layout = stated.layout or _layout(image_in, where)
    dims = _dims(image_in)
    channels = dims[1] if layout == "NCHW" else dims[3]
    if channels not in COLOUR_CHANNELS:
        raise UserError(
            f"{where}: expected 3 channels (colours) or 1 (luma) at the input {image_in.name}, found "
            f"{channels or 'an unknown number'} ({_shape(image_in)}); export the network with such an input"
        )
    side = dims[2:4] if layout == "NCHW" else dims[1:3]
    size = (side[0], side[1]) if side[0] and side[1] else None
    return Ends(
        image_in.name,
        image_out.name,
        layout,
        channels,
        _type(image_in, where),
        _type(image_out, where),
        size,
    )


def _chosen(
    values: list[onnx.ValueInfoProto], stated: str | None, where: str, kind: str
) -> onnx.ValueInfoProto:
    """Return the value that is a picture, or the stated one."""
    if stated is not None:
        for value in values:
            if value.name == stated:
                return value
        names = ", ".join(value.name for value in values)
        raise UserError(f"{where}: expected the {kind} {stated} that the study names, found {names}")
    # The number of dimensions is unknown for some outputs.
    pictures = [value for value in values if len(_dims(value)) in (0, 4)]
    if len(pictures) != 1:
        found = "; ".join(f"{value.name} ({_shape(value)})" for value in values) or "none"
        raise UserError(
            f"{where}: expected a network from one picture to one (4 dimensions), found as {kind} {found}"
            + (f"; name it by the key {kind}" if pictures else "; export a network from pictures to pictures")
        )
    return pictures[0]


def _layout(value: onnx.ValueInfoProto, where: str) -> Layout:
    dims = _dims(value)
    if len(dims) != 4:
        raise UserError(
            f"{where}: expected 4 dimensions at {value.name}, found {_shape(value)}; export it with a batch, "
            "channels, rows and columns"
        )
    first, last = dims[1] in COLOUR_CHANNELS, dims[3] in COLOUR_CHANNELS
    if last and not first:
        return "NHWC"
    if first and last:
        raise UserError(
            f"{where}: expected channels first or last at {value.name}, found {_shape(value)}, which may be "
            "both; state the key layout"
        )
    return "NCHW"


def _type(value: onnx.ValueInfoProto, where: str) -> str:
    found = value.type.tensor_type.elem_type
    if found not in TYPES:
        name = TensorProto.DataType.Name(found).lower()
        raise UserError(
            f"{where}: expected {', '.join(TYPES.values())} at {value.name}, found {name}; export it with "
            "floats"
        )
    return TYPES[found]


def _dims(value: onnx.ValueInfoProto) -> list[int]:
    """Return the dimensions; 0 where one is dynamic."""
    return [max(0, dim.dim_value) for dim in value.type.tensor_type.shape.dim]


def _shape(value: onnx.ValueInfoProto) -> str:
    dims = value.type.tensor_type.shape.dim
    return " x ".join(str(dim.dim_value or dim.dim_param or "?") for dim in dims) or "of unknown shape"
