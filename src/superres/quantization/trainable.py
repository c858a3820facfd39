"""The quantised convolutions of a graph as a torch network that rounds as its Q/DQ form."""

from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import helper
from torch import Tensor, nn
from torch.nn import functional

from superres.device.base.conventions import INT8_MAX
from superres.device.base.errors import UserError
from superres.models.graphs.onnx_file import Convolution, attributes, read_constants
from superres.quantization.grids import activation_grid, weight_grid
from superres.quantization.qdq import quantized_convolutions
from superres.quantization.ranges.record import TensorRange
from superres.quantization.state import (
    State,
    copy_graph,
    read_initializers,
    replace_initializers,
    writer,
)


class TrainableLayer(nn.Module):
    """A convolution, with its ReLU or Clip if any, and the grids of its data and weights.

    Weights, bias and the logarithms of the scales, relative to their first values, are trained; that of the
    data only with `learn_range`. The logarithm keeps scales positive and steps relative (S. Jain and
    others, "Trained Quantization Thresholds", arXiv:1903.08066, section 4.1).
    """

    data_scale: Tensor
    weight_scale: Tensor
    float_weight: Tensor
    float_bias: Tensor | None

    def __init__(self, convolution: Convolution, state: State, learn_range: bool):
        super().__init__()
        self.convolution = convolution
        node = writer(state.graph, convolution.result)
        self._border, self._options = _options(node, convolution)
        values = read_initializers(state.graph)
        self._limits = _limits(state.graph, convolution)
        weights = values[convolution.weights]
        data_grid = activation_grid(state.ranges.tensors[convolution.data], state.ranges)
        weights_grid = weight_grid(weights, state.ranges, convolution.weights)
        zero, kind = int(data_grid.zero_point), np.iinfo(data_grid.zero_point.dtype)
        self._most = state.ranges.weight_levels
        self._levels = (int(kind.min) - zero, int(kind.max) - zero)
        self.register_buffer("data_scale", torch.tensor(data_grid.scale))
        self.register_buffer("weight_scale", torch.tensor(weights_grid.scale).reshape(-1, 1, 1, 1))
        self.data_stretch = nn.Parameter(torch.zeros(()), requires_grad=learn_range)
        self.weight_stretch = nn.Parameter(torch.zeros_like(self.weight_scale))
        self.weight = nn.Parameter(torch.tensor(weights).contiguous(memory_format=torch.channels_last))
        self.bias_name = node.input[2] if len(node.input) == 3 else None
        self.bias = None if self.bias_name is None else nn.Parameter(torch.tensor(values[self.bias_name]))
        self.float_weight = self.weight.detach().clone(memory_format=torch.preserve_format)
        self.float_bias = None if self.bias is None else self.bias.detach().clone()

    def forward(self, data: Tensor) -> Tensor:
        """Return the layer's INT8 result, N x O x H x W."""
        low, high = self._levels
        data = fake_quantize(data, self.data_scale * self.data_stretch.exp(), low, high)
        return self._convolve(data, self.rounded_weight(), self.bias)

    def forward_float(self, data: Tensor) -> Tensor:
        """Return the layer's float result, with its weights before training."""
        return self._convolve(data, self.float_weight, self.float_bias)

    def rounded_weight(self) -> Tensor:
        """Return the weights on their grid, as far below 0 as above."""
        return fake_quantize(self.weight, self._weight_scale(), -self._most, self._most)

    def weight_amax(self) -> list[float]:
        """Return the largest magnitude of each output channel's weights, exact in float64."""
        scale = self._weight_scale().expand(self.weight.shape[0], 1, 1, 1)
        return [float(value) * self._most for value in scale.flatten()]

    def data_range(self, seen: TensorRange) -> TensorRange:
        """Return the trained range of the data; `seen` is the one before."""
        if not self.data_stretch.requires_grad:
            return seen
        scale = float(self.data_scale * self.data_stretch.exp())
        low, high = self._levels
        if low == -INT8_MAX - 1:
            return replace(seen, amax=scale * INT8_MAX)
        # The ends of uint8 levels, 0 included, give the same scale and zero-point again.
        return TensorRange(scale * low, scale * high, scale * max(-low, high))

    def _weight_scale(self) -> Tensor:
        return self.weight_scale * self.weight_stretch.exp()

    def _convolve(self, data: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if any(self._border):
            data = functional.pad(data, self._border)
        result = functional.conv2d(data, weight, bias, **self._options)
        low, high = self._limits
        if low == 0 and high is None:
            return functional.relu_(result)
        return result if low is None and high is None else result.clamp(low, high)


class TrainableChain(nn.Module):
    """The quantised convolutions of a state; each reads the output of the one before.

    Raises UserError for a graph with anything but a ReLU or a Clip between two of them. Convolutions in float
    must be outside; ONNX Runtime computes the nodes before the first.
    """

    def __init__(self, state: State):
        super().__init__()
        self.state = state
        found = quantized_convolutions(state.graph, state.ranges)
        _check_chain(state.graph, found)
        # The frame's range is right already, and a Clip's is known.
        self.layers = nn.ModuleList(
            TrainableLayer(convolution, state, learn_range=before is not None and before.activation != "Clip")
            for before, convolution in zip((None, *found), found, strict=False)
        )
        self._entry = Entry(state.graph, found[0].data)

    def enter(self, frames: np.ndarray) -> Tensor:
        """Return the first convolution's input for frames N x 3 x H x W, float32 RGB in [0, 1]."""
        return torch.from_numpy(self._entry.run(frames)).contiguous(memory_format=torch.channels_last)

    def forward(self, data: Tensor) -> Tensor:
        """Return the last convolution's result in INT8."""
        for layer in self.layers:
            data = layer(data)
        return data

    @torch.no_grad()
    def forward_float(self, data: Tensor) -> Tensor:
        """Return the last convolution's result in float, before training."""
        for layer in self.layers:
            assert isinstance(layer, TrainableLayer)
            data = layer.forward_float(data)
        return data

    @torch.no_grad()
    def export(self) -> State:
        """Return the trained state: weights on their grid, biases and ranges."""
        tensors, amax = dict(self.state.ranges.tensors), dict(self.state.ranges.weight_amax)
        values: dict[str, np.ndarray] = {}
        for layer in self.layers:
            assert isinstance(layer, TrainableLayer)
            convolution = layer.convolution
            values[convolution.weights] = layer.rounded_weight().numpy()
            amax[convolution.weights] = layer.weight_amax()
            tensors[convolution.data] = layer.data_range(tensors[convolution.data])
            if layer.bias_name is not None and layer.bias is not None:
                values[layer.bias_name] = layer.bias.numpy()
        graph = copy_graph(self.state.graph)
        replace_initializers(graph, values)
        return State(graph, replace(self.state.ranges, tensors=tensors, weight_amax=amax))


class Entry:
    """The part of a graph that leads to one tensor, run by ONNX Runtime on batches of frames."""

    def __init__(self, graph: onnx.ModelProto, name: str):
        self._frame, self._name, self._session = graph.graph.input[0].name, name, None
        if name == self._frame:
            return
        part = copy_graph(graph)
        nodes: list[onnx.NodeProto] = []
        wanted = {name}
        for node in reversed(part.graph.node):
            if wanted & set(node.output):
                nodes.insert(0, node)
                wanted.update(node.input)
        initializers = [tensor for tensor in part.graph.initializer if tensor.name in wanted]
        output = helper.make_empty_tensor_value_info(name)
        for field, kept in (("node", nodes), ("initializer", initializers), ("output", [output])):
            entries = getattr(part.graph, field)
            del entries[:]
            entries.extend(kept)
        for place, dim in enumerate(part.graph.input[0].type.tensor_type.shape.dim):
            if place != 1:
                dim.dim_param = f"any_{place}"
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = ort.InferenceSession(
            part.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def run(self, frames: np.ndarray) -> np.ndarray:
        """Return the tensor for frames N x 3 x H x W, float32."""
        if self._session is None:
            return frames
        return np.asarray(self._session.run([self._name], {self._frame: frames})[0])


def _check_chain(graph: onnx.ModelProto, convolutions: list[Convolution]) -> None:
    if not convolutions:
        raise UserError("step qat: expected convolutions to train, found none that is quantised")
    readers: dict[str, int] = defaultdict(int)
    for node in graph.graph.node:
        for name in node.input:
            readers[name] += 1
    for before, after in pairwise(convolutions):
        more = after.data != before.output or before.activation not in ("", "Relu", "Clip")
        if more or readers[before.output] > 1:
            raise UserError(
                "step qat: expected convolutions that follow each other with nothing but a ReLU or a Clip "
                f"between them, found {after.layer} after {before.layer} with more"
            )


def _limits(graph: onnx.ModelProto, convolution: Convolution) -> tuple[float | None, float | None]:
    """Return the least and the largest value after a convolution's ReLU or Clip; None for no limit."""
    if convolution.activation != "Clip":
        return (0.0 if convolution.activation == "Relu" else None), None
    constants = read_constants(graph)
    low, high, *_ = (*writer(graph, convolution.output).input[1:], "", "")
    return float(constants[low]) if low else None, float(constants[high]) if high else None


def _options(node: onnx.NodeProto, convolution: Convolution) -> tuple[tuple[int, ...], dict[str, Any]]:
    """Return a Conv node's attributes for torch, and the border that its padding needs before.

    Torch pads opposite sides alike. Raises UserError for automatic paddings.
    """
    found = attributes(node)
    top, left, bottom, right = found.get("pads", [0, 0, 0, 0])
    if found.get("auto_pad", b"NOTSET") != b"NOTSET":
        raise UserError(
            f"step qat: convolution {convolution.layer}: expected a padding in numbers, found auto_pad"
        )
    low, side = min(top, bottom), min(left, right)
    return (left - side, right - side, top - low, bottom - low), {
        "padding": (low, side),
        "stride": tuple(found.get("strides", [1, 1])),
        "dilation": tuple(found.get("dilations", [1, 1])),
        "groups": found.get("group", 1),
    }


def fake_quantize(values: Tensor, scale: Tensor, low: int, high: int) -> Tensor:
    """Return scale * clip(round(values / scale), low, high) in float32, as a Q/DQ pair computes it.

    `scale` is a scalar or, for weights O x I x kh x kw, O x 1 x 1 x 1; halves go to the even level. Gradients
    pass straight through the rounding and are 0 where values are clipped. That of `scale` is of S. Esser and
    others, "Learned Step Size Quantization", arXiv:1902.08153, equation 3, summed over all that share it.
    """
    return _Rounding.apply(values, scale, low, high)  # pyright: ignore[reportReturnType]


class _Rounding(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, scale: Tensor, low: int, high: int) -> Tensor:
        quotient = values / scale
        levels = quotient.round().clamp_(low, high)
        ctx.save_for_backward(quotient, levels, scale)
        return levels * scale

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        quotient, levels, scale = ctx.saved_tensors
        difference = quotient.sub_(levels)
        # A value that was rounded, not clipped, lies within half a level of its own.
        kept = difference.abs() <= 0.5
        of_scale = None
        if ctx.needs_input_grad[1]:
            slopes = torch.where(kept, difference.neg_(), levels).mul_(gradient)
            of_scale = slopes.sum() if scale.ndim == 0 else slopes.sum((1, 2, 3), keepdim=True)
        return (gradient * kept if ctx.needs_input_grad[0] else None), of_scale, None, None
