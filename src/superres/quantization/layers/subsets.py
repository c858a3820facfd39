"""Subsets of layers in float: the ones to try, their loss on calibration images, and their time."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import onnx

from superres.csv_rows import write_rows
from superres.data.resampling import downsample
from superres.device.base.outputs import sha256_file
from superres.device.base.progress import Progress
from superres.device.frames.psnr import PsnrProtocol, psnr
from superres.device.tasks.latency import Plan, measure_in_turn
from superres.device.tasks.quality import compare_frame
from superres.models.graphs.onnx_file import load_onnx
from superres.quantization.layers.executor import Executor, OpenedGraph, open_graph
from superres.quantization.layers.schema import (
    Subset,
    SubsetLosses,
    SubsetTimes,
    parse_subset,
    read_subset_losses,
    subset_text,
)
from superres.quantization.qdq import BOTH, Part, quantize_graph, quantized_layers
from superres.quantization.ranges.calibration import FrameFile, open_images
from superres.quantization.ranges.record import read_ranges

EXHAUSTIVE_LAYERS = 4
"""Up to this number of layers all subsets are measured, above it those of a greedy search."""


@dataclass(frozen=True)
class RecipeState:
    """A model's state after a recipe: its FP32 graph and its ranges."""

    model: str
    recipe: str
    onnx_path: Path
    ranges_path: Path

    def variants(self) -> tuple[list[str], Callable[[Subset], onnx.ModelProto]]:
        """Return the quantised layers, and a function to the graph with a subset of them in float."""
        graph, ranges = load_onnx(self.onnx_path), read_ranges(self.ranges_path, self.onnx_path)
        layers = quantized_layers(graph, ranges, self.onnx_path)
        return list(layers), lambda subset: quantize_graph(
            graph, ranges, self.onnx_path, parts=kept_in_float(layers, subset)
        )

    def facts(self, executor: Executor) -> dict[str, Any]:
        """Return the columns that all rows share: the state and its executor."""
        return {
            "model": self.model,
            "recipe": self.recipe,
            "runtime": executor.runtime,
            "threads": executor.threads,
            "runtime_version": executor.version,
            "onnx_sha256": sha256_file(self.onnx_path),
            "ranges_sha256": sha256_file(self.ranges_path),
        }


def kept_in_float(layers: Mapping[str, str], subset: Iterable[str]) -> dict[str, frozenset[Part]]:
    """Return the quantised parts of each convolution if a subset of the layers stays in float."""
    left = set(subset)
    return {result: BOTH for layer, result in layers.items() if layer not in left}


def search_subsets(layers: Sequence[str], loss_of: Callable[[Subset], float]) -> list[Subset]:
    """Return the subsets of layers in float to try, from none of the layers to all.

    Up to EXHAUSTIVE_LAYERS layers these are all subsets. Above, they are a chain: the next layer in float is
    always the one with the least loss by `loss_of`, the first of equals.
    """
    if len(layers) <= EXHAUSTIVE_LAYERS:
        return [subset for size in range(len(layers) + 1) for subset in combinations(layers, size)]
    chain: list[Subset] = [()]
    while len(chain[-1]) < len(layers):
        wider = [
            tuple(name for name in layers if name in (*chain[-1], layer))
            for layer in layers
            if layer not in chain[-1]
        ]
        chain.append(min(wider, key=loss_of))
    return chain


def measured_subsets(layers: int) -> int:
    """Return the largest number of subsets whose loss `search_subsets` needs."""
    return 2**layers if layers <= EXHAUSTIVE_LAYERS else 1 + layers * (layers + 1) // 2


def measure_subsets(
    state: RecipeState,
    fp32: Path,
    images: FrameFile,
    out: Path,
    *,
    executor: Executor,
    downsampling: str,
    protocol: PsnrProtocol,
) -> None:
    """Write the loss of a model with each subset of its layers in float, against its graph `fp32`.

    Calibration images replace a clip, which must not influence what is evaluated on it: each is taken as HR,
    and its LR twin is downsampled here. Raises UserError for files that don't belong together.
    """
    layers, quantized = state.variants()
    pairs = _ImagePairs(images, downsampling, executor.scale)
    names, total = list(layers), len(pairs) * (1 + measured_subsets(len(layers)))
    measured: dict[Subset, tuple[float, int]] = {}  # mean squared error, convolutions in INT8
    with Progress(f"measure_subsets {state.model} {state.recipe}", total) as progress:

        def measure(graph: onnx.ModelProto) -> tuple[float, int]:
            opened = open_graph(graph, executor)
            return pairs.error(opened, protocol, progress), opened.int8_convolutions

        reference, _ = measure(load_onnx(fp32))

        def loss_of(subset: Subset) -> float:
            if subset not in measured:
                measured[subset] = measure(quantized(subset))
            return psnr(reference) - psnr(measured[subset][0])

        losses = {subset: loss_of(subset) for subset in search_subsets(names, loss_of)}
    facts = {
        **state.facts(executor),
        "layers": len(layers),
        "images": len(pairs),
        "downsampling": downsampling,
        "border": protocol.border,
        "fp32_psnr_of_mean_db": psnr(reference),
    }
    rows = [
        {
            **facts,
            "float_layers": subset_text(subset),
            "psnr_of_mean_db": psnr(measured[subset][0]),
            "loss_db": loss,
            "added_mse": measured[subset][0] - reference,
            "int8_convolutions": measured[subset][1],
        }
        for subset, loss in losses.items()
    ]
    write_rows(SubsetLosses, rows, out)


def time_subsets(
    state: RecipeState, losses: Path, images: Path, out: Path, *, executor: Executor, plan: Plan
) -> None:
    """Write the time of a frame with each subset of `losses` in float, a row a round and subset.

    The subsets take turns on the calibration images: their ratios hold even on a noisy machine. `plan` is
    that of each. Engines are built for the images' size if all share one, as those of arms. Raises
    UserError for files that don't belong together.
    """
    _, quantized = state.variants()
    subsets = read_subset_losses(losses)["float_layers"].to_list()
    frames = open_images(FrameFile(images))
    sizes = {frame.shape[:2] for frame in frames}
    executor = replace(executor, size=sizes.pop() if len(sizes) == 1 else None)
    sessions = [open_graph(quantized(parse_subset(text)), executor).session for text in subsets]
    rounds = measure_in_turn(sessions, frames, plan, f"time_subsets {state.model} {state.recipe}")
    facts = state.facts(executor)
    rows = [
        {**facts, "round": i, "frame": frame, "float_layers": subset, "milliseconds": milliseconds}
        for i, (frame, row) in enumerate(rounds)
        for subset, milliseconds in zip(subsets, row, strict=True)
    ]
    write_rows(SubsetTimes, rows, out)


class _ImagePairs:
    """Calibration images as HR, with their LR twins, one at a time."""

    def __init__(self, images: FrameFile, downsampling: str, scale: int):
        self._images = open_images(images)
        self._downsampling, self._scale = downsampling, scale

    def __len__(self) -> int:
        return len(self._images)

    def error(self, opened: OpenedGraph, protocol: PsnrProtocol, progress: Progress) -> float:
        """Return the images' mean squared error, in levels squared.

        A mean of PSNRs would follow the smoothest images: where FP32 reaches 45 dB, only INT8's noise is
        left.
        """
        errors = []
        for i, image in enumerate(self._images):
            height, width = (size // self._scale * self._scale for size in image.shape[:2])
            hr = np.ascontiguousarray(image[:height, :width])
            upscaled = opened.session.run(downsample(hr, self._downsampling, self._scale))
            errors.append(compare_frame(hr, upscaled, protocol, f"calibration image {i}")[2])
            progress.update()
        return fmean(errors)
