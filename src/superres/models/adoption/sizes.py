"""Sizes that a foreign graph takes: make fixed ones dynamic, and find the multiple that sides must be of."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from superres.device.base.errors import UserError
from superres.models.adoption.ends import Ends
from superres.models.adoption.rewriting import first_line, with_size
from superres.models.graphs.onnx_file import attributes, known_shapes

MULTIPLES = (1, 2, 4, 8, 16, 32, 64)
_DTYPES = {"uint8": np.uint8}


@dataclass(frozen=True)
class Sizes:
    """A graph that takes any sides that are multiples of `multiple`, and its scale."""

    model: onnx.ModelProto
    multiple: int
    scale: int


def with_any_size(model: onnx.ModelProto, ends: Ends, where: str) -> Sizes:
    """Return a graph for any size with its scale, found by running it.

    Raises UserError for a graph that only takes its own size, whose result isn't a whole number of times as
    large, or that onnxruntime can't run.
    """
    dynamic = with_size(model, ends.input, ends.dims("height", "width"))
    failures: list[str] = []
    for candidate in (dynamic, _unfixed(model, ends)):
        if candidate is None:
            continue
        for multiple in MULTIPLES:
            try:
                return Sizes(candidate, multiple, _scale(candidate, ends, multiple, where))
            except _WrongSizeError as error:
                failures.append(str(error))
    if ends.size is not None:
        height, width = ends.size
        raise UserError(
            f"{where}: expected a graph for pictures of any size, found one that only takes "
            f"{width}x{height}: {failures[0]}; export it with dynamic height and width"
        )
    raise UserError(f"{where}: expected a graph that onnxruntime runs, found: {failures[0]}")


class _WrongSizeError(Exception):
    """The graph doesn't take a size, or gives no result of the right one."""


def runner(model: onnx.ModelProto, ends: Ends) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function that runs the graph; raises onnxruntime's errors."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda batch: np.asarray(session.run([ends.output], {ends.input: batch})[0])


def _scale(model: onnx.ModelProto, ends: Ends, multiple: int, where: str) -> int:
    try:
        run = runner(model, ends)
    except Exception as error:
        raise _WrongSizeError(first_line(error)) from error
    scales = set()
    steps = math.ceil(24 / multiple)
    for height, width in ((steps + 1, steps + 2), (steps + 4, steps + 2)):
        size = (multiple * height, multiple * width)
        batch = np.zeros(ends.dims(*size), _DTYPES.get(ends.input_type, np.float32))
        try:
            result = run(batch)
        except Exception as error:
            raise _WrongSizeError(f"{size[1]}x{size[0]}: {first_line(error)}") from error
        scales.add(_ratio(result.shape, size, ends, where))
    if len(scales) != 1:
        raise _WrongSizeError("the output doesn't grow with the input")
    return scales.pop()


def _ratio(shape: tuple[int, ...], size: tuple[int, int], ends: Ends, where: str) -> int:
    if len(shape) != 4:
        raise UserError(
            f"{where}: expected a network from one picture to one (4 dimensions), found an output of "
            f"{' x '.join(map(str, shape))}"
        )
    sides = shape[2:4] if ends.layout == "NCHW" else shape[1:3]
    channels = shape[1 if ends.layout == "NCHW" else -1]
    if channels != ends.channels:
        raise UserError(
            f"{where}: expected a picture of {ends.channels} channels as output, as the input has, found "
            f"{' x '.join(map(str, shape))}"
        )
    found = [side / whole for side, whole in zip(sides, size, strict=True)]
    if found[0] == found[1] and found[0] != int(found[0]) and found[0] > 1:
        raise UserError(f"{where}: expected a scale of a whole number, found {found[0]:g}")
    if found[0] != found[1] or not 1 <= found[0] <= 8 or found[0] != int(found[0]):
        raise _WrongSizeError(
            f"an input of {size[1]}x{size[0]} gives {' x '.join(map(str, shape))}, which is no picture of it"
        )
    return int(found[0])


def _unfixed(model: onnx.ModelProto, ends: Ends) -> onnx.ModelProto | None:
    """Return a graph without the sizes that its export wrote into it; None if it has none of its own.

    Resizes to a size become resizes by a factor, and reshapes around a transposition DepthToSpace.
    """
    if ends.size is None:
        return None
    shapes = known_shapes(model, ends.dims(*ends.size))
    copied = with_size(model, ends.input, ends.dims("height", "width"))
    for node in copied.graph.node:
        if node.op_type == "Resize":
            _resize_by_factor(node, shapes, copied.graph)
    _shuffle(copied, shapes)
    return copied


def _resize_by_factor(
    node: onnx.NodeProto, shapes: Mapping[str, tuple[int, ...]], graph: onnx.GraphProto
) -> None:
    before, after = shapes.get(node.input[0], ()), shapes.get(node.output[0], ())
    if len(node.input) < 4 or not node.input[3] or not before or len(before) != len(after):
        return
    factors = np.array(after, np.float32) / np.array(before, np.float32)
    name = f"{node.output[0]}/factors"
    graph.initializer.append(numpy_helper.from_array(factors, name))
    node.input[:] = [node.input[0], node.input[1], name]


# Orders of the axes (batch, channels, rows, columns) around a transposition that moves blocks of pixels.
_TO_SPACE: dict[tuple[int, ...], str] = {(0, 1, 4, 2, 5, 3): "CRD", (0, 3, 4, 1, 5, 2): "DCR"}


def _shuffle(model: onnx.ModelProto, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Replace reshape, transposition of six axes and reshape by DepthToSpace."""
    writers = {output: node for node in model.graph.node for output in node.output}
    for last in list(model.graph.node):
        transposed = writers.get(last.input[0]) if last.op_type == "Reshape" else None
        if transposed is None or transposed.op_type != "Transpose":
            continue
        first = writers.get(transposed.input[0])
        order = tuple(attributes(transposed).get("perm", ()))
        if first is None or first.op_type != "Reshape" or order not in _TO_SPACE:
            continue
        before, after = shapes.get(first.input[0], ()), shapes.get(last.output[0], ())
        if len(before) != 4 or len(after) != 4 or after[2] % before[2]:
            continue
        replaced = helper.make_node(
            "DepthToSpace",
            [first.input[0]],
            list(last.output),
            last.name,
            blocksize=after[2] // before[2],
            mode=_TO_SPACE[order],
        )
        last.CopyFrom(replaced)
    _drop_unread(model)


def _drop_unread(model: onnx.ModelProto) -> None:
    """Remove nodes whose results nothing reads."""
    wanted = {value.name for value in model.graph.output}
    kept = []
    for node in reversed(model.graph.node):
        if wanted & set(node.output):
            kept.append(node)
            wanted |= set(node.input)
    del model.graph.node[:]
    model.graph.node.extend(reversed(kept))
