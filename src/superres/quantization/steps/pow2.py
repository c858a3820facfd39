"""Fixed point by range: with power-of-two scales, a shift turns a layer's sums into the next one's levels."""

from superres.quantization.fraction_bits import bits_by_range, with_bits
from superres.quantization.state import State, StepJob


def apply(state: State, job: StepJob) -> State:
    """Make all scales powers of two; those of weights are per output channel unless `pertensor` came before.

    Fraction bits are the most with which the ranges fit; biases become whole steps of the sums. See
    `superres.quantization.fraction_bits`, also for UserError.
    """
    return with_bits(state, bits_by_range(state, "pow2"), {})
