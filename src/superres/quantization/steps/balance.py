"""Give all channels of an activation the same largest magnitude, so that one scale fits all of them."""

from dataclasses import replace

import numpy as np

from superres.quantization.state import State, StepJob, with_biases
from superres.quantization.steps.equalize import consecutive_pairs, read_extremes, scaled_state


def apply(state: State, job: StepJob) -> State:
    """Divide channel i between two convolutions by s_i, and multiply by it in the second one's weights.

    s_i is the channel's largest magnitude over all images of the calibration, as a share of that of the
    largest channel: afterwards all channels reach as far as this one. A tensor has one scale, which without
    this step is set by its largest channel and rounds all others as coarsely. It is SmoothQuant with all of
    the difficulty moved to the weights, which have a scale a channel (G. Xiao and others, arXiv:2211.10438,
    equation 4 with alpha = 1). In float only rounding changes: a ReLU passes positive factors. The ranges are
    found again: see `scaled_state`. Where no two convolutions follow each other, nothing changes. Raises
    UserError after any other step.
    """
    seen = read_extremes(state, job, "balance")
    state = replace(state, graph=with_biases(state.graph))
    factors = {}
    for first, _ in consecutive_pairs(state.graph):
        reach = np.maximum(-seen[first.output].lows, seen[first.output].highs).astype(np.float64)
        factors[first.layer] = np.where(reach > 0, reach / reach.max(), 1.0)
    return scaled_state(state, job, "balance", factors, seen)
