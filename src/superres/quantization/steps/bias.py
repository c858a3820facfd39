"""Bias correction: remove the shift that rounding adds to the mean of each output channel."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx

from superres.device.base.errors import UserError
from superres.device.base.progress import Progress
from superres.models.graphs.onnx_file import Convolution, own_size
from superres.quantization.qdq import quantize_graph, quantized_convolutions
from superres.quantization.ranges.calibration import FrameFile, RandomImages, first_images, read_images
from superres.quantization.state import (
    State,
    StepJob,
    Taps,
    read_initializers,
    replace_initializers,
    with_biases,
    writer,
)


def apply(state: State, job: StepJob) -> State:
    """Add the mean of (float result - INT8 result) to the bias of each quantised convolution, layer by layer.

    Means are over all pixels of the first `images` calibration images; a layer is measured after those before
    it are corrected (M. Nagel and others, "Data-Free Quantization Through Weight Equalization and Bias
    Correction", arXiv:1906.04721, section 4.2, with measured means). Raises UserError after `adaround` and
    `qat`, which leave no float graph to compare with, and for a convolution whose bias is computed.
    """
    refuse_after(state, "bias", ("adaround", "qat"))
    images = first_images(job.images("bias"), job.settings.images)
    graph = with_biases(state.graph)
    convolutions = quantized_convolutions(graph, state.ranges)
    shifts: dict[str, float] = {}
    with Progress(f"bias {job.model}", total=(len(convolutions) + 1)) as progress:
        wanted = _means(state.graph, convolutions, images, job.threads)
        progress.update()
        for convolution in convolutions:
            quantized = quantize_graph(graph, state.ranges, Path(job.model))
            found = _means(quantized, [convolution], images, job.threads)
            shift = wanted[convolution.result] - found[convolution.result]
            name = bias_name(graph, convolution)
            replace_initializers(graph, {name: read_initializers(graph)[name].astype(np.float64) + shift})
            shifts[convolution.layer] = float(np.sqrt(np.mean(shift**2)))
            progress.update()
    return State(graph, replace(state.ranges), {"rms_shift": shifts})


def refuse_after(state: State, step: str, others: tuple[str, ...]) -> None:
    """Raise UserError if one of the other steps was taken before this one."""
    for taken in state.ranges.steps:
        if taken["step"] in others:
            raise UserError(
                f"step {step}: expected it before {taken['step']}, which does what it does and more, found "
                "it after; take it out"
            )


def bias_name(graph: onnx.ModelProto, convolution: Convolution) -> str:
    """Return the name of a convolution's bias; raises UserError unless it is a constant."""
    node = writer(graph, convolution.result)
    if len(node.input) != 3 or node.input[2] not in read_initializers(graph):
        raise UserError(f"convolution {convolution.layer}: expected a constant bias, found none")
    return node.input[2]


def _means(
    graph: onnx.ModelProto, convolutions: list[Convolution], images: RandomImages | FrameFile, threads: int
) -> dict[str, np.ndarray]:
    """Return the mean of every channel of the convolutions' results over all pixels, float64."""
    names = [convolution.result for convolution in convolutions]
    taps = Taps(graph, names, threads)
    sums = {name: np.zeros(0) for name in names}
    pixels = 0
    for _, image in read_images(images, own_size(graph)):
        values = taps.run(image)
        pixels += image.shape[2] * image.shape[3]
        for name in names:
            channels = values[name][0].sum(axis=(1, 2), dtype=np.float64)
            sums[name] = channels if not sums[name].size else sums[name] + channels
    return {name: total / pixels for name, total in sums.items()}
