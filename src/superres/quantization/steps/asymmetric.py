"""uint8 activations: all 256 levels over the range of a tensor, such as [0, amax] after a ReLU."""

from dataclasses import replace

from superres.quantization.state import State, StepJob


def apply(state: State, job: StepJob) -> State:
    """Quantise activations to uint8 with a zero-point: half the step of symmetric int8 after a ReLU.

    For runtimes on CPUs; TensorRT takes only int8 with zero-point 0 (B. Jacob and others, arXiv:1712.05877).
    """
    return State(state.graph, replace(state.ranges, activation="asymmetric"))
