"""The table of the networks to choose from: their layers and work, from the code alone."""

from itertools import groupby

from formatting import markdown

from superres.models.architectures import Architecture
from superres.models.settings import MODELS

# In the first table of docs/networks.md, next to the paper's.
ELSEWHERE = ("espcn_anchor",)


def members() -> str:
    """Return the layers, weights and multiply-adds of each network to choose from."""
    lines = [
        [f"`{name}`", _layers(facts.architecture), *_counts(facts.architecture)]
        for name, facts in MODELS.items()
        if facts.architecture is not None and name not in ELSEWHERE
    ]
    return markdown(["network", "convolutions", "weights", "multiply-adds a pixel"], lines)


def _counts(architecture: Architecture) -> tuple[str, str]:
    return f"{architecture.parameters:,}", f"{architecture.multiply_adds:,.0f}"


def _layers(architecture: Architecture) -> str:
    """Return channels from input to output, the kernels in turn unless all are 3x3, and what isn't usual."""
    layers = architecture.convolutions(architecture.planes)
    widths = [layers[0].inputs * architecture.block**2, *(layer.outputs for layer in layers)]
    inner = {*widths[1:-1]}
    if len(inner) == 1 and len(layers) > 6:
        (width,) = inner
        text = f"`{widths[0]}-{width}-...-{width}-{widths[-1]}`, {len(layers)} in all"
    else:
        text = f"`{'-'.join(map(str, widths))}`"
    kernels = [kernel for kernel, _ in groupby(layer.kernel // layer.stride for layer in layers)]
    if kernels != [3]:
        text += " of " + ", ".join(f"{kernel}x{kernel}" for kernel in kernels)
    if architecture.block > 1:
        text += f" on blocks of {architecture.block}x{architecture.block} pixels"
    more = (
        "RGB" * (architecture.colour == "rgb"),
        "no anchor" * (architecture.anchor == "none"),
        architecture.activation.capitalize() * (architecture.activation != "relu"),
    )
    return ", ".join([text, *filter(None, more)])
