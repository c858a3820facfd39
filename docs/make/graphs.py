"""Draw the pictures of docs/architecture.md: the data flow, and the rules that the default study runs.

The rules come from `snakemake --rulegraph`. The layout is computed here, without Graphviz.
"""

import re
import subprocess
import sys
from collections.abc import Iterable
from graphlib import TopologicalSorter
from itertools import pairwise
from pathlib import Path

from superres.report.plots import figures

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs/pictures"
Edge = tuple[str, str]

DATA_FLOW = """
study > clips, calibration sets, weights
clips > quality.csv, latency.csv
calibration sets > ranges
weights > ONNX fp32
ONNX fp32 > ranges, ONNX fp16, ONNX int8-*, uint8 graph
ranges > ONNX int8-*
ONNX fp16 > uint8 graph
ONNX int8-* > uint8 graph
uint8 graph > engine
engine > quality.csv, latency.csv, profile.csv
quality.csv > manifest.json
latency.csv > manifest.json
manifest.json > metrics.csv
profile.csv > page
metrics.csv > table1.csv, plots
table1.csv > page
plots > page
"""


def data_flow() -> set[Edge]:
    """Return the edges of the data flow."""
    lines = [line.split(" > ") for line in DATA_FLOW.strip().splitlines()]
    return {(source, target) for source, targets in lines for target in targets.split(", ")}


def rules() -> set[Edge]:
    """Return the rules of the default study: an edge from each to those that read its output."""
    command = [sys.executable, "-m", "snakemake", "--rulegraph", "--forceall", "--quiet", "all"]
    dot = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    names = dict(re.findall(r'(\d+)\[label = "(\w+)', dot))
    return {(names[source], names[target]) for source, target in re.findall(r"(\d+) -> (\d+)", dot)}


def without_shortcuts(edges: set[Edge]) -> set[Edge]:
    """Return the edges without those that a longer path implies."""
    return {
        (source, target)
        for source, target in edges
        if not _reaches(source, target, edges - {(source, target)})
    }


def levels(edges: set[Edge]) -> dict[str, int]:
    """Return the length of each node's longest path to the end, its row from below."""
    after = {node: {target for source, target in edges if source == node} for edge in edges for node in edge}
    level: dict[str, int] = {}
    for node in TopologicalSorter(after).static_order():
        level[node] = 1 + max((level[target] for target in after[node]), default=-1)
    return level


def chains(edges: set[Edge], level: dict[str, int]) -> list[list[str]]:
    """Return each edge as a chain of nodes on neighbouring levels, with bends named `|...` in between."""
    return [
        [
            source,
            *(f"|{source}|{target}|{step}" for step in range(level[source] - 1, level[target], -1)),
            target,
        ]
        for source, target in sorted(edges)
    ]


def rows_of(paths: list[list[str]], level: dict[str, int]) -> list[list[str]]:
    """Return rows of nodes and bends from top to bottom, ordered for few crossings."""
    bends = {bend: int(bend.rpartition("|")[2]) for path in paths for bend in path[1:-1]}
    all_levels = {**level, **bends}
    rows = [
        sorted(node for node in all_levels if all_levels[node] == at)
        for at in range(max(all_levels.values()) + 1)
    ]
    links = [link for path in paths for link in pairwise(path)]
    above = {node: [source for source, target in links if target == node] for node in all_levels}
    below = {node: [target for source, target in links if source == node] for node in all_levels}
    for _ in range(8):
        for lower, row in pairwise(rows):
            row.sort(key=lambda node: _middle(below[node], lower))
        for upper, row in pairwise(rows[::-1]):
            row.sort(key=lambda node: _middle(above[node], upper))
    return rows[::-1]


def draw(edges: set[Edge], svg: Path) -> None:
    """Draw a graph from top to bottom as SVG; equal edges give equal bytes."""
    edges = without_shortcuts(edges)
    level = levels(edges)
    paths = chains(edges, level)
    rows = rows_of(paths, level)
    places = {
        node: (2.0 * (index - (len(row) - 1) / 2), -0.8 * line)
        for line, row in enumerate(rows)
        for index, node in enumerate(row)
    }
    with figures.style():
        figure = figures.new_figure(1.7 * max(map(len, rows)), 0.62 * len(rows))
        axes = figure.subplots()
        axes.set_axis_off()
        for path in paths:
            (xs, ys) = zip(*(places[node] for node in path), strict=True)
            axes.plot(xs, [*ys[:-1], ys[-1] + 0.3], color="0.6", linewidth=1, zorder=1)
            axes.plot(xs[-1], ys[-1] + 0.3, "v", color="0.6", markersize=4, zorder=1)
        for node in sorted(level):
            box = {"boxstyle": "round,pad=0.35", "facecolor": "white", "edgecolor": "0.3"}
            axes.text(*places[node], node, ha="center", va="center", bbox=box)
        xs, ys = zip(*places.values(), strict=True)
        axes.set_xlim(min(xs) - 1, max(xs) + 1)
        axes.set_ylim(min(ys) - 0.4, max(ys) + 0.4)
        figure.savefig(svg, format="svg", metadata={"Date": None, "Description": description(edges)})


def description(edges: Iterable[Edge]) -> str:
    """Return the graph in words, for the metadata of the picture."""
    return ", ".join(f"{source} > {target}" for source, target in sorted(edges))


def _reaches(source: str, target: str, edges: set[Edge]) -> bool:
    found = {source}
    while new := {end for start, end in edges if start in found} - found:
        found |= new
    return target in found


def _middle(nodes: Iterable[str], row: list[str]) -> float:
    places = [row.index(node) / max(1, len(row) - 1) for node in nodes if node in row]
    return sum(places) / len(places) if places else 0.5


def main() -> None:
    """Write both pictures."""
    draw(data_flow(), PICTURES / "data-flow.svg")
    draw(rules(), PICTURES / "rules.svg")


if __name__ == "__main__":
    main()
