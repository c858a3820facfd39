"""Power-of-two scales: a value is a whole number of steps 2^-f; f, its fraction bits, is to be chosen."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from superres.device.base.conventions import INT8_MAX, UINT8_MAX
from superres.device.base.errors import UserError
from superres.quantization.qdq import quantized_convolutions
from superres.quantization.ranges.record import Ranges
from superres.quantization.state import (
    State,
    copy_graph,
    read_initializers,
    replace_initializers,
    writer,
)

EXACT = 1 << 24
"""float32 holds every whole number below this, and exact sums of them in any order."""

_FINEST = 40


@dataclass(frozen=True)
class FractionBits:
    """Fraction bits of each tensor that a quantised convolution reads, and of its weights by channel.

    `tensors` are by tensor name; `weights`, by initializer name, are int64 values for each output channel.
    """

    tensors: Mapping[str, int]
    weights: Mapping[str, np.ndarray]

    def moved(self, tensors: Mapping[str, int], weights: Mapping[str, int]) -> "FractionBits":
        """Return the same with some bits added (or removed, if negative)."""
        return FractionBits(
            {name: bits + tensors.get(name, 0) for name, bits in self.tensors.items()},
            {name: bits + weights.get(name, 0) for name, bits in self.weights.items()},
        )


def fraction_bits(amax: float, whole: int) -> int:
    """Return the most fraction bits with which 2^whole steps reach a magnitude: whole - ceil(log2(amax)).

    The classic rule of Q formats (L. Lai and others, CMSIS-NN, arXiv:1801.06601, section 3.1). int8 and uint8
    end one step earlier, at 2^whole - 1: a value in the last half step is clipped by up to one step.
    """
    mantissa, exponent = math.frexp(amax)
    return whole - (exponent - 1 if mantissa == 0.5 else exponent)


def bits_by_range(state: State, step: str) -> FractionBits:
    """Return fraction bits by the ranges of a state.

    Output channels have bits of their own unless the weights have one scale. Raises UserError, naming `step`,
    after a step that chose scales of weights, and for uint8 of a tensor that may be negative.
    """
    ranges = state.ranges
    if ranges.weight_amax:
        taken = "+".join(entry["step"] for entry in ranges.steps)
        raise UserError(
            f"step {step}: expected it before any step that chooses scales of weights, found {taken} before "
            "it"
        )
    convolutions = quantized_convolutions(state.graph, state.ranges)
    whole = _whole(ranges)
    tensors: dict[str, int] = {}
    for name in dict.fromkeys(convolution.data for convolution in convolutions):
        seen = ranges.tensors[name]
        if ranges.activation == "asymmetric" and (seen.min is None or seen.min < 0):
            found = "nothing measured" if seen.min is None else f"a smallest value of {seen.min}"
            raise UserError(
                f"step {step}: expected values from 0 up as tensor {name} for uint8 without a zero-point, "
                f"found {found}; take the step asymmetric out"
            )
        tensors[name] = fraction_bits(seen.amax, whole)
    values = read_initializers(state.graph)
    weights = {c.weights: _weight_bits(values[c.weights], ranges) for c in convolutions}
    return FractionBits(tensors, weights)


def with_bits(state: State, bits: FractionBits, facts: Mapping[str, Any]) -> State:
    """Return the state with these fraction bits as ranges, and biases in whole steps of the sums.

    A channel of weights gets fewer bits if its sums could exceed 24 bits, which int32 holds, and float32
    exactly. Tensors that no convolution reads keep their ranges. `facts` come before the bits.
    """
    graph = copy_graph(state.graph)
    values = read_initializers(graph)
    steps = _steps(state.ranges)
    tensors = {
        name: replace(entry, amax=math.ldexp(steps, -bits.tensors[name])) if name in bits.tensors else entry
        for name, entry in state.ranges.tensors.items()
    }
    used: dict[str, Any] = {}
    weight_amax: dict[str, list[float]] = {}
    biases: dict[str, np.ndarray] = {}
    for convolution in quantized_convolutions(state.graph, state.ranges):
        node = writer(graph, convolution.result)
        bias = values[node.input[2]] if len(node.input) > 2 else np.zeros(len(values[convolution.weights]))
        sums = _Sums(bits.tensors[convolution.data], steps, values[convolution.weights], bias)
        together = state.ranges.weights == "per-tensor"
        found = sums.fitting(bits.weights[convolution.weights], together)
        weight_amax[convolution.weights] = np.ldexp(float(INT8_MAX), -found).tolist()
        used[convolution.layer] = sorted({int(value) for value in found})
        if len(node.input) > 2:
            biases[node.input[2]] = np.ldexp(sums.bias_steps(found), -(sums.data + found))
    replace_initializers(graph, biases)
    fractions = {"tensors": dict(bits.tensors), "weights": used}
    ranges = replace(state.ranges, tensors=tensors, weight_amax=weight_amax)
    return State(graph, ranges, {**facts, "fraction_bits": fractions})


@dataclass(frozen=True)
class _Sums:
    """The sums of one convolution: fraction bits and largest level of its data, float weights and bias."""

    data: int
    most: int
    weights: np.ndarray
    bias: np.ndarray

    def bias_steps(self, bits: np.ndarray) -> np.ndarray:
        """Return the bias in whole steps of the sums, float64, for the fraction bits of the weights."""
        return np.rint(np.ldexp(self.bias.astype(np.float64), self.data + bits))

    def fitting(self, bits: np.ndarray, together: bool) -> np.ndarray:
        """Return the bits, or fewer to keep every sum below EXACT; `together` for all channels alike."""
        while (over := self._bound(bits) >= EXACT).any():
            bits = bits - (1 if together else over)
        return bits

    def _bound(self, bits: np.ndarray) -> np.ndarray:
        """Return an upper bound of each channel's sums: all products at their largest, and the bias."""
        steps = np.ldexp(self.weights.astype(np.float64), bits[:, None, None, None])
        levels = np.abs(np.clip(np.rint(steps), -INT8_MAX - 1, INT8_MAX))
        # -128 is a level too.
        most = self.most if self.most == UINT8_MAX else self.most + 1
        return most * levels.sum(axis=(1, 2, 3)) + np.abs(self.bias_steps(bits))


def _steps(ranges: Ranges) -> int:
    """Return the number of steps from 0 to the end of a tensor's range."""
    return UINT8_MAX if ranges.activation == "asymmetric" else INT8_MAX


def _whole(ranges: Ranges) -> int:
    return _steps(ranges).bit_length()


def _weight_bits(weights: np.ndarray, ranges: Ranges) -> np.ndarray:
    """Return the bits of every output channel; a channel of zeros gets the fewest of the others."""
    magnitudes = np.abs(weights.reshape(len(weights), -1).astype(np.float64)).max(axis=1)
    if ranges.weights == "per-tensor":
        magnitudes = np.full_like(magnitudes, magnitudes.max())
    whole = INT8_MAX.bit_length()
    bits = [min(fraction_bits(value, whole), _FINEST) if value > 0 else None for value in magnitudes]
    least = min((value for value in bits if value is not None), default=whole)
    return np.array([least if value is None else value for value in bits], np.int64)
