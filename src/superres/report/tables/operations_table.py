"""Number and time of every network's operations as Markdown, as in the paper's Figures 3 to 6."""

from collections.abc import Sequence
from pathlib import Path

from superres.device.base.outputs import Outputs
from superres.report import labels
from superres.report.metrics.profiles import CONVOLUTION, GROUPS, TIMED_APART, Network, read_networks
from superres.report.tables.cells import align


def write_operations(profile: Path, md: Path) -> None:
    """Write a table per clip, target and scale, with a row per network."""
    networks = read_networks(profile)
    parts = ["# Operations of every network"]
    places = dict.fromkeys(network.place for network in networks)
    several = len({scale for *_, scale in places}) > 1
    for place in places:
        mine = [network for network in networks if network.place == place]
        clip, target, scale = place
        at = f" at {labels.scale_label(scale)}" if several else ""
        parts.append(f"## Clip `{clip}` on `{target}`{at}\n\n{_table(mine)}")
        if any(network.float_layers for network in mine):
            parts.append(f"### Why INT8 isn't faster here\n\n{_float_table(mine)}")
    parts.append(
        f"## Notes\n\n- {TIMED_APART}\n- Milliseconds are medians. GOP/s counts a multiply-add as two "
        "operations."
    )
    with Outputs({"md": str(md)}) as outputs:
        outputs["md"].write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _float_table(networks: Sequence[Network]) -> str:
    """Return the layers that INT8 graphs run in float, with their shares of multiply-adds and time."""
    lines = [["Runtime", "Precision", "Model", "in float", "multiply-adds", "time"]]
    for network in networks:
        names = [
            labels.runtime_label(network.runtime),
            labels.precision_label(network.precision),
            labels.model_label(network.model),
        ]
        for layer in network.float_layers:
            macs = f"{layer.macs_share:.1%}" if layer.macs_share else "unknown"
            lines.append([*names, f"`{layer.layer}`", macs, f"{layer.time_share:.1%}"])
    return align(lines, left=4)


def _table(networks: Sequence[Network]) -> str:
    names = [f"{group} [ms]" for group in GROUPS]
    lines = [["Runtime", "Precision", "Model", "operations", *names, "sum [ms]", "GOP/s", "INT8"]]
    for network in networks:
        lines.append(
            [
                labels.runtime_label(network.runtime),
                labels.precision_label(network.precision),
                labels.model_label(network.model),
                str(network.operations),
                *(f"{network.ms[group]:.2f}" for group in GROUPS),
                f"{network.total_ms:.2f}",
                "-" if network.conv_gops is None else f"{network.conv_gops:.0f}",
                f"{network.int8} of {network.counts[CONVOLUTION]}",
            ]
        )
    return align(lines, left=3)
