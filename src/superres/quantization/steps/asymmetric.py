"""uint8 activations: all 256 levels over what a tensor really takes, such as [0, amax] behind a ReLU."""

from dataclasses import replace

from superres.quantization.steps.base import State, StepJob


def apply(state: State, job: StepJob) -> State:
    """Have activations quantised to uint8 with a zero-point: half the step of symmetric int8 behind a ReLU.

    For runtimes on processors; TensorRT takes zero-point 0 of int8 alone (B. Jacob and others,
    arXiv:1712.05877).
    """
    return State(state.graph, replace(state.ranges, activation="asymmetric"))
