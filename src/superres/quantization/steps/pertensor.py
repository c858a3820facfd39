"""One scale for all weights of a convolution, as hardware without scales per channel has it."""

from dataclasses import replace

from superres.device.base.errors import UserError
from superres.quantization.steps.base import State, StepJob


def apply(state: State, job: StepJob) -> State:
    """Have the weights of each convolution quantised with one scale instead of one per output channel.

    Raises UserError behind a step that has chosen scales per channel.
    """
    if state.ranges.weight_amax:
        raise UserError(
            "step pertensor: expected it before any step that chooses scales of weights, "
            f"found {'+'.join(step['step'] for step in state.ranges.steps)} before it"
        )
    return State(state.graph, replace(state.ranges, weights="per-tensor"))
