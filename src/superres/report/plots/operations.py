"""Number and time of the operations of every network: the paper's Figures 3 to 6 as figures that can be compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Patch

from superres.csv_rows import Row
from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs
from superres.report import labels
from superres.report.metrics.profiles import (
    CONVOLUTION,
    GROUPS,
    INTERPOLATION,
    LAYOUT,
    POINTWISE,
    read_profile,
)
from superres.report.plots import figures
from superres.report.tables.markdown import align

_STYLES: dict[str, dict[str, Any]] = {
    CONVOLUTION: {"facecolor": "0.75"},
    INTERPOLATION: {"facecolor": "white", "hatch": "////"},
    LAYOUT: {"facecolor": "0.45"},
    POINTWISE: {"facecolor": "white"},
}
_INT8 = {"i8", "u8", "int8", "uint8", "Int8", "UInt8"}
NOTE = "Operations are timed apart, with counters: their sum is more than a frame takes. Figures 3 to 6 of the paper show the same of TensorRT."


@dataclass(frozen=True)
class Network:
    """One network in one runtime and precision: how many operations of each group it has, and their milliseconds."""

    place: tuple[str, str]
    runtime: str
    precision: str
    model: str
    counts: dict[str, int]
    ms: dict[str, float]
    conv_gops: float | None
    int8: int

    @property
    def operations(self) -> int:
        """How many operations it has."""
        return sum(self.counts.values())

    @property
    def total_ms(self) -> float:
        """The sum of their times."""
        return sum(self.ms.values())


def sum_up(rows: Sequence[Row]) -> list[Network]:
    """The networks of a profile's rows, in the order of runtimes, precisions and models."""
    arms: dict[tuple, list[Row]] = {}
    for row in rows:
        key = (row["clip"], row["target"], row["runtime"], row["precision"], row["model"])
        arms.setdefault(key, []).append(row)
    runtimes = labels.order_runtimes(row["runtime"] for row in rows)
    models = labels.order_models(row["model"] for row in rows)
    precisions = labels.order_precisions((row["precision"] for row in rows), "")
    ordered = sorted(
        arms, key=lambda a: (a[:2], runtimes.index(a[2]), precisions.index(a[3]), models.index(a[4]))
    )
    return [_network(arm, arms[arm]) for arm in ordered]


def _network(arm: tuple, rows: Sequence[Row]) -> Network:
    clip, target, runtime, precision, model = arm
    convolutions = [row for row in rows if row["group"] == CONVOLUTION]
    macs = sum(row["macs"] or 0.0 for row in convolutions)
    ms = {group: fsum(row["ms"] for row in rows if row["group"] == group) for group in GROUPS}
    return Network(
        (clip, target),
        runtime,
        precision,
        model,
        {group: sum(row["group"] == group for row in rows) for group in GROUPS},
        ms,
        2 * macs / ms[CONVOLUTION] / 1e6 if macs and ms[CONVOLUTION] else None,
        sum(row["type"] in _INT8 for row in convolutions),
    )


def write_operations(profile: Path, md: Path) -> None:
    """Write a table with a row a network, a block a clip and target."""
    networks = sum_up(read_profile(profile).to_dicts())
    parts = ["# Operations of every network"]
    for place in dict.fromkeys(network.place for network in networks):
        mine = [network for network in networks if network.place == place]
        parts.append(f"## Clip `{place[0]}` on `{place[1]}`\n\n{_table(mine)}")
    parts.append(
        f"## Notes\n\n- {NOTE}\n- Milliseconds are medians. GOP/s counts a multiply-add as two operations."
    )
    with Outputs({"md": str(md)}) as outputs:
        outputs["md"].write_text("\n\n".join(parts) + "\n", encoding="utf-8")


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


def plot_operations(profile: Path, svg: Path, png: Path) -> None:
    """Stacked bars of the operations' times, a panel a runtime and precision, a bar a network."""
    networks = [n for n in sum_up(read_profile(profile).to_dicts()) if n.model != "bicubic"]
    if not networks:
        raise UserError(f"{profile}: expected operations of networks, found none; see the arms' status")
    panels_of = list(dict.fromkeys((n.place, n.runtime, n.precision) for n in networks))
    several = len({place for place, _, _ in panels_of}) > 1
    counts = [sum((n.place, n.runtime, n.precision) == panel for n in networks) for panel in panels_of]
    with figures.style():
        figure = figures.new_figure(8.2, 0.3 * sum(counts) + 0.62 * len(counts) + 1.2)
        panels = figure.subplots(len(counts), 1, squeeze=False, height_ratios=counts)[:, 0]
        for axes, panel in zip(panels, panels_of, strict=True):
            _draw(axes, [n for n in networks if (n.place, n.runtime, n.precision) == panel])
            title = f"{labels.runtime_label(panel[1])} {labels.precision_label(panel[2])}"
            axes.set_title(title + f", {' on '.join(panel[0])}" * several, loc="left", fontweight="bold")
        panels[-1].set_xlabel("milliseconds, operations timed apart")
        handles = [Patch(edgecolor="black", linewidth=0.7, label=group, **_STYLES[group]) for group in GROUPS]
        figure.legend(handles=handles, loc="outside upper right", ncols=len(GROUPS), frameon=False)
        figures.add_note(figure, [NOTE])
        figures.save(figure, svg, png)


def _draw(axes: Axes, networks: Sequence[Network]) -> None:
    for y, network in enumerate(networks):
        left = 0.0
        for group in GROUPS:
            width = network.ms[group]
            axes.barh(y, width, left=left, height=0.75, edgecolor="black", linewidth=0.7, **_STYLES[group])
            left += width
        text = f"{network.operations} operations, {network.total_ms:.1f} ms"
        axes.annotate(text, (left, y), (3, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_yticks(range(len(networks)), [labels.model_label(network.model) for network in networks])
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.margins(x=0.28, y=0.04)
    axes.grid(axis="x", color="0.92")
