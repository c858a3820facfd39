"""Balance channels between two convolutions by what they really take: each uses the levels of their common range."""

from dataclasses import replace

import numpy as np
import onnx

from superres.device.errors import UserError
from superres.device.progress import Progress
from superres.quantization.calibration import FrameFile, RandomImages, count_images, first_images, read_images
from superres.quantization.graph import Convolution
from superres.quantization.steps.base import (
    State,
    StepJob,
    copy_graph,
    read_initializers,
    replace_initializers,
)
from superres.quantization.steps.bias import bias_name, refuse_behind
from superres.quantization.steps.equalize import measure_again, neighbours
from superres.quantization.taps import Taps

_LEAST = 0.02
"""Least factor, as a share of the largest: a channel that is hardly ever used isn't blown up."""
_APART = 4
"""Every so many pixels are looked at: neighbours say the same."""


def apply(state: State, job: StepJob) -> State:
    """Divide channel i between two convolutions by s_i, and multiply by it again behind the ReLU.

    s_i is the channel's largest magnitude, that of `percentile` of its values, so that all channels reach as far: an error of
    rounding adds s_i^2 |w_i|^2 instead of max(s)^2 |w_i|^2 to the next convolution's result. It moves the spread of
    activations into weights, as G. Xiao and others, "SmoothQuant", arXiv:2211.10438, equation 4 with alpha 1. In float
    nothing changes but rounding. The ranges are measured anew, by the calibration's method on its images. Raises UserError
    where no two convolutions follow each other, and behind steps that chose levels for what they found.
    """
    refuse_behind(state, "balance", ("bias", "adaround", "qat"))
    images = first_images(job.images("balance"), job.settings["images"])
    between = list(neighbours(state.graph))
    if not between:
        raise UserError("step balance: expected two convolutions with a ReLU between them, found none")
    reaches = _reaches(state.graph, [first for first, _ in between], images, job)
    graph = copy_graph(state.graph)
    spread: dict[str, list[float]] = {}
    for first, second in between:
        values = {name: value.astype(np.float64) for name, value in read_initializers(graph).items()}
        reach = reaches[first.output]
        scales = np.maximum(reach, _LEAST * reach.max()) / reach.max()
        bias = bias_name(graph, first)
        replace_initializers(
            graph,
            {
                first.weights: values[first.weights] / scales[:, None, None, None],
                bias: values[bias] / scales,
                second.weights: values[second.weights] * scales[None, :, None, None],
            },
        )
        spread[first.layer] = [float(scale) for scale in np.quantile(scales, [0, 0.5, 1])]
    # What stands elsewhere has the range that it had, such as a centred frame.
    measured = measure_again(graph, job, "balance").tensors
    changed = {first.output: measured[first.output] for first, _ in between}
    kept = replace(state.ranges, tensors={**state.ranges.tensors, **changed})
    return State(graph, kept, {"scales": spread})


def _reaches(
    graph: onnx.ModelProto, layers: list[Convolution], images: RandomImages | FrameFile, job: StepJob
) -> dict[str, np.ndarray]:
    """How far each channel of the layers' outputs reaches on any of the images."""
    names = [layer.output for layer in layers]
    taps = Taps(graph, names, job.threads)
    share = job.settings["percentile"] / 100
    found: dict[str, list[np.ndarray]] = {name: [] for name in names}
    with Progress(f"balance {job.model}", total=count_images(images)) as progress:
        for _, image in read_images(images):
            for name, value in taps.run(image).items():
                pixels = value[0].reshape(value.shape[1], -1)[:, ::_APART]
                found[name].append(np.quantile(pixels, share, axis=1, method="higher"))
            progress.update()
    return {name: np.max(reaches, axis=0) for name, reaches in found.items()}
