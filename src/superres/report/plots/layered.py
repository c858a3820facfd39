"""Layout of a directed graph in rows from top to bottom, without crossings where that is easy.

The usual four steps (Sugiyama et al., 1981): rows, bends where an edge passes a row, order within each row,
places. Equal graphs give equal layouts.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from itertools import pairwise
from typing import Any

import numpy as np

Node = Any
"""A node, of any type that can be compared and hashed."""
Edge = tuple[Any, Any, Any]
"""Source, target, and the output of the source that it carries. Edges of one output share their bends."""

_SWEEPS = 12
_PULLS, _CHAINED = (1.0, 2.0, 8.0), 4.0


@dataclass(frozen=True)
class Bend:
    """Where the edges of one output of a node pass a row."""

    source: Node
    output: Node
    row: int


@dataclass(frozen=True)
class Layout:
    """Row (from 0, the top) and x of every node and bend, and each edge's way over its bends."""

    row: Mapping[Node, int]
    x: Mapping[Node, float]
    ways: Mapping[Edge, Sequence[Node]]


def arrange(edges: Sequence[Edge], width: Callable[[Node], float], gap: float) -> Layout:
    """Place the nodes of an acyclic graph; raises CycleError for any other.

    `width` is a node's, or that of a line for a `Bend`; `gap` is the least distance between two in a row.
    """
    row = _rows(edges)
    ways = {edge: _way(edge, row) for edge in edges}
    row |= {node: node.row for way in ways.values() for node in way if isinstance(node, Bend)}
    links = list(dict.fromkeys(link for way in ways.values() for link in pairwise(way)))
    above, below = _neighbours(links)
    rows = _ordered(row, above, below)
    return Layout(row, _places(rows, above, below, width, gap), ways)


def _rows(edges: Sequence[Edge]) -> dict[Node, int]:
    """Return each node's row: as low as its readers allow, or as high as what it reads if that is more."""
    above, below = _neighbours([(source, target) for source, target, _ in edges])
    order = list(TopologicalSorter({node: above[node] for edge in edges for node in edge[:2]}).static_order())
    row: dict[Node, int] = {}
    for node in reversed(order):
        row[node] = min((row[reader] for reader in below[node]), default=0) - 1
    for node in order:
        if len(above[node]) > len(below[node]) > 0:
            row[node] = max(row[read] for read in above[node]) + 1
    first = min(row.values())
    return {node: row[node] - first for node in dict.fromkeys(node for edge in edges for node in edge[:2])}


def _way(edge: Edge, row: Mapping[Node, int]) -> list[Node]:
    source, target, output = edge
    return [source, *(Bend(source, output, at) for at in range(row[source] + 1, row[target])), target]


def _neighbours(links: Iterable[tuple[Node, Node]]) -> tuple[dict[Node, list], dict[Node, list]]:
    above: dict[Node, list] = defaultdict(list)
    below: dict[Node, list] = defaultdict(list)
    for source, target in dict.fromkeys(links):
        above[target].append(source)
        below[source].append(target)
    return above, below


def _ordered(row: Mapping[Node, int], above: Mapping[Node, list], below: Mapping[Node, list]) -> list[list]:
    """Return the nodes and bends of each row from left to right: the best of some sweeps by barycentre."""
    rows: list[list] = [[] for _ in range(max(row.values()) + 1)]
    for node, at in row.items():
        rows[at].append(node)
    best, fewest = [list(line) for line in rows], _crossings(rows, below)
    for sweep in range(_SWEEPS):
        lines, neighbours = (rows, above) if sweep % 2 == 0 else (rows[::-1], below)
        for read, line in pairwise(lines):
            index = {node: at / max(1, len(read) - 1) for at, node in enumerate(read)}
            line.sort(key=lambda node: _mean([index[n] for n in neighbours[node]], 0.5))
        if (found := _crossings(rows, below)) < fewest:
            best, fewest = [list(line) for line in rows], found
    return best


def _crossings(rows: Sequence[Sequence[Node]], below: Mapping[Node, list]) -> int:
    """Return how many pairs of lines between neighbouring rows cross."""
    count = 0
    for upper, lower in pairwise(rows):
        index = {node: at for at, node in enumerate(lower)}
        ends = np.array([at for node in upper for at in sorted(index[n] for n in below[node])])
        count += int(np.triu(ends[:, None] > ends[None, :]).sum())
    return count


def _places(
    rows: Sequence[Sequence[Node]],
    above: Mapping[Node, list],
    below: Mapping[Node, list],
    width: Callable[[Node], float],
    gap: float,
) -> dict[Node, float]:
    """Return each node's x: near the mean of those that it is joined to, without any overlap."""
    offsets = [
        np.cumsum([0.0, *((width(a) + width(b)) / 2 + gap for a, b in pairwise(line))]) for line in rows
    ]

    def pull(node: Node, other: Node) -> float:
        """Return how straight a line should be: most between bends, then in a chain."""
        bends = isinstance(node, Bend) + isinstance(other, Bend)
        chained = max(len(side[end]) for end in (node, other) for side in (above, below)) == 1
        return _PULLS[bends] * (_CHAINED if chained else 1)

    x = {
        node: float(at)
        for line, places in zip(rows, offsets, strict=True)
        for node, at in zip(line, places - places[-1] / 2, strict=True)
    }
    for sweep in range(4 * _SWEEPS + 1):
        # From one side alone, so that all of a long line moves; then from both; at last straight down.
        one = sweep < 2 * _SWEEPS or sweep == 4 * _SWEEPS
        sides = ((above,) if sweep % 2 == 0 else (below,)) if one else (above, below)
        for at in range(len(rows)) if sweep % 2 == 0 else reversed(range(len(rows))):
            line = rows[at]
            pulls = [[(other, pull(node, other)) for side in sides for other in side[node]] for node in line]
            weights = [sum(weight for _, weight in pulled) or 0.1 for pulled in pulls]
            wanted = [
                sum(x[other] * weight for other, weight in pulled) / total if pulled else x[node]
                for node, pulled, total in zip(line, pulls, weights, strict=True)
            ]
            x.update(zip(line, _apart(wanted, weights, offsets[at]), strict=True))
    return x


def _apart(wanted: Sequence[float], weights: Sequence[float], offsets: np.ndarray) -> list[float]:
    """Return the places nearest to those wanted, in least squares, that are as far apart as `offsets`.

    Pools neighbours that are too close, as in isotonic regression.
    """
    pools: list[tuple[float, float, int]] = []
    for place, weight, offset in zip(wanted, weights, offsets, strict=True):
        mean, total, size = place - float(offset), weight, 1
        while pools and pools[-1][0] > mean:
            other, its, count = pools.pop()
            mean, total, size = (mean * total + other * its) / (total + its), total + its, size + count
        pools.append((mean, total, size))
    level = [mean for mean, _, size in pools for _ in range(size)]
    return [mean + float(offset) for mean, offset in zip(level, offsets, strict=True)]


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
