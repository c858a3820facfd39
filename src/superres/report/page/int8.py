"""Plots of INT8: histograms with thresholds, and losses over images, layers and time."""

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from superres.csv_rows import Row
from superres.device.base.outputs import read_json
from superres.quantization.layers.schema import PARTS, parse_subset, read_frontier, read_sensitivity
from superres.quantization.ranges.histogram import BINS, Statistics
from superres.quantization.ranges.observation import read_observed
from superres.report import labels
from superres.report.metrics.relative import added_mse
from superres.report.page.data import LOG, Figure, Group
from superres.report.plots.figures import ADDED
from superres.report.plots.layers import sensitivity_bars

Trace = dict[str, Any]
SERIES = Sequence[tuple[str, Sequence[tuple[int, str]]]]
"""A label, and the precision for each number of images."""

_BARS = 128
MOST_TENSORS = 60
"""Tensors of a network whose histograms a page has."""


@dataclass(frozen=True)
class Int8Files:
    """What a study measured about INT8; all of it may be empty.

    `observed` are statistics of activations by model and images, `ranges` those of calibrations by model and
    calibration.
    """

    observed: Mapping[str, Mapping[str, Path]] = field(default_factory=dict)
    ranges: Mapping[str, Mapping[str, Path]] = field(default_factory=dict)
    sensitivities: Sequence[Path] = ()
    frontiers: Sequence[Path] = ()


def int8_groups(metrics: Sequence[Row], series: SERIES, files: Int8Files) -> list[Group]:
    """Return the groups of plots that the study has something for."""
    groups = [
        Group(
            id="histograms",
            title="Histograms and thresholds",
            text="Magnitudes of each tensor over all calibration images. Each calibration has a threshold: "
            "values beyond it become the threshold itself.",
            figures=[figure for model in labels.order_models(files.observed) for figure in
                     _histograms(model, [*files.observed[model].values()], files.ranges.get(model, {}))],
        ),
        Group(
            id="images",
            title="Error over the number of calibration images",
            text="Squared error added to FP32's in the same runtime.",
            figures=[*_over_images(metrics, series)],
        ),
        Group(
            id="layers",
            title="Loss per layer",
            text="Lost if only this part is quantised, and won back if only it stays in float.",
            figures=[figure for path in files.sensitivities for figure in _per_layer(path)],
        ),
        Group(
            id="mixed",
            title="Mixed precision",
            text="Each point is a choice of layers in float: error on calibration images against time.",
            figures=[_front(path) for path in files.frontiers],
        ),
    ]  # fmt: skip
    return [group for group in groups if group.figures]


def _histograms(model: str, files: Sequence[Path], ranges: Mapping[str, Path]) -> Iterator[Figure]:
    # Photographs if there are any: dummy images show nothing of a network's use.
    observed = [read_observed(path) for path in files]
    seen = next((one for one in observed if not one.is_random), observed[0])
    cuts = {name: read_json(path, ("tensors",))["tensors"] for name, path in ranges.items()}
    for tensor, statistics in [*seen.tensors.items()][:MOST_TENSORS]:
        lines = {name: cut[tensor]["amax"] for name, cut in cuts.items() if tensor in cut}
        yield _histogram(f"{labels.model_label(model)}: {tensor}", statistics, lines)


def _histogram(name: str, seen: Statistics, thresholds: Mapping[str, float]) -> Figure:
    last = min(BINS, int(seen.amax / seen.width) + 1)
    edges = np.unique(np.linspace(0, last, _BARS + 1).astype(int))
    counts = np.add.reduceat(seen.counts[:last], edges[:-1])
    share = counts / seen.total
    filled = share[share > 0]
    floor = float(filled.min()) / 2
    x = [round(float(edge) * seen.width, 6) for edge in edges]
    y = [float(f"{value:.3g}") if value > 0 else floor for value in share]
    data: list[Trace] = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": "values",
            "x": x,
            "y": [*y, floor],
            "line": {"shape": "hv", "width": 1},
            "fill": "tozeroy",
            "hovertemplate": "%{x:.4g}: share %{y:.2g}<extra></extra>",
        }
    ]
    top = float(filled.max()) * 2
    for number, (calibration, amax) in enumerate(sorted(thresholds.items(), key=lambda item: item[1])):
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": f"{html.escape(calibration)}: {amax:.4g}, {seen.beyond(amax):.2%} beyond",
                "x": [amax, amax],
                "y": [floor, top],
                "line": {"width": 2, "dash": ("solid", "dash", "dot", "dashdot")[number % 4]},
            }
        )
    # Room for a line at the end, where many a threshold is.
    end = 1.02 * max(x[-1], *thresholds.values(), 0.0)
    layout = {"xaxis": {"title": {"text": "magnitude"}, "range": [0, end]},
              "yaxis": {"title": {"text": "share of values"}, **LOG}}  # fmt: skip
    return Figure(name=name, data=data, layout=layout)


def _over_images(metrics: Sequence[Row], series: SERIES) -> Iterator[Figure]:
    places: dict[tuple[str, ...], list[Row]] = {}
    for row in metrics:
        places.setdefault((row["target"], row["clip"], row["runtime"], row["model"]), []).append(row)
    for (target, clip, runtime, model), rows in places.items():
        mine = {row["precision"]: row for row in rows}
        data = []
        for label, precisions in series:
            points = [
                (images, added)
                for images, precision in precisions
                if precision in mine and (added := added_mse(mine[precision], rows)) is not None
            ]
            if len(points) > 1:
                x, y = zip(*points, strict=True)
                data.append(
                    {"type": "scatter", "mode": "lines+markers", "name": html.escape(label), "x": x, "y": y}
                )
        if data:
            name = f"{labels.model_label(model)} in {labels.runtime_label(runtime)}, {clip} on {target}"
            layout = {"xaxis": {"title": {"text": "calibration images"}, **LOG},
                      "yaxis": {"title": {"text": ADDED}}}  # fmt: skip
            yield Figure(name=name, data=data, layout=layout)


def _per_layer(path: Path) -> Iterator[Figure]:
    rows = read_sensitivity(path).to_dicts()
    for clip in dict.fromkeys(row["clip"] for row in rows):
        mine = [row for row in rows if row["clip"] == clip]
        bars = sensitivity_bars(mine, "added_mse")
        data: list[Trace] = []
        for part in PARTS:
            own = [bar for bar in bars if bar[1] == part]
            layers = [html.escape(layer) for layer, *_ in own]
            data.append(_bars(f"{part}: added alone", layers, [lost for *_, lost, _ in own]))
            data.append(_bars(f"{part}: won back in float", layers, [won for *_, won in own]))
        name = f"{labels.model_label(mine[0]['model'])} on {clip}"
        layout = {
            "barmode": "group",
            "yaxis": {"title": {"text": ADDED}},
            "xaxis": {"type": "category"},
        }
        yield Figure(name=name, data=data, layout=layout)


def _bars(name: str, x: Sequence[str], y: Sequence[float | None]) -> Trace:
    return {"type": "bar", "name": name, "x": x, "y": y}


def _front(path: Path) -> Figure:
    rows = read_frontier(path).sort("time_ratio").to_dicts()
    front = [row for row in rows if row["on_frontier"]]
    data = [
        {
            "type": "scatter",
            "mode": mode,
            "name": name,
            "x": [row["time_ratio"] for row in points],
            "y": [row["added_mse"] for row in points],
            "customdata": [row["loss_db"] for row in points],
            "text": [html.escape(_float_layers(row)) for row in points],
            "hovertemplate": "%{text}<br>%{x:.3f} of the time, %{y:.3f} added, %{customdata:.3f} dB lost"
            "<extra></extra>",
        }
        for mode, name, points in (
            ("markers", "a choice of layers", rows),
            ("lines+markers", "the front", front),
        )
    ]
    first, runtime = rows[0], labels.runtime_label(rows[0]["runtime"])
    name = f"{labels.model_label(first['model'])}, {first['recipe']} in {runtime}"
    layout = {"xaxis": {"title": {"text": "time per frame / that of all INT8"}},
              "yaxis": {"title": {"text": ADDED}}}  # fmt: skip
    return Figure(name=name, data=data, layout=layout)


def _float_layers(row: Row) -> str:
    subset = parse_subset(row["float_layers"])
    return "in float: " + (", ".join(subset) or "none")
