"""Foreign networks that depend on their size: of one size, on windows, at a smaller size inside."""

from pathlib import Path

import numpy as np

from .foreign import Builder, bilinear_kernels

SIZE = (48, 64)
"""The one size of the networks that have one."""

_WINDOW = 8


def _enlarge(graph: Builder, x: str, scale: int = 2) -> str:
    """Add a convolution and the shuffle of its pixels."""
    x = graph.add("Conv", [x, graph.store("w", bilinear_kernels(scale, 3))], "blocks", pads=[1] * 4)
    return graph.add("DepthToSpace", [x], "result", blocksize=scale, mode="CRD")


def _write(graph: Builder, path: Path, fixed: bool, scale: int = 2) -> Path:
    sides = SIZE if fixed else ("h", "w")
    large = tuple(scale * side for side in SIZE) if fixed else ("a", "b")
    return graph.write(path, [1, 3, *sides], [1, 3, *large])


def flattened(path: Path, *, fixed: bool = True) -> Path:
    """Two convolutions; pixels as one row in between, which fixes their number."""
    graph = Builder()
    identity = np.zeros((3, 3, 3, 3), np.float32)
    identity[range(3), range(3), 1, 1] = 1
    x = graph.add("Conv", ["image", graph.store("first", identity)], "first_out", pads=[1] * 4)
    if fixed:
        row = graph.store("row", np.array([1, 3, SIZE[0] * SIZE[1]]))
        x = graph.add("Softplus", [graph.add("Reshape", [x, row], "flat")], "curved")
        x = graph.add("Reshape", [x, graph.store("planes", np.array([1, 3, *SIZE]))], "planes_out")
    else:
        x = graph.add("Softplus", [x], "planes_out")
    # The inverse of softplus, pixel by pixel.
    x = graph.add(
        "Log", [graph.add("Sub", [graph.add("Exp", [x], "e"), graph.store("one", np.float32(1))], "m")], "x"
    )
    _enlarge(graph, x)
    return _write(graph, path, fixed)


def windows(path: Path, *, fixed: bool = True) -> Path:
    """A product within windows of 8 x 8 pixels, as transformers have it; sides must be multiples of 8."""
    graph = Builder()
    pixels = _WINDOW**2
    random = np.random.default_rng(8)
    mixing = (np.eye(pixels) + 0.02 * random.standard_normal((pixels, pixels)) / _WINDOW).astype(np.float32)
    eight = graph.store("eight", np.array([_WINDOW], np.int64))
    three, one = graph.store("three", np.array([3], np.int64)), graph.store("one", np.array([1], np.int64))
    if fixed:
        parts = [graph.store(f"parts{i}", np.array([SIZE[i] // _WINDOW], np.int64)) for i in (0, 1)]
        sides = [graph.store(f"side{i}", np.array([SIZE[i]], np.int64)) for i in (0, 1)]
        split = graph.store("split", np.array([1, 3, SIZE[0] // 8, 8, SIZE[1] // 8, 8]))
        whole = graph.store("whole", np.array([1, 3, *SIZE]))
    else:
        shape = graph.add("Shape", ["image"], "shape")
        sides = [
            graph.add("Gather", [shape, graph.store(f"at{i}", np.array([i + 2], np.int64))], f"side{i}")
            for i in (0, 1)
        ]
        parts = [graph.add("Div", [side, eight], f"parts{i}") for i, side in enumerate(sides)]
        split = graph.add("Concat", [one, three, parts[0], eight, parts[1], eight], "split", axis=0)
        whole = graph.add("Concat", [one, three, *sides], "whole", axis=0)
    x = graph.add(
        "Transpose", [graph.add("Reshape", ["image", split], "blocked")], "grouped", perm=[0, 1, 2, 4, 3, 5]
    )
    flat = graph.store("flat", np.array([0, 0, 0, 0, pixels]))
    x = graph.add(
        "MatMul", [graph.add("Reshape", [x, flat], "rows"), graph.store("mix.weight", mixing)], "mixed"
    )
    square = graph.store("square", np.array([0, 0, 0, 0, _WINDOW, _WINDOW]))
    x = graph.add(
        "Transpose", [graph.add("Reshape", [x, square], "squares")], "back", perm=[0, 1, 2, 4, 3, 5]
    )
    _enlarge(graph, graph.add("Reshape", [x, whole], "picture"))
    return _write(graph, path, fixed)


def placed(path: Path) -> Path:
    """A learned map that is added to the picture: a pixel's result depends on its place."""
    graph = Builder()
    place = graph.store("place", np.random.default_rng(3).normal(0, 0.01, (1, 3, *SIZE)).astype(np.float32))
    _enlarge(graph, graph.add("Add", ["image", place], "placed"))
    return _write(graph, path, fixed=True)


def averaged(path: Path) -> Path:
    """A gain by the picture's mean, as in channel attention, at one size."""
    graph = Builder()
    x = graph.add("ReduceMean", ["image"], "mean", axes=[2, 3])
    x = graph.add("Mul", [x, graph.store("little", np.float32(0.05))], "gain")
    x = graph.add("Add", ["image", x], "brighter")
    row = graph.add("Reshape", [x, graph.store("row", np.array([1, 3, SIZE[0] * SIZE[1]]))], "flat")
    _enlarge(graph, graph.add("Reshape", [row, graph.store("planes", np.array([1, 3, *SIZE]))], "picture"))
    return _write(graph, path, fixed=True)


def thirds(path: Path) -> Path:
    """RGB at a third of the size inside: sides must be multiples of 3."""
    graph = Builder()
    x = graph.add("SpaceToDepth", ["image"], "small", blocksize=3)
    _enlarge(graph, graph.add("DepthToSpace", [x], "whole", blocksize=3))
    return _write(graph, path, fixed=False)


def unshuffled_by_reshape(path: Path) -> Path:
    """torch's pixel_unshuffle with its sizes written in, a convolution, and torch's pixel_shuffle by 4."""
    graph = Builder()
    height, width = SIZE
    split = graph.store("split", np.array([1, 3, height // 2, 2, width // 2, 2]))
    x = graph.add("Reshape", ["image", split], "blocked")
    x = graph.add("Transpose", [x], "moved", perm=[0, 1, 3, 5, 2, 4])
    x = graph.add("Reshape", [x, graph.store("depth", np.array([1, 12, height // 2, width // 2]))], "small")
    # Each pixel of a block becomes the four around it.
    weights = np.zeros((48, 12, 1, 1), np.float32)
    for channel in range(48):
        colour, row, column = channel // 16, channel % 16 // 4, channel % 4
        weights[channel, 4 * colour + 2 * (row // 2) + column // 2] = 1
    x = graph.add("Conv", [x, graph.store("w", weights)], "blocks")
    up = graph.store("up", np.array([1, 3, 4, 4, height // 2, width // 2]))
    x = graph.add("Transpose", [graph.add("Reshape", [x, up], "ups")], "spread", perm=[0, 1, 4, 2, 5, 3])
    graph.add("Reshape", [x, graph.store("large", np.array([1, 3, 2 * height, 2 * width]))], "result")
    return _write(graph, path, fixed=True)


def cropped(path: Path) -> Path:
    """A slice to the size that it was exported for: larger pictures are cut off."""
    graph = Builder()
    ends = [
        graph.store(name, np.array(value))
        for name, value in (("starts", [0, 0]), ("ends", [96, 128]), ("axes", [2, 3]))
    ]
    x = graph.add("Conv", ["image", graph.store("w", bilinear_kernels(2, 3))], "blocks", pads=[1] * 4)
    x = graph.add("DepthToSpace", [x], "large", blocksize=2, mode="CRD")
    graph.add("Slice", [x, *ends], "result")
    return _write(graph, path, fixed=True)


def luma_x3(path: Path) -> Path:
    """Luma, x3, opset 11, one size, and pixel shuffle by reshapes."""
    graph, (height, width) = Builder(opset=11), SIZE
    x = graph.add("Conv", ["image", graph.store("w", bilinear_kernels(3, 1))], "blocks", pads=[1] * 4)
    split = graph.store("split", np.array([1, 1, 3, 3, height, width]))
    x = graph.add("Transpose", [graph.add("Reshape", [x, split], "six")], "moved", perm=[0, 1, 4, 2, 5, 3])
    graph.add("Reshape", [x, graph.store("four", np.array([1, 1, 3 * height, 3 * width]))], "result")
    return graph.write(path, [1, 1, height, width], [1, 1, 3 * height, 3 * width])


def rare(path: Path) -> Path:
    """A determinant, which few runtimes have; it adds nothing to the picture."""
    graph = Builder()
    x = graph.add("Det", [graph.add("GlobalAveragePool", ["image"], "mean")], "det")
    x = graph.add("Reshape", [x, graph.store("one", np.array([1, 3, 1, 1]))], "gain")
    x = graph.add("Mul", [x, graph.store("nothing", np.float32(1e-9))], "small")
    _enlarge(graph, graph.add("Add", ["image", x], "sum"))
    return _write(graph, path, fixed=False)
