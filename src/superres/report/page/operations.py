"""The time of each kind of operation, stacked per arm, and their numbers."""

import html
from collections.abc import Sequence

from superres.report import labels
from superres.report.metrics.profiles import GROUPS, TIMED_APART, Network, ProfileFiles, networks_of
from superres.report.page.data import Figure, Grid, Group


def operations(arms: Sequence[ProfileFiles]) -> tuple[Group | None, Grid | None]:
    """Return the plots of these arms, one a clip and target, and a table; None without any operation."""
    found = networks_of(arms)
    models = labels.order_models(network.model for network in found)
    # What one network takes in each precision stands together.
    networks = sorted(found, key=lambda network: (network.place, models.index(network.model)))
    if not networks:
        return None, None
    places = dict.fromkeys(network.place for network in networks)
    figures = [_stacked(place, [n for n in networks if n.place == place]) for place in places]
    group = Group(id="operations", title="Time by kind of operation", text=TIMED_APART, figures=figures)
    return group, _table(networks)


def _stacked(place: tuple[str, str, int], networks: Sequence[Network]) -> Figure:
    # In two lines: a phone has no room for one.
    names = ["<br>".join(map(html.escape, _words(network))) for network in networks]
    data = [
        {
            "type": "bar",
            "orientation": "h",
            "name": kind,
            "y": names,
            "x": [network.ms[kind] for network in networks],
            "customdata": [network.counts[kind] for network in networks],
            "hovertemplate": f"%{{y}}<br>{kind}: %{{x:.2f}} ms, %{{customdata}} operations<extra></extra>",
        }
        for kind in GROUPS
    ]
    layout = {
        "barmode": "stack",
        "height": 140 + 40 * len(names),
        "xaxis": {"title": {"text": "ms, timed one by one"}},
        "yaxis": {"autorange": "reversed", "automargin": True},
    }
    return Figure(
        name=f"{place[0]} on {place[1]} at {labels.scale_label(place[2])}", data=data, layout=layout
    )


def _table(networks: Sequence[Network]) -> Grid:
    rows = [
        [
            _name(network),
            *network.place[:2],
            labels.scale_label(network.place[2]),
            *(str(network.counts[kind]) for kind in GROUPS),
            str(network.operations),
            str(network.int8),
            f"{network.total_ms:.2f}",
        ]
        for network in networks
    ]
    header = ["Arm", "Clip", "Target", "Scale", *GROUPS, "all", "convolutions in INT8", "sum [ms]"]
    return Grid(title="Number of operations", header=header, rows=rows, names=4)


def _name(network: Network) -> str:
    return " ".join(_words(network))


def _words(network: Network) -> tuple[str, str]:
    words = (labels.runtime_label(network.runtime), labels.precision_label(network.precision))
    return " ".join(words), labels.model_label(network.model)
