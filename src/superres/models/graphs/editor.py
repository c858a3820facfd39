"""Edit an ONNX graph in place: find, remove and add nodes, and give it uint8 frames as ends."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from superres.device.base.conventions import INPUT, OUTPUT
from superres.device.base.errors import UserError
from superres.models.graphs.footprint import scale_of
from superres.models.graphs.onnx_file import EARLY, SLOPED, attributes, load_onnx

PREFIX = "uint8"
"""The prefix of added nodes and tensors."""

Dims = Sequence[int | str]
"""Dimensions of an input or output: numbers, and names of dynamic ones."""


def check_ends(model: onnx.ModelProto, path: Path) -> None:
    """Raise UserError unless a graph takes and gives float32 planes by the usual names."""
    found = [_describe(value) for value in (*model.graph.input, *model.graph.output)]
    expected = [(INPUT, TensorProto.FLOAT, 3), (OUTPUT, TensorProto.FLOAT, 3)]
    if found != expected:
        raise UserError(
            f"{path}: expected float32 1 x 3 x H x W as {INPUT} and as {OUTPUT}, "
            f"found (name, element type, channels) {found}; export the model again"
        )


def _describe(value: onnx.ValueInfoProto) -> tuple[str, int, int | None]:
    """Return name, element type and channels of an input or output."""
    tensor = value.type.tensor_type
    shape = tensor.shape.dim
    return value.name, tensor.elem_type, shape[1].dim_value if len(shape) == 4 else None


class GraphEditor:
    """A graph that is rewritten in place; its ends passed `check_ends`."""

    def __init__(self, model: onnx.ModelProto):
        self.graph = model.graph
        self.scale = scale_of(model)
        self._nodes: list[onnx.NodeProto] = list(model.graph.node)

    @property
    def larger(self) -> tuple[str, str]:
        """Height and width of the output in words: `2H` and `2W`."""
        times = {0: "larger ", 1: ""}.get(self.scale, str(self.scale))
        return f"{times}H", f"{times}W"

    def take_clip(self) -> str:
        """Remove a final clip to [0, 1]; return the tensor to convert."""
        clip = self._writer_of(OUTPUT)
        if clip.op_type == "Clip" and [self.constant(name) for name in clip.input[1:]] == [0.0, 1.0]:
            self._remove(clip)
            return clip.input[0]
        return self.rename_output()

    def rename_output(self) -> str:
        """Rename the output tensor; return its new name."""
        source = f"{PREFIX}/planes_out"
        for node in self._nodes:
            node.input[:] = [source if name == OUTPUT else name for name in node.input]
            node.output[:] = [source if name == OUTPUT else name for name in node.output]
        return source

    def take_depth_to_space(self, source: str) -> str | None:
        """Remove the DepthToSpace that alone leads to `source`; return its input, None without one."""
        node = self._writer_of(source)
        size = self.shuffled(node)
        # A network that enlarges in two steps has blocks of a larger frame.
        if size is None or size != self.scale or self.readers(source):
            return None
        self._remove(node)
        return node.input[0]

    @staticmethod
    def shuffled(node: onnx.NodeProto) -> int | None:
        """Return the size of the blocks of a DepthToSpace in CRD order, None for any other node."""
        found = attributes(node)
        crd = node.op_type == "DepthToSpace" and found.get("mode") == b"CRD"
        return found["blocksize"] if crd else None

    def writer(self, name: str) -> onnx.NodeProto | None:
        """Return the node that writes a tensor; None for inputs and initializers."""
        return next((node for node in self._nodes if name in node.output), None)

    def readers(self, name: str) -> list[onnx.NodeProto]:
        """Return the nodes that read a tensor."""
        return [node for node in self._nodes if name in node.input]

    def initializer(self, name: str) -> onnx.TensorProto | None:
        """Return the initializer of a name, if there is one."""
        return next((tensor for tensor in self.graph.initializer if tensor.name == name), None)

    def constant(self, name: str) -> float | None:
        """Return a constant scalar's value, None for anything else."""
        tensors = [t for t in self.graph.initializer if t.name == name]
        for node in self._nodes:
            if node.op_type == "Constant" and name in node.output and node.attribute[0].name == "value":
                tensors.append(node.attribute[0].t)
        values = [numpy_helper.to_array(tensor) for tensor in tensors]
        return values[0].item() if values and values[0].size == 1 else None

    def round_once(self) -> None:
        """Remove the Q/DQ pair before each ReLU that an equal one follows; onnxruntime alone needs both.

        Rounding and limiting give the same before and after the ReLU, since 0 is a level. So they do for a
        clip. A pair before a LeakyReLU or PReLU that was inserted for onnxruntime is removed too.
        """
        for node in [node for node in self._nodes if node.op_type in ("Relu", "Clip")]:
            self._round_once(node)
        for node in [node for node in self._nodes if node.op_type in SLOPED and EARLY in node.input[0]]:
            last = self._writer_of(node.input[0])
            first = self._writer_of(last.input[0])
            node.input[0] = first.input[0]
            for each in (last, first):
                self._remove(each)

    def _round_once(self, relu: onnx.NodeProto) -> None:
        last, after = self.writer(relu.input[0]), self.readers(relu.output[0])
        first = (
            self.writer(last.input[0]) if last is not None and last.op_type == "DequantizeLinear" else None
        )
        if last is None or first is None or first.op_type != "QuantizeLinear" or len(after) != 1:
            return
        alone = len(self.readers(first.output[0])) == len(self.readers(relu.input[0])) == 1
        if alone and self._grid(first) is not None and self._grid(first) == self._grid(after[0]):
            relu.input[0] = first.input[0]
            for node in (last, first):
                self._remove(node)

    def _grid(self, node: onnx.NodeProto) -> tuple[float, int, int] | None:
        """Return scale, zero-point and type of a QuantizeLinear with one scale, both constant; else None."""
        if node.op_type != "QuantizeLinear" or len(node.input) < 3:
            return None
        scale, zero, tensor = (*map(self.constant, node.input[1:3]), self.initializer(node.input[2]))
        if scale is None or zero is None or tensor is None:
            return None
        return scale, int(zero), tensor.data_type

    def add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Append a node; return the name of its output."""
        name = output if output == OUTPUT else f"{PREFIX}/{output}"
        self._nodes.append(helper.make_node(kind, inputs, [name], name=f"{PREFIX}/{output}", **attributes))
        return name

    def store(self, name: str, value: np.ndarray | np.generic) -> str:
        """Store a constant; return its name."""
        self.graph.initializer.append(numpy_helper.from_array(np.asarray(value), f"{PREFIX}/{name}"))
        return f"{PREFIX}/{name}"

    def add_front(self, add_planes: Callable[[], str]) -> None:
        """Insert the nodes of `add_planes` in front of the network, which then reads their output."""
        network, self._nodes = self._nodes, []
        planes = add_planes()
        for node in network:
            for i, name in enumerate(node.input):
                if name == INPUT:
                    node.input[i] = planes
        self._nodes += network

    def add_planes(self, levels: str, name: str = "") -> str:
        """Add nodes from levels to float32 planes in [0, 1]; they transpose first, as uint8 is small."""
        planes = self.add("Transpose", [levels], f"{name}level_planes", perm=[0, 3, 1, 2])
        planes = self.add("Cast", [planes], f"{name}float_levels", to=TensorProto.FLOAT)
        return self.add("Div", [planes, self.store(f"{name}white", np.float32(255))], f"{name}planes")

    def add_levels(self, planes: str) -> str:
        """Add QuantizeLinear from float32 to levels: it scales, rounds half to even and limits."""
        step = self.store("step", np.float32(1) / np.float32(255))
        return self.add("QuantizeLinear", [planes, step, self.store("black", np.uint8(0))], "levels")

    def finish(self, frame: Dims, upscaled: Dims) -> None:
        """Put the nodes into the graph and make its ends uint8."""
        del self.graph.node[:]
        self.graph.node.extend(self._nodes)
        self.graph.ClearField("value_info")
        for value, dims in ((self.graph.input[0], frame), (self.graph.output[0], upscaled)):
            value.CopyFrom(helper.make_tensor_value_info(value.name, TensorProto.UINT8, dims))

    def _writer_of(self, name: str) -> onnx.NodeProto:
        return next(node for node in self._nodes if name in node.output)

    def _remove(self, node: onnx.NodeProto) -> None:
        """Remove a node, and the constants that only it reads."""
        self._nodes.remove(node)
        still_read = {name for other in self._nodes for name in other.input}
        self._nodes = [
            other for other in self._nodes if other.op_type != "Constant" or other.output[0] in still_read
        ]
        kept = [t for t in self.graph.initializer if t.name in still_read]
        del self.graph.initializer[:]
        self.graph.initializer.extend(kept)


def frame_graph(onnx_path: Path) -> onnx.ModelProto:
    """Return a network on float32 planes, in FP32 or as a Q/DQ graph, with uint8 frames as both ends.

    For networks that don't end in blocks, such as ESPCN_YCbCr; the others are faster as `blocks`, `levels` or
    `channels_last`. Input `frame` uint8 1 x H x W x 3, output `upscaled` uint8 1 x sH x sW x 3: round(255 x),
    half to even, limited to 0..255, of the network's output x for frame / 255. Its own clip is removed. The
    opset stays. Raises UserError if it is not such a network.
    """
    model = load_onnx(onnx_path)
    check_ends(model, onnx_path)
    graph = GraphEditor(model)
    source = graph.take_clip()
    graph.add_front(lambda: graph.add_planes(INPUT))
    graph.add("Transpose", [graph.add_levels(source)], OUTPUT, perm=[0, 2, 3, 1])
    graph.finish((1, "H", "W", 3), (1, *graph.larger, 3))
    return model
