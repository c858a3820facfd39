"""What the quantisation looks at in an ONNX graph: its convolutions and the tensors around them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from superres.device.errors import UserError


@dataclass(frozen=True)
class Convolution:
    """A Conv node by the names of its tensors.

    `data` and `weights` are what it reads. `result` is what it writes; `output` is the same after the
    ReLU that alone reads it, where there is one.
    """

    data: str
    weights: str
    result: str
    output: str


def load_onnx(path: Path) -> onnx.ModelProto:
    """Load an ONNX file; raises UserError if it is none."""
    try:
        model = onnx.load(str(path))
    except (OSError, DecodeError) as error:
        raise UserError(f"{path}: expected an ONNX file, found something else: {error}") from error
    if not model.graph.node:
        raise UserError(f"{path}: expected an ONNX graph with nodes, found an empty one")
    return model


def find_convolutions(model: onnx.ModelProto) -> list[Convolution]:
    """All Conv nodes of a graph in its (topological) order."""
    readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
    for node in model.graph.node:
        for name in node.input:
            readers[name].append(node)
    outputs = {output.name for output in model.graph.output}

    def after_relu(result: str) -> str:
        after = readers[result]
        if len(after) == 1 and after[0].op_type == "Relu" and result not in outputs:
            return after[0].output[0]
        return result

    return [
        Convolution(node.input[0], node.input[1], node.output[0], after_relu(node.output[0]))
        for node in model.graph.node
        if node.op_type == "Conv"
    ]


def observed_tensors(convolutions: Sequence[Convolution]) -> list[str]:
    """Names of the tensors whose ranges are measured: what each convolution reads and writes, each once."""
    names = [name for convolution in convolutions for name in (convolution.data, convolution.output)]
    return list(dict.fromkeys(names))
