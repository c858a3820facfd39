"""Fixed point by hand, by range: power-of-two scales, so that a shift takes a layer's sums to the next one's
levels."""

from superres.quantization.steps.base import State, StepJob
from superres.quantization.steps.fraction_bits import bits_by_range, with_bits


def apply(state: State, job: StepJob) -> State:
    """Have every scale a power of two, of tensors and (by output channel, or of a layer behind `pertensor`)
    of weights.

    Fraction bits are the most with which the ranges fit; biases become whole numbers of steps of the sums.
    See `superres.quantization.steps.fraction_bits`, also for what raises UserError.
    """
    return with_bits(state, bits_by_range(state, "pow2"), {})
