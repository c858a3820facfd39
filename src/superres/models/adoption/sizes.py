"""Sizes that a foreign graph takes: make fixed ones dynamic, and find the multiple that sides must be of."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import gcd
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from superres.device.base.errors import UserError
from superres.device.base.words import counted
from superres.keys import SCALES
from superres.models.adoption.ends import Ends
from superres.models.adoption.rewriting import first_line, with_size
from superres.models.graphs.onnx_file import attributes
from superres.models.graphs.shapes import known_shapes

_MOST_MULTIPLE = 64
_LEAST_SIDE = 24
_DTYPES = {"uint8": np.uint8, "float16": np.float16, "double": np.float64}


@dataclass(frozen=True)
class Sizes:
    """A graph that takes any sides that are multiples of `multiple`, and its scale.

    If it only takes pictures of one size, that is `own`, height and width.
    """

    model: onnx.ModelProto
    multiple: int
    scale: int
    own: tuple[int, int] | None = None


def with_any_size(model: onnx.ModelProto, ends: Ends, where: str) -> Sizes:
    """Return a graph for any size with its scale, found by running it; of its own size if it takes no other.

    Raises UserError for a graph whose result isn't a whole number of times as large, or that onnxruntime
    can't run.
    """
    dynamic = with_size(model, ends.input, ends.dims("height", "width"))
    failures: list[_WrongSizeError] = []
    for candidate in (dynamic, _unfixed(model, ends)):
        if candidate is None:
            continue
        try:
            return _of_any_size(candidate, ends, where)
        except _WrongSizeError as error:
            failures.append(error)
    if ends.size is not None:
        fixed = with_size(model, ends.input, ends.dims(*ends.size))
        try:
            return Sizes(fixed, 1, _scale_at(_runner(fixed, ends), ends, ends.size, where), ends.size)
        except _WrongSizeError as error:
            failures.insert(0, error)
    if isinstance(failures[0], _NoWholeScaleError):
        raise UserError(f"{where}: {failures[0]}")
    raise UserError(f"{where}: expected a graph that onnxruntime runs, found: {failures[0]}")


def _of_any_size(model: onnx.ModelProto, ends: Ends, where: str) -> Sizes:
    """Return a graph with the least multiple that its sides must be of, else raise _WrongSizeError."""
    run = _runner(model, ends)
    failures = []
    for multiple in _multiples(ends):
        try:
            return Sizes(model, multiple, _scale(run, ends, multiple, where))
        except _WrongSizeError as error:
            failures.append(error)
    raise next((error for error in failures if isinstance(error, _NoWholeScaleError)), failures[0])


def _multiples(ends: Ends) -> Sequence[int]:
    """Return the multiples that sides may have to be of: only those of its own size, if it has one."""
    every = range(1, _MOST_MULTIPLE + 1)
    return every if ends.size is None else [each for each in every if gcd(*ends.size) % each == 0]


def _runner(model: onnx.ModelProto, ends: Ends) -> Callable[[np.ndarray], np.ndarray]:
    try:
        return runner(model, ends)
    except Exception as error:
        raise _WrongSizeError(first_line(error)) from error


class _WrongSizeError(Exception):
    """The graph doesn't take a size, or gives no result of the right one."""


class _NoWholeScaleError(_WrongSizeError):
    """The result is no picture that is a whole number of times as large."""


def runner(model: onnx.ModelProto, ends: Ends) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function that runs the graph; raises onnxruntime's errors."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda batch: np.asarray(session.run([ends.output], {ends.input: batch})[0])


def typed(batch: np.ndarray, kind: str) -> np.ndarray:
    """Return values in the type that a graph takes; `kind` is its name in ONNX."""
    return batch.astype(_DTYPES.get(kind, np.float32))


@contextmanager
def refusing_broken(source: Path, where: str) -> Iterator[None]:
    """Raise UserError, naming `where`, for an exception in work on a graph that onnxruntime can't run either.

    Tensors whose shapes don't fit show in any step. Other exceptions propagate: the graph is sound.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        found = _why_it_fails(source)
        if found is None:
            raise
        raise UserError(f"{where}: expected a graph that onnxruntime runs, found: {found}") from error


def _why_it_fails(source: Path) -> str | None:
    """Return why onnxruntime can't run a file on a picture of its own size or of 64x64; None if it can."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
        feeds = {}
        for value in session.get_inputs():
            first, *rest = (dim if isinstance(dim, int) and dim > 0 else None for dim in value.shape)
            zeros = np.zeros([first or 1, *(dim or _MOST_MULTIPLE for dim in rest)])
            feeds[value.name] = typed(zeros, value.type.removeprefix("tensor(").removesuffix(")"))
        session.run(None, feeds)
    except Exception as error:  # noqa: BLE001 - whatever it is, the graph doesn't run
        return first_line(error)
    return None


def _scale(run: Callable[[np.ndarray], np.ndarray], ends: Ends, multiple: int, where: str) -> int:
    """Return the scale of a graph for sides that are multiples, by pictures of several sizes."""
    scales = set()
    # Beyond its own size too, as a graph may cut its result to the size that it was exported for.
    least = [-(-side // multiple) for side in (ends.size or (_LEAST_SIDE, _LEAST_SIDE))]
    small = -(-_LEAST_SIDE // multiple)
    # No number divides all of these sides, so none but the multiple is needed.
    for height, width in ((small + 1, small + 2), (small + 4, small + 2), (least[0] + 3, least[1] + 5)):
        scales.add(_scale_at(run, ends, (multiple * height, multiple * width), where))
    if len(scales) != 1:
        raise _WrongSizeError("the output doesn't grow with the input")
    return scales.pop()


def _scale_at(run: Callable[[np.ndarray], np.ndarray], ends: Ends, size: tuple[int, int], where: str) -> int:
    batch = typed(np.zeros(ends.dims(*size)), ends.input_type)
    try:
        result = run(batch)
    except Exception as error:
        raise _WrongSizeError(f"{size[1]}x{size[0]}: {first_line(error)}") from error
    return _ratio(result.shape, size, ends, where)


def _ratio(shape: tuple[int, ...], size: tuple[int, int], ends: Ends, where: str) -> int:
    if len(shape) != 4:
        raise UserError(
            f"{where}: expected a network from one picture to one (4 dimensions), found an output of "
            f"{' x '.join(map(str, shape))}; name another file, or export a network that gives pictures"
        )
    sides = shape[2:4] if ends.layout == "NCHW" else shape[1:3]
    channels = shape[1 if ends.layout == "NCHW" else -1]
    if channels != ends.channels:
        raise UserError(
            f"{where}: expected a picture of {counted(ends.channels, 'channel')} as output, as the input "
            f"has, found {' x '.join(map(str, shape))}; export the network with the same at both ends"
        )
    found = [side / whole for side, whole in zip(sides, size, strict=True)]
    if found[0] != found[1] or found[0] not in SCALES:
        raise _NoWholeScaleError(
            f"expected a picture a whole number of times ({SCALES[0]} to {SCALES[-1]}) as wide and high as "
            f"the input, found {sides[1]}x{sides[0]} from {size[1]}x{size[0]} (x{found[1]:.3g}); export a "
            "network that gives such a picture, with padded convolutions"
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
# SpaceToDepth has the pixels of a block outside its channels (DCR); torch has them inside (CRD).
_TO_DEPTH: dict[tuple[int, ...], str] = {(0, 1, 3, 5, 2, 4): "CRD", (0, 3, 5, 1, 2, 4): "DCR"}


def _shuffle(model: onnx.ModelProto, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Replace reshape, transposition of six axes and reshape by DepthToSpace or SpaceToDepth."""
    added: list[tuple[onnx.NodeProto, onnx.NodeProto]] = []
    writers = {output: node for node in model.graph.node for output in node.output}
    for last in list(model.graph.node):
        transposed = writers.get(last.input[0]) if last.op_type == "Reshape" else None
        if transposed is None or transposed.op_type != "Transpose":
            continue
        first = writers.get(transposed.input[0])
        order = tuple(attributes(transposed).get("perm", ()))
        if first is None or first.op_type != "Reshape" or order not in {*_TO_SPACE, *_TO_DEPTH}:
            continue
        before, after = shapes.get(first.input[0], ()), shapes.get(last.output[0], ())
        if len(before) != 4 or len(after) != 4:
            continue
        if order in _TO_DEPTH and before[2] % after[2] == 0:
            added += _to_depth(model.graph, first, last, before, before[2] // after[2])
            continue
        if order not in _TO_SPACE or after[2] % before[2]:
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
    for node, before_node in added:
        model.graph.node.insert(list(model.graph.node).index(before_node), node)
    _drop_unread(model)


def _order(graph: onnx.GraphProto, last: onnx.NodeProto) -> tuple[int, ...]:
    """Return the order of the axes in the transposition before a reshape."""
    transposed = next(node for node in graph.node if last.input[0] in node.output)
    return tuple(attributes(transposed)["perm"])


def _to_depth(
    graph: onnx.GraphProto, first: onnx.NodeProto, last: onnx.NodeProto, before: tuple[int, ...], block: int
) -> list[tuple[onnx.NodeProto, onnx.NodeProto]]:
    """Replace reshapes up to `last` by SpaceToDepth; return nodes to insert, each with its follower."""
    source, result, channels = first.input[0], last.output[0], before[1]
    if _TO_DEPTH[_order(graph, last)] == "DCR":
        last.CopyFrom(helper.make_node("SpaceToDepth", [source], [result], last.name, blocksize=block))
        return []
    moved, places = f"{result}/blocks", f"{result}/order"
    inside = np.arange(channels * block**2).reshape(block**2, channels).T.reshape(-1)
    graph.initializer.append(numpy_helper.from_array(inside.astype(np.int64), places))
    last.CopyFrom(helper.make_node("Gather", [moved, places], [result], last.name, axis=1))
    return [(helper.make_node("SpaceToDepth", [source], [moved], moved, blocksize=block), last)]


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
