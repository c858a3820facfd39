"""Places of boxes: rows follow the arrows, nothing overlaps, chains are straight."""

from itertools import pairwise

import numpy as np
import pytest

from superres.report.plots.layered import Bend, Edge, Layout, arrange

GAP = 0.25


def width(node: object) -> float:
    return 0.1 if isinstance(node, Bend) else 1.0


def random_graph(seed: int) -> list[Edge]:
    random = np.random.default_rng(seed)
    pairs = {(int(random.integers(max(0, at - 6), at)), at) for at in range(1, 40) for _ in range(2)}
    return [(source, target, "") for source, target in sorted(pairs)]


def crossings(layout: Layout) -> int:
    lines = {link for way in layout.ways.values() for link in pairwise(way)}
    return (
        sum(
            layout.row[a] == layout.row[c] and (layout.x[a] - layout.x[c]) * (layout.x[b] - layout.x[d]) < 0
            for a, b in lines
            for c, d in lines
        )
        // 2
    )


@pytest.mark.parametrize("seed", range(4))
def test_rows_and_distances(seed: int):
    edges = random_graph(seed)
    layout = arrange(edges, width, GAP)
    for edge in edges:
        way = layout.ways[edge]
        assert (way[0], way[-1]) == edge[:2]
        assert all(layout.row[b] == layout.row[a] + 1 for a, b in pairwise(way))
    for row in range(max(layout.row.values()) + 1):
        line = sorted((node for node in layout.row if layout.row[node] == row), key=lambda n: layout.x[n])
        for a, b in pairwise(line):
            assert layout.x[b] - layout.x[a] >= (width(a) + width(b)) / 2 + GAP - 1e-9


def test_the_same_graph_has_the_same_layout():
    assert arrange(random_graph(0), width, GAP) == arrange(random_graph(0), width, GAP)


def test_a_chain_is_straight():
    layout = arrange([(at, at + 1, "") for at in range(30)], width, GAP)
    assert max(layout.x.values()) - min(layout.x.values()) < 1e-6
    assert [layout.row[at] for at in range(31)] == list(range(31))


def test_a_graph_that_needs_no_crossing_has_none():
    # A ladder whose rungs are named in turn from both ends, beside a long line around all of it.
    edges: list[Edge] = [("in", "a0", ""), ("in", "b0", ""), ("a9", "out", ""), ("b9", "out", "")]
    edges += [(f"{side}{at}", f"{side}{at + 1}", "") for side in "ba" for at in range(9)]
    edges += [("in", "out", "")]
    assert crossings(arrange(edges[::-1], width, GAP)) == 0


def test_edges_of_one_output_share_their_bends():
    edges: list[Edge] = [("a", "b", "x"), ("b", "c", "x"), ("c", "d", "x"), ("a", "d", "x"), ("a", "c", "x")]
    layout = arrange(edges, width, GAP)
    assert {node for node in layout.row if isinstance(node, Bend)} == {Bend("a", "x", 1), Bend("a", "x", 2)}
    other = arrange([*edges[:4], ("a", "c", "y")], width, GAP)
    assert sum(isinstance(node, Bend) for node in other.row) == 3
