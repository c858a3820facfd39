"""One scale for all weights of a convolution, for hardware without scales per channel."""

from dataclasses import replace

from superres.device.base.errors import UserError
from superres.quantization.state import State, StepJob


def apply(state: State, job: StepJob) -> State:
    """Quantise the weights of each convolution with one scale instead of one per output channel.

    Raises UserError after a step that has chosen scales per channel.
    """
    if state.ranges.weight_amax:
        raise UserError(
            "step pertensor: expected it before any step that chooses scales of weights, "
            f"found {'+'.join(step['step'] for step in state.ranges.steps)} before it"
        )
    return State(state.graph, replace(state.ranges, weights="per-tensor"))
