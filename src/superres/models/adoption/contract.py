"""The nodes around a foreign network: from the pipeline's frame to its input, and back to a picture.

Where the network begins or ends with convolutions, colours and ranges are multiplied into them; then an
adopted graph has no more nodes than one that was made for the pipeline.
"""

import json
from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper

from superres.device.base.conventions import INPUT, OUTPUT
from superres.models.adoption.ends import Ends
from superres.models.adoption.grown import PREFIX, GrownGraph
from superres.models.adoption.reading import LUMA_ROW, Reading, cubic
from superres.models.graphs.onnx_file import KEPT_FLOAT_PROPERTY, attributes

CLIP = f"{PREFIX}/Clip"
"""The name of the node that limits a picture, where the network's last one doesn't."""

Size = tuple[int, int]

_COLOURS = 3
_RADIUS = 2


def with_contract(
    model: onnx.ModelProto,
    ends: Ends,
    reading: Reading,
    *,
    scale: int,
    multiple: int,
    own: Size | None = None,
) -> onnx.ModelProto:
    """Return the graph from `frame`, float32 1 x 3 x H x W RGB in [0, 1], to `upscaled`, 1 x 3 x sH x sW.

    The network sees sides that are multiples of `multiple`, with repeated borders; with `own`, height and
    width, H and W are fixed. Convolutions that only mix colours, and the interpolation beside a network on
    luma, stay in float in INT8 graphs.
    """
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    return _Contract(copied, ends, reading, (scale, multiple, own)).write()


class _Contract(GrownGraph):
    """A foreign graph that gets the pipeline's ends."""

    def __init__(
        self, model: onnx.ModelProto, ends: Ends, reading: Reading, sizes: tuple[int, int, Size | None]
    ):
        super().__init__(model)
        self.ends, self.reading = ends, reading
        self.scale, self.multiple, self.own = sizes
        self.kept_float: list[str] = []

    def write(self) -> onnx.ModelProto:
        """Write the nodes and ends; returns the graph."""
        self.rename({INPUT: f"{PREFIX}/{INPUT}", OUTPUT: f"{PREFIX}/{OUTPUT}"})
        self.network_in = self.renamed(self.ends.input)
        self.network_out = self.renamed(self.ends.output)
        network = list(self.graph.node)
        self._front(network)
        self.nodes += network
        result = self._into_last() or self._back()
        if self.multiple > 1:
            result = self._crop(result)
        self._clip(result)
        self._levels_as_floats()
        self._finish()
        return self.model

    # In front of the network

    def _front(self, network: list[onnx.NodeProto]) -> None:
        matrix, offset = self.reading.to_network
        planes = self._pad(INPUT) if self.multiple > 1 else INPUT
        self.padded = planes
        readers = [node for node in network if self.network_in in node.input]
        plain = self.ends.layout == "NCHW" and self.ends.input_type != "uint8"
        if plain and not offset.any() and self._into_first(readers, matrix):
            self.rename({self.network_in: planes}, network)
            return
        planes = self._mix(planes, matrix, offset, "colours")
        if self.ends.input_type == "uint8":
            levels = self.add("Round", [planes], "rounded")
            limits = [self.store(name, np.float32(value)) for name, value in (("black", 0), ("white", 255))]
            levels = self.add("Clip", [levels, *limits], "limited")
            planes = self.add("Cast", [levels], "levels", to=TensorProto.UINT8)
        if self.ends.layout == "NHWC":
            planes = self.add("Transpose", [planes], "pixels", perm=[0, 2, 3, 1])
        self.rename({self.network_in: planes}, network)

    def _into_first(self, readers: Sequence[onnx.NodeProto], matrix: np.ndarray) -> bool:
        """Multiply the colours into the convolutions that alone read the input; False if others do."""
        if not readers or any(node.op_type != "Conv" or self.weights(node) is None for node in readers):
            return False
        if any(attributes(node).get("group", 1) != 1 for node in readers):
            return False
        if np.array_equal(matrix, np.eye(_COLOURS)):
            return True
        for node in readers:
            weights = self.weights(node)
            assert weights is not None
            mixed = np.einsum("ocyx,cd->odyx", weights.astype(np.float64), matrix)
            node.input[1] = self.store_beside(node.input[1], mixed)
        return True

    def _mix(self, planes: str, matrix: np.ndarray, offset: np.ndarray, name: str) -> str:
        """Add a convolution of one pixel that mixes channels; nothing if it would change nothing."""
        if np.array_equal(matrix, np.eye(len(matrix))) and not offset.any():
            return planes
        weights = self.store(f"{name}.weight", matrix[:, :, None, None].astype(np.float32))
        bias = self.store(f"{name}.bias", offset.astype(np.float32))
        mixed = self.add("Conv", [planes, weights, bias], name, kernel_shape=[1, 1])
        self.kept_float.append(mixed)
        return mixed

    def _pad(self, planes: str) -> str:
        """Repeat the last row and column up to a multiple of pixels."""
        two = self.store("multiple", np.full(2, self.multiple, np.int64))
        size = self._size_of(planes, "frame")
        over = self.add("Mod", [size, two], "over")
        missing = self.add("Mod", [self.add("Sub", [two, over], "short"), two], "missing")
        zeros = self.store("zeros", np.zeros(6, np.int64))
        pads = self.add("Concat", [zeros, missing], "pads", axis=0)
        return self.add("Pad", [planes, pads], "padded", mode="edge")

    def _size_of(self, planes: str, name: str) -> str:
        shape = self.add("Shape", [planes], f"{name}_shape")
        ends = [self.store(f"{name}_{at}", np.array([at], np.int64)) for at in (2, 4)]
        return self.add("Slice", [shape, *ends], f"{name}_size")

    # Behind the network

    def _back(self) -> str:
        result = self.network_out
        if self.ends.output_type == "uint8":
            result = self.add("Cast", [result], "float_levels", to=TensorProto.FLOAT)
        if self.ends.layout == "NHWC":
            result = self.add("Transpose", [result], "planes", perm=[0, 3, 1, 2])
        if self.ends.channels == _COLOURS:
            return self._mix(result, *self.reading.to_rgb, "rgb")
        factor, shift = self._luma_scale()
        gain = self.store("luma_gain", np.float32(1 / factor))
        luma = self.add("Mul", [result, gain], "luma_full")
        if shift:
            luma = self.add("Sub", [luma, self.store("luma_black", np.float32(shift / factor))], "luma")
        return self.add("Add", [self._chroma(), luma], "picture")

    def _luma_scale(self) -> tuple[float, float]:
        """Return factor and offset from full-range luma in [0, 1] to the network's result."""
        matrix, offset = self.reading.to_result
        return float(matrix.sum()), float(offset[0])

    def _chroma(self) -> str:
        """Return the enlarged frame without its luma."""
        return self.add("DepthToSpace", [self._chroma_blocks()], "chroma", blocksize=self.scale, mode="CRD")

    def _chroma_blocks(self) -> str:
        kernels = np.einsum("cd,pyx->cpdyx", np.eye(_COLOURS) - LUMA_ROW, enlarging_kernels(self.scale))
        weights = kernels.reshape(-1, _COLOURS, *kernels.shape[-2:]).astype(np.float32)
        border = self.store("skip.border", np.array([0, 0, _RADIUS, _RADIUS] * 2, np.int64))
        edged = self.add("Pad", [self.padded, border], "edged", mode="edge")
        blocks = self.add("Conv", [edged, self.store("skip.weight", weights)], "skip", kernel_shape=[5, 5])
        self.kept_float.append(blocks)
        return blocks

    def _into_last(self) -> str | None:
        """Multiply the way back into a last convolution before DepthToSpace; None where there is none.

        The convolution of a network on luma then writes its luma for each colour, and the enlarged chroma is
        added to its blocks (docs/networks.md).
        """
        found = self._last_convolution()
        if found is None:
            return None
        convolution, shuffle, weights = found
        spread = np.ones((_COLOURS, 1)) / self._luma_scale()[0]
        shift = np.full(_COLOURS, -self._luma_scale()[1] / self._luma_scale()[0])
        matrix, offset = (spread, shift) if self.ends.channels == 1 else self.reading.to_rgb
        channels = self.ends.channels
        order = attributes(shuffle).get("mode", b"DCR")
        blocks = weights.reshape(
            (-1, channels, *weights.shape[1:]) if order == b"DCR" else (channels, -1, *weights.shape[1:])
        )
        if order == b"DCR":
            blocks = blocks.swapaxes(0, 1)
        mixed = np.einsum("cd,dpiyx->cpiyx", matrix, blocks.astype(np.float64))
        convolution.input[1] = self.store_beside(convolution.input[1], mixed.reshape(-1, *weights.shape[1:]))
        self._mix_bias(convolution, matrix, offset, order)
        result = convolution.output[0]
        self.nodes.remove(shuffle)
        if self.ends.channels == 1:
            result = self.add("Add", [result, self._chroma_blocks()], "blocks")
        return self.add("DepthToSpace", [result], "picture", blocksize=self.scale, mode="CRD")

    def _mix_bias(
        self, convolution: onnx.NodeProto, matrix: np.ndarray, offset: np.ndarray, order: bytes
    ) -> None:
        squares = self.scale**2
        bias = np.zeros((self.ends.channels, squares))
        name = f"{PREFIX}/last.bias"
        if len(convolution.input) > 2:
            name = convolution.input[2]
            stored = self.constant(name)
            assert stored is not None
            bias = stored.reshape((squares, -1)).T if order == b"DCR" else stored.reshape((-1, squares))
        mixed = matrix @ bias.astype(np.float64) + offset[:, None]
        del convolution.input[2:]
        convolution.input.append(self.store_beside(name, mixed.reshape(-1)))

    def _last_convolution(self) -> tuple[onnx.NodeProto, onnx.NodeProto, np.ndarray] | None:
        """Return the last convolution, the DepthToSpace that alone reads it, and its weights."""
        if self.ends.layout != "NCHW" or self.ends.output_type == "uint8" or self.multiple > 1:
            return None
        writers = {output: node for node in self.nodes for output in node.output}
        shuffle = writers.get(self.network_out)
        if shuffle is None or shuffle.op_type != "DepthToSpace":
            return None
        convolution = writers.get(shuffle.input[0])
        if (
            convolution is None
            or convolution.op_type != "Conv"
            or attributes(convolution).get("group", 1) != 1
        ):
            return None
        alone = sum(convolution.output[0] in node.input for node in self.nodes) == 1
        weights = self.weights(convolution)
        constant = all(self.constant(name) is not None for name in convolution.input[1:])
        fits = attributes(shuffle).get("blocksize") == self.scale
        return (
            (convolution, shuffle, weights) if alone and constant and fits and weights is not None else None
        )

    def _crop(self, result: str) -> str:
        size = self._size_of(INPUT, "whole")
        ends = self.add("Mul", [size, self.store("scale", np.full(2, self.scale, np.int64))], "cropped_size")
        starts, axes = (
            self.store(name, np.array(value, np.int64))
            for name, value in (("starts", [0, 0]), ("axes", [2, 3]))
        )
        return self.add("Slice", [result, starts, ends, axes], "cropped")

    def _clip(self, result: str) -> None:
        """Limit the picture to [0, 1], unless the network's last node does."""
        last = next((node for node in self.nodes if result in node.output), None)
        limits = [self.constant(name) for name in last.input[1:]] if last and last.op_type == "Clip" else []
        if [None if limit is None else float(limit) for limit in limits] == [0.0, 1.0]:
            self.rename({result: OUTPUT}, self.nodes)
            return
        low, high = (self.store(name, np.float32(value)) for name, value in (("low", 0), ("high", 1)))
        self.nodes.append(helper.make_node("Clip", [result, low, high], [OUTPUT], CLIP))

    # The graph

    def _levels_as_floats(self) -> None:
        """Keep levels of 8 bits as floats of the same values: TensorRT has them at a graph's ends alone."""
        kinds = {node.op_type for node in self.nodes}
        typed = any(tensor.data_type == TensorProto.UINT8 for tensor in self.graph.initializer)
        if typed or kinds & {"QuantizeLinear", "DequantizeLinear", "ConvInteger", "QLinearConv"}:
            return
        for node in self.nodes:
            if node.op_type == "Cast" and attributes(node)["to"] == TensorProto.UINT8:
                node.CopyFrom(helper.make_node("Floor", node.input, node.output, node.name))

    def _finish(self) -> None:
        del self.graph.node[:]
        self.graph.node.extend(self.nodes)
        del self.graph.value_info[:]
        read = {name for node in self.graph.node for name in node.input}
        kept = [tensor for tensor in self.graph.initializer if tensor.name in read]
        del self.graph.initializer[:]
        self.graph.initializer.extend(kept)
        small, large = ("height", "width"), ("upscaled_height", "upscaled_width")
        if self.own is not None:
            small, large = self.own, tuple(self.scale * side for side in self.own)
        for values, name, sides in ((self.graph.input, INPUT, small), (self.graph.output, OUTPUT, large)):
            del values[:]
            values.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, _COLOURS, *sides]))
        for field in ("producer_name", "producer_version", "doc_string", "domain", "metadata_props"):
            self.model.ClearField(field)
        if self.kept_float:
            helper.set_model_props(self.model, {KEPT_FLOAT_PROPERTY: json.dumps(self.kept_float)})


def enlarging_kernels(scale: int) -> np.ndarray:
    """Return the kernels s s x 5 x 5 of bicubic interpolation, one for each sub-pixel, in CRD order."""
    offsets = np.arange(-_RADIUS, _RADIUS + 1)
    centres = (np.arange(scale) + 0.5) / scale - 0.5
    taps = cubic(offsets[None] - centres[:, None])
    return np.einsum("iy,jx->ijyx", taps, taps).reshape(scale**2, 2 * _RADIUS + 1, 2 * _RADIUS + 1)
