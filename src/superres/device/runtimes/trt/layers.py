"""The layers of an engine, and the ONNX nodes that each of them came from.

TensorRT describes them in the engine inspector's JSON, which needs a device, and in the builder's verbose
log, the only source if an engine is built without a device.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple

from superres.device.base.errors import UserError
from superres.device.runtimes.base import convolution_macs

LOG_START = "Layers:\n"
"""Start of the builder's message that names every layer."""

_FIELDS = re.compile(
    r"(?:^|, )(Name|LayerType|Inputs|Constants|Outputs|TacticName|StreamId|Metadata): (?![^{]*\})"
)
_TENSOR = re.compile(
    r"\{ Name: (?P<name>[^{}]*?), Dimensions: \[(?P<shape>[-\d,]*)\], [^{}]*?Datatype: (?P<type>\w+)"
)
_NODE = re.compile(r"\[ONNX Layer: ([^\]]+)\]")
UNKNOWN = "unknown"
"""Type of a tensor that TensorRT doesn't tell, as in engines for several sizes without a context."""

# Words in all versions' descriptions of formats; a longer word precedes one that it contains.
_WORDS = {
    "uint8": "UInt8",
    "int8": "Int8",
    "int32": "Int32",
    "int64": "Int64",
    "bool": "Bool",
    "bfloat16": "BFloat16",
    "bf16": "BFloat16",
    "fp16": "Half",
    "half": "Half",
    "fp32": "Float",
    "float": "Float",
}
# What a kernel's name says of a convolution whose tensors have no type: products of int8 by int8.
_INT8_TACTIC = re.compile(r"i8i8|imma|int8")


@dataclass(frozen=True)
class Tensor:
    """A tensor or constant that a layer reads or writes.

    Its `type` is in TensorRT's words: Float, Half, Int8, ..., or `UNKNOWN`.

    The `shape` of the inspector's constants is only their number of values.
    """

    name: str
    type: str
    shape: Tuple[int, ...]


@dataclass(frozen=True)
class Layer:
    """A layer of an engine; `nodes` are the names of the ONNX nodes that it computes, wholly or in part."""

    name: str
    kind: str
    inputs: Tuple[Tensor, ...]
    constants: Tuple[Tensor, ...]
    outputs: Tuple[Tensor, ...]
    nodes: Tuple[str, ...]
    tactic: str = ""

    @property
    def is_convolution(self) -> bool:
        """Return whether the layer multiplies: its arithmetic is then in the type of what it reads."""
        return "conv" in self.kind.lower() or self.kind == "correlation"

    @property
    def type(self) -> str:
        """Type of the layer's first input; if it is unknown, that of a convolution's weights or kernel."""
        found = self.inputs[0].type if self.inputs else ""
        if found != UNKNOWN or not self.is_convolution:
            return found
        weights = [tensor.type for tensor in self.constants if tensor.name == "weights"]
        if weights and weights[0] != UNKNOWN:
            return weights[0]
        return "Int8" if _INT8_TACTIC.search(self.tactic.lower()) else UNKNOWN


def read_build_log(text: str) -> List[Layer]:
    """The layers that the builder's verbose message `Layers:` names.

    Raises UserError if a line can't be read, as a new version could write it.
    """
    block = text[len(LOG_START) :].split("\n\n", 1)[0] if text.startswith(LOG_START) else text
    return [_from_log(line.strip()) for line in block.splitlines()]


def _from_log(line: str) -> Layer:
    # The split at field names gives a prefix, then names and values in turn.
    parts = _FIELDS.split(line)
    fields = dict(zip(parts[1::2], parts[2::2]))
    if not {"Name", "LayerType", "Inputs", "Outputs"} <= set(fields):
        raise UserError(f"TensorRT's build log: expected a layer, found {line[:80]!r}")
    return Layer(
        fields["Name"],
        fields["LayerType"],
        _read_tensors(fields["Inputs"]),
        _read_tensors(fields.get("Constants", "")),
        _read_tensors(fields["Outputs"]),
        tuple(_NODE.findall(fields.get("Metadata", ""))),
    )


def _read_tensors(text: str) -> Tuple[Tensor, ...]:
    return tuple(
        Tensor(found["name"], found["type"], tuple(int(size) for size in found["shape"].split(",") if size))
        for found in _TENSOR.finditer(text)
    )


def read_inspector(text: str) -> List[Layer]:
    """The layers in the engine inspector's JSON, of an engine that was built with detailed verbosity.

    Raises UserError for anything else, such as the names alone that other engines give.
    """
    try:
        entries = json.loads(text)["Layers"]
        return [_from_inspector(entry) for entry in entries]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"TensorRT's engine inspector: expected the layers in detail, found {text[:80]!r}; "
            "build the engine again"
        ) from error


def _from_inspector(entry: Mapping[str, Any]) -> Layer:
    nodes = _NODE.findall(str(entry.get("Metadata", "")))
    # Before TensorRT 8.6 there is no metadata; a layer's name then joins those of its nodes.
    nodes = nodes or [name.strip() for name in entry["Name"].split(" + ")]
    return Layer(
        entry["Name"],
        entry.get("ParameterType") or entry["LayerType"],
        tuple(_inspected_tensor(tensor) for tensor in entry["Inputs"]),
        tuple(
            Tensor(key.lower(), _type_in(str(entry[key].get("Type"))), (int(entry[key].get("Count", 0)),))
            for key in ("Weights", "Bias")
            if isinstance(entry.get(key), dict)
        ),
        tuple(_inspected_tensor(tensor) for tensor in entry["Outputs"]),
        tuple(nodes),
        str(entry.get("TacticName") or ""),
    )


def _inspected_tensor(entry: Mapping[str, Any]) -> Tensor:
    described = str(entry.get("Format/Datatype") or entry.get("Datatype"))
    return Tensor(entry["Name"], _type_in(described), tuple(entry.get("Dimensions", ())))


def _type_in(described: str) -> str:
    """Return the type that a description of a format names."""
    return next((name for word, name in _WORDS.items() if word in described.lower()), UNKNOWN)


def layer_macs(layer: Layer) -> Optional[int]:
    """Return a layer's multiply-adds: 0 if it doesn't convolve, None if weights or result are unknown."""
    if not layer.is_convolution:
        return 0
    weights = [
        tensor for tensor in layer.constants if "weight" in tensor.name.lower() or len(tensor.shape) > 2
    ]
    if not weights or not layer.outputs or len(layer.outputs[0].shape) != 4:
        return None
    return convolution_macs(weights[0].shape, *layer.outputs[0].shape[2:])


def count_convolutions(layers: Iterable[Layer]) -> Dict[str, int]:
    """Return the number of convolutions in each type, `UNKNOWN` among them."""
    counts: Dict[str, int] = {}
    for layer in layers:
        if layer.is_convolution:
            counts[layer.type] = counts.get(layer.type, 0) + 1
    return counts


def count_dla_layers(layers: Iterable[Layer]) -> int:
    """Return the number of layers that run on a DLA, each of which holds a part of the network."""
    return sum(layer.kind.lower() == "dla" or "ForeignNode" in layer.name for layer in layers)
