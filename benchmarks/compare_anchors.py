"""Time the ways of adding a small network's residual to the interpolated frame, in OpenVINO's INT8.

    .venv/bin/python benchmarks/compare_anchors.py results/zoo --models plain_c16_m4 plain_c32_m4

Takes the graphs of `int8-tuned`, and of the same recipe with the anchor in float, from a finished study. All
ways take turns, frame by frame, in a changing order. A ratio is the median of the rounds' ratios to the
anchor in INT8. PSNR is that of each clip: ways that interpolate otherwise than the network was trained for
show what they would cost without another training. Prints CSV, as in docs/figures/speed/anchors/ways.csv.
"""

import argparse
import csv
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean, median

import cv2
import numpy as np
import onnx
import openvino as ov
from onnx import TensorProto, helper, numpy_helper

from superres.device.frames.pixels import bicubic_taps, enlarge_bicubic, from_blocks
from superres.device.machine.facts import usable_cpus
from superres.device.runtimes.base import Settings
from superres.device.runtimes.openvino import LATENCY
from superres.device.runtimes.sessions.openvino import properties
from superres.models.adoption.reading import LUMA_ROW
from superres.models.graphs.onnx_file import find_convolutions, load_onnx, only_outputs, read_constants
from superres.quantization.state import copy_graph, writer
from superres.quantization.steps import reducerange
from superres.quantization.steps.anchor import round_interpolation

FLOAT, TUNED = "int8-minmax+balance+asymmetric+reducerange+adaround", "int8-tuned"
TODAY = "anchor in INT8, as tuned"
_LEVEL = np.float32(1 / 255)
_MIDDLE = 128

Way = Callable[[np.ndarray], np.ndarray]
"""From a uint8 frame to the larger one."""
Enlarge = Callable[[np.ndarray, np.ndarray], object]
"""Writes a uint8 frame, enlarged, into the larger one."""


def ways(folder: Path, height: int, width: int, threads: int) -> dict[str, Way]:
    """Return every way for the graphs of a model: `folder` has them by precision."""
    tuned, floats = (load_onnx(folder / f"{name}.channels_last.onnx") for name in (TUNED, FLOAT))

    def engine(graph: onnx.ModelProto) -> Way:
        return _engine(graph, height, width, threads)

    larger = np.empty((2 * height, 2 * width, 3), np.uint8)
    alone = engine(residual_graph(floats))
    in_float = engine(floats)

    def with_blocks(frame: np.ndarray) -> np.ndarray:
        from_blocks(in_float(frame), larger, 2)
        return larger

    return {
        TODAY: engine(tuned),
        "anchor in float": with_blocks,
        "bilinear anchor (3x3) in INT8": engine(with_anchor(tuned, bilinear_kernels())),
        "nearest luma, bicubic chroma, in INT8": engine(with_anchor(tuned, nearest_luma_kernels())),
        "cv2.resize and saturating sums": outside(alone, height, width, _by_opencv),
        "bicubic as trained and saturating sums": outside(alone, height, width, _as_trained),
        "the network alone": alone,
    }


def _engine(graph: onnx.ModelProto, height: int, width: int, threads: int) -> Way:
    core = ov.Core()
    model = core.read_model(graph.SerializeToString())
    model.reshape([1, height, width, 3])
    options = properties(Settings(TUNED, threads), LATENCY)
    request = core.compile_model(model, "CPU", options).create_infer_request()

    def run(frame: np.ndarray) -> np.ndarray:
        request.infer({0: frame[np.newaxis]}, share_inputs=True)
        return request.get_output_tensor(0).data[0]

    return run


def residual_graph(graph: onnx.ModelProto) -> onnx.ModelProto:
    """Return the network without its anchor: frame to luma's residual, H x W x 4 levels around 128."""
    last = [found for found in find_convolutions(graph) if "skip" not in found.layer][-1]
    part = only_outputs(graph, [last.result])
    node, constants = writer(part, last.result), read_constants(part)
    quantize = writer(part, writer(part, node.input[1]).input[0])
    # Each sub-pixel's residual stands there for three colours.
    names = [*quantize.input, node.input[2]]
    _store(part, {name: np.ascontiguousarray(constants[name][::3]) for name in names})
    added = {"level": _LEVEL, "middle": np.uint8(_MIDDLE)}
    part.graph.initializer.extend(numpy_helper.from_array(np.asarray(v), k) for k, v in added.items())
    part.graph.node.append(helper.make_node("QuantizeLinear", [last.result, *added], ["levels"]))
    part.graph.node.append(helper.make_node("Transpose", ["levels"], ["residual"], perm=[0, 2, 3, 1]))
    del part.graph.output[:]
    output = helper.make_tensor_value_info("residual", TensorProto.UINT8, [1, "H", "W", 4])
    part.graph.output.append(output)
    return part


def outside(network: Way, height: int, width: int, enlarge: Enlarge) -> Way:
    """Return the way outside the engine: a larger frame, plus and minus the residual, limited each time.

    Frame and residual are each rounded to levels before they are added.
    """
    shape = (2 * height, 2 * width)
    plane, middle = np.empty(shape, np.uint8), np.full(shape, _MIDDLE, np.uint8)
    frame_of, colours = np.empty((*shape, 3), np.uint8), np.empty((*shape, 3), np.uint8)
    rows = plane.view(np.uint16).reshape(height, 2, width)

    def run(frame: np.ndarray) -> np.ndarray:
        pairs = network(frame).view(np.uint16)
        rows[:, 0], rows[:, 1] = pairs[..., 0], pairs[..., 1]
        enlarge(frame, frame_of)
        cv2.cvtColor(cv2.subtract(plane, middle), cv2.COLOR_GRAY2RGB, dst=colours)
        cv2.add(frame_of, colours, dst=frame_of)
        cv2.cvtColor(cv2.subtract(middle, plane), cv2.COLOR_GRAY2RGB, dst=colours)
        return cv2.subtract(frame_of, colours, dst=frame_of)

    return run


def _by_opencv(frame: np.ndarray, larger: np.ndarray) -> None:
    """Enlarge by OpenCV's own bicubic, which has a = -0.75."""
    cv2.resize(frame, larger.shape[1::-1], dst=larger, interpolation=cv2.INTER_CUBIC)


def _as_trained(frame: np.ndarray, larger: np.ndarray) -> None:
    """Enlarge by the networks' bicubic, slowly: for its picture, not for its time."""
    enlarge_bicubic(frame, 2, larger)


def bilinear_kernels() -> np.ndarray:
    """Return the kernels of bilinear doubling, as `with_anchor` takes them: 3x3."""
    taps = np.array([[0.25, 0.75, 0], [0, 0.75, 0.25]])
    return _of_each_colour(np.einsum("iy,jx->ijyx", taps, taps))


def nearest_luma_kernels() -> np.ndarray:
    """Return those of a nearest anchor for luma and a bicubic one for chroma: 5x5."""
    taps, centre = bicubic_taps(2), np.zeros((2, 2, 5, 5))
    centre[..., 2, 2] = 1
    bicubic = np.einsum("iy,jx->ijyx", taps, taps)
    return _of_each_colour(bicubic) + (centre - bicubic)[:, :, None, None] * LUMA_ROW[:, None, None]


def _of_each_colour(kernels: np.ndarray) -> np.ndarray:
    return kernels[:, :, None, None] * np.eye(3)[:, :, None, None]


def with_anchor(graph: onnx.ModelProto, kernels: np.ndarray) -> onnx.ModelProto:
    """Return a tuned graph with other kernels, 2 x 2 x 3 x 3 x k x k by row, column, colour, colour read."""
    other = copy_graph(graph)
    (skip,) = (found for found in find_convolutions(other) if "skip" in found.layer)
    node = writer(other, skip.result)
    quantize = writer(other, writer(other, node.input[1]).input[0])
    pad = next(each for each in other.graph.node if each.op_type == "Pad")
    size = kernels.shape[-1]
    amounts = read_constants(other)[pad.input[1]]
    pads = np.where(amounts > 0, size // 2, 0).astype(amounts.dtype)
    # Kernels that mix colours must not overflow: 64 levels.
    levels, steps = round_interpolation(kernels.reshape(12, 3, size, size), reducerange.LEVELS)
    scale = np.full(read_constants(other)[quantize.input[1]].shape, 1 / steps, np.float32)
    weights = (levels / steps).astype(np.float32)
    _store(other, {quantize.input[0]: weights, quantize.input[1]: scale, pad.input[1]: pads})
    (shape,) = (each for each in node.attribute if each.name == "kernel_shape")
    shape.ints[:] = [size, size]
    return other


def _store(graph: onnx.ModelProto, values: Mapping[str, np.ndarray]) -> None:
    """Give initializers other values, also of other shapes."""
    for tensor in graph.graph.initializer:
        if tensor.name in values:
            tensor.CopyFrom(numpy_helper.from_array(values[tensor.name], tensor.name))


def time_in_turn(found: Mapping[str, Way], frame: np.ndarray, rounds: int) -> dict[str, list[float]]:
    """Return the milliseconds of each way in each round; who begins changes from round to round."""
    names, times = list(found), {name: list[float]() for name in found}
    for turn in range(-3, rounds):
        for name in (*names[turn % len(names) :], *names[: turn % len(names)]):
            # Once without the clock: the way before has other memory in the caches.
            found[name](frame)
            started = time.perf_counter()
            found[name](frame)
            if turn >= 0:
                times[name].append((time.perf_counter() - started) * 1000)
    return times


def psnr(way: Way, lr: np.ndarray, hr: np.ndarray) -> str:
    """Return the mean of a way's PSNR on a clip's frames; none if its result isn't a frame."""
    if way(lr[0]).shape != hr[0].shape:
        return ""
    pairs = zip(lr, hr, strict=True)
    errors = [float(np.square(way(small).astype(np.float32) - large).mean()) for small, large in pairs]
    return f"{mean(10 * np.log10(255**2 / error) if error else np.inf for error in errors):.3f}"


def _read(folder: Path, clip: str) -> tuple[np.ndarray, np.ndarray]:
    """Return a clip's LR and HR frames."""
    lr, hr = (np.load(folder / f"{clip}{end}.npy", allow_pickle=False) for end in (".x2", ".hr"))
    return lr, hr


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Time the ways of adding a residual to a frame.")
    parser.add_argument("study", type=Path, help="folder of a finished study with both precisions")
    parser.add_argument("--models", nargs="+", default=["plain_c16_m4"])
    parser.add_argument("--clips", nargs="+", default=["park", "rooms"], help="the first is timed")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--threads", type=int, default=usable_cpus())
    chosen = parser.parse_args(arguments)
    for name in (
        f"onnx/{model}/{kind}.channels_last.onnx" for model in chosen.models for kind in (TUNED, FLOAT)
    ):
        if not (chosen.study / name).is_file():
            parser.error(f"{chosen.study}: expected a finished study with {name}, found none")
    cv2.setNumThreads(chosen.threads)
    frames = {clip: _read(chosen.study / "frames", clip) for clip in chosen.clips}
    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(["Network", "Way", "ms", "Speed", *(f"PSNR on {clip} [dB]" for clip in frames)])
    first, _ = frames[chosen.clips[0]]
    _, height, width, _ = first.shape
    for model in chosen.models:
        found = ways(chosen.study / "onnx" / model, height, width, chosen.threads)
        times = time_in_turn(found, first[0], chosen.rounds)
        for name, each in times.items():
            ratio = median(a / b for a, b in zip(times[TODAY], each, strict=True))
            quality = [psnr(found[name], lr, hr) for lr, hr in frames.values()]
            rows.writerow([model, name, f"{median(each):.1f}", f"{ratio:.2f}", *quality])


if __name__ == "__main__":
    main()
