"""Give all channels of an activation the same largest magnitude, so that one scale fits all of them."""

from dataclasses import replace

import numpy as np

from superres.device.base.progress import Progress
from superres.models.graphs.onnx_file import own_size
from superres.quantization.ranges.calibration import FrameFile, RandomImages, count_images, read_images
from superres.quantization.steps.base import State, StepJob, Taps, copy_graph
from superres.quantization.steps.equalize import (
    consecutive_pairs,
    measure_again,
    refuse_late,
    scale_channels,
)


def apply(state: State, job: StepJob) -> State:
    """Divide channel i between two convolutions by s_i, and multiply by it in the second one's weights.

    s_i is the channel's largest magnitude over all images of the calibration, as a share of that of the
    largest channel: afterwards all channels reach as far as this one. A tensor has one scale, which without
    this step is set by its largest channel and rounds all others as coarsely. It is SmoothQuant with all of
    the difficulty moved to the weights, which have a scale a channel (G. Xiao and others, arXiv:2211.10438,
    equation 4 with alpha = 1). In float only rounding changes: a ReLU passes positive factors. The ranges are
    measured again, by the calibration's method on its images. Raises UserError if no two convolutions follow
    each other, and after any other step.
    """
    refuse_late(state, "balance")
    pairs = consecutive_pairs(state, "balance")
    images = job.images("balance")
    largest = _largest(state, [first.output for first, _ in pairs], images, job)
    graph = copy_graph(state.graph)
    spread = {}
    for first, second in pairs:
        found = largest[first.output]
        scales = np.where(found > 0, found / found.max(), 1.0)
        scale_channels(graph, first, second, scales)
        spread[first.layer] = [float(scales.min()), float(scales.max())]
    ranges = measure_again(graph, job, "balance")
    kept = replace(state.ranges, tensors=ranges.tensors, origin={**state.ranges.origin, **ranges.origin})
    return State(graph, kept, {"scales": spread})


def _largest(
    state: State, names: list[str], images: RandomImages | FrameFile, job: StepJob
) -> dict[str, np.ndarray]:
    """Return the largest magnitude of every channel of some tensors over all images, float64."""
    taps = Taps(state.graph, names, job.threads)
    found = {name: np.zeros(0) for name in names}
    with Progress(f"balance {job.model}", total=count_images(images)) as progress:
        for _, image in read_images(images, own_size(state.graph)):
            for name, values in taps.run(image).items():
                seen = np.maximum(values[0].max(axis=(1, 2)), -values[0].min(axis=(1, 2))).astype(np.float64)
                found[name] = np.maximum(found[name], seen) if found[name].size else seen
            progress.update()
    return found
