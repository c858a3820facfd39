"""Draw the pictures of docs/architecture.md and docs/networks.md.

They are the data flow, the rules that the default study runs (`snakemake --rulegraph`), and the networks of
the paper operator by operator.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

# First: it takes the user's backend and settings away before matplotlib reads them.
from superres.report.plots import figures

# isort: split
from superres.models.export import export_onnx
from superres.models.settings import weights_name
from superres.report.plots.graphs import plot_graphs
from superres.report.plots.layered import arrange

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs/pictures"
WEIGHTS = ROOT / "src/superres/models/weights"
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


def draw(edges: set[Edge], svg: Path) -> None:
    """Draw a graph from top to bottom as SVG; equal edges give equal bytes."""
    edges = without_shortcuts(edges)
    names = {name for edge in edges for name in edge}
    layout = arrange([(*edge, "") for edge in sorted(edges)], lambda node: 1.8 * (node in names), 0.2)
    places = {node: (x, -0.8 * layout.row[node]) for node, x in layout.x.items()}
    xs, ys = zip(*places.values(), strict=True)
    with figures.style():
        figure = figures.new_figure(0.85 * (max(xs) - min(xs) + 2), 0.62 * (1 - min(ys) / 0.8))
        axes = figure.subplots()
        axes.set_axis_off()
        for way in layout.ways.values():
            across, down = zip(*(places[node] for node in way), strict=True)
            axes.plot(across, [*down[:-1], down[-1] + 0.3], color="0.6", linewidth=1, zorder=1)
            axes.plot(across[-1], down[-1] + 0.3, "v", color="0.6", markersize=4, zorder=1)
        for node in sorted(names):
            box = {"boxstyle": "round,pad=0.35", "facecolor": "white", "edgecolor": "0.3"}
            axes.text(*places[node], node, ha="center", va="center", bbox=box)
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


def draw_networks(svg: Path) -> None:
    """Draw the paper's networks and the folded form, from the weights of the package."""
    with tempfile.TemporaryDirectory() as folder:
        drawn = [(model, "fp32") for model in ("espcn_rgb", "espcn_ycbcr", "espcn_ycbcr_folded")]
        graphs = [Path(folder, f"{model}.onnx") for model, _ in drawn]
        for (model, _), graph in zip(drawn, graphs, strict=True):
            export_onnx(model, WEIGHTS / f"{weights_name(model)}.safetensors", graph)
        plot_graphs(graphs, svg, Path(folder, "networks.png"), drawn=drawn)


def main() -> None:
    """Write all pictures."""
    draw_networks(PICTURES / "networks.svg")
    draw(data_flow(), PICTURES / "data-flow.svg")
    draw(rules(), PICTURES / "rules.svg")


if __name__ == "__main__":
    main()
