"""The layers of a graph that are quantised, by name, and what of them."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import onnx

from superres.device.base.errors import UserError
from superres.quantization.qdq import BOTH, Part, quantized_convolutions
from superres.quantization.ranges.record import Ranges

ALL, NONE = "all", "none"
"""What stands in the place of a layer's name for all of them, and for none of them."""

Subset = tuple[str, ...]
"""Layers that stay in float, in the graph's order."""

PARTS: Mapping[str, frozenset[Part]] = {
    "weights": frozenset(("weights",)),
    "activations": frozenset(("activations",)),
    "both": BOTH,
}


@dataclass(frozen=True)
class Variant:
    """A part of a layer that is quantised `alone`, or that `all_but` it are: the figures of one graph.

    `parts` says what is quantised of each convolution, by the name of its result.
    """

    layer: str
    part: str
    quantized: Literal["alone", "all_but"]
    parts: Mapping[str, Collection[Part]]

    @property
    def simulated(self) -> bool:
        """Whether some convolution would read INT8 data with float weights, for which there is no
        arithmetic."""
        return any(set(parts) == {"activations"} for parts in self.parts.values())


def quantized_layers(
    graph: onnx.ModelProto, ranges: Ranges, path: Path, float_layers: Collection[str] = ()
) -> dict[str, str]:
    """The layers of a graph (that of `path`) that are quantised, in its order: from name to the convolution's
    result.

    Those in `float_layers` aren't, nor those which the ranges keep in float. Raises UserError if none is
    left, and if two layers have one name.
    """
    chosen = [
        convolution
        for convolution in quantized_convolutions(graph, ranges)
        if convolution.layer not in float_layers
    ]
    layers = {convolution.layer: convolution.result for convolution in chosen}
    if not layers:
        raise UserError(f"{path}: expected a layer that is quantised, found that all stay in float")
    if len(layers) < len(chosen):
        names = ", ".join(convolution.layer for convolution in chosen)
        raise UserError(f"{path}: expected layers with names of their own, found {names}; rename them")
    return layers


def sensitivity_variants(layers: Mapping[str, str]) -> list[Variant]:
    """What the sensitivity of some layers is measured on.

    Nothing quantised; all weights, all activations, everything; of each layer the weights, the activations
    and both, alone and as the only part that isn't quantised.
    """
    everything = dict.fromkeys(layers.values(), BOTH)
    variants = [Variant(NONE, "both", "alone", {})]
    variants += [Variant(ALL, name, "alone", dict.fromkeys(everything, part)) for name, part in PARTS.items()]
    for layer, result in layers.items():
        for name, part in PARTS.items():
            variants.append(Variant(layer, name, "alone", {result: part}))
            variants.append(Variant(layer, name, "all_but", {**everything, result: BOTH - part}))
    return variants


def kept_in_float(layers: Mapping[str, str], subset: Iterable[str]) -> dict[str, frozenset[Part]]:
    """What is quantised of each convolution if a subset of the layers stays in float."""
    left = set(subset)
    return {result: BOTH for layer, result in layers.items() if layer not in left}


def subset_text(subset: Subset) -> str:
    """A subset as tables write it: names of layers with a space between, or none."""
    return " ".join(subset) or NONE


def parse_subset(text: str) -> Subset:
    """The subset behind `subset_text`."""
    return () if text == NONE else tuple(text.split(" "))
