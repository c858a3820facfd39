"""Write the tables of docs/int8-results.md from finished studies: CSV files in docs/figures/int8/.

`python docs/make/int8.py results/int8 --commit ...`, or of results/orders those of the orders of calibration
images; run `make docs` afterwards.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import origin
from formatting import read_rows, write_rows

from superres.report import labels
from superres.report.metrics.relative import added_error

FIGURES = Path(__file__).parents[1] / "figures/int8"
RUNTIME = "openvino"
# The detailed clip and the smooth one.
CLIP, SMOOTH = "park", "rooms"
MODELS = ("espcn_rgb", "espcn_ycbcr", "espcn_ycbcr_folded", "espcn_anchor")
NETWORKS = [labels.model_label(model) for model in MODELS]
SEEDS = tuple(f"int8-dummy{seed}" for seed in ("", 1, 2, 3, 4))
METHODS = {
    "`dummy`, five seeds": SEEDS,
    "`dummynormal`": ("int8-dummynormal",),
    "`dummynormal64`": ("int8-dummynormal64",),
    "`dummyones`": ("int8-dummyones",),
    "`dummyminmax`": ("int8-dummyminmax",),
    "`dummynormalminmax`": ("int8-dummynormalminmax",),
    "`dummyonesminmax`": ("int8-dummyonesminmax",),
    "`fixed`": ("int8-fixed",),
    "`dummyframe`": ("int8-dummyframe",),
    "`minmax`": ("int8-minmax",),
    "`percentile`, 99.9": ("int8-percentile999",),
    "`percentile`, 99.99": ("int8-percentile9999",),
    "`percentile`, 99.999": ("int8-percentile99999",),
    "`percentile`, 99.99999": ("int8-percentile9999999",),
    "`entropy`": ("int8-entropy",),
    "`mse`": ("int8-mse",),
}
RECIPES = (
    "minmax+equalize",
    "minmax+pertensor",
    "minmax+equalize+pertensor",
    "minmax+pertensor+adaround",
    "entropy+bias",
    "mse+mixed",
    "mse+adaround",
    "mse+center",
    "mse+center+bias",
    "mse+center+adaround",
    "mse+center+qat",
    "mse+asymmetric",
    "mse+asymmetric+adaround",
    "mse+asymmetric+qat",
    "minmax+balance+center+adaround",
    "minmax+pow2",
    "minmax+pow2search",
    "tuned",
)
# What the study calls some of them.
NAMES = {"mse+adaround": "adaround", "mse+center+qat": "qat", "minmax+pow2": "pow2"}
TOOLS = {
    "`ort`": "ort",
    "`orttensorrt`": "orttensorrt",
    "`nncf`": "nncf",
    "`nncfmixed`": "nncfmixed",
    "ours: `minmax`": "minmax",
    "ours: `mse`": "mse",
    "ours: `tuned`": "tuned",
}
PARTS = [f"{layer} {part}" for layer in ("conv1", "conv2", "conv3") for part in ("weights", "activations")]
# The activations that the second and the third convolution read.
READ = {"conv2": "/trunk/Relu_output_0", "conv3": "/trunk/Relu_1_output_0"}
# Numbers of calibration images and the names of the orders in studies/orders.yaml.
COUNTS = (1, 2, 5, 10, 20, 40)
ORDERS = {"1": "a", "2": "b", "3": "c"}
Table = tuple[list[str], list[list[str]]]


class Study:
    """A finished study and its tables: columns and rows. Of two losses the second is SMOOTH's."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.arms = {
            (row["model"], row["precision"], row["clip"]): row
            for row in read_rows(folder / "evaluation.csv")
            if row["runtime"] == RUNTIME and row["status"] == "ok"
        }

    def methods(self) -> Table:
        """What each calibration loses on the two clips."""
        rows = [[name, *(self._losses(model, arms) for model in MODELS)] for name, arms in METHODS.items()]
        return ["Calibration", *NETWORKS], rows

    def recipes(self) -> Table:
        """What each recipe loses on the two clips."""
        rows = [
            [
                f"`{recipe}`",
                *(self._losses(model, (f"int8-{NAMES.get(recipe, recipe)}",)) for model in MODELS),
            ]
            for recipe in RECIPES
        ]
        return ["Recipe", *NETWORKS], rows

    def tools(self) -> Table:
        """What the graphs of each tool lose on the two clips."""
        rows = [
            [labels.model_label(model), *(self._losses(model, (f"int8-{name}",)) for name in TOOLS.values())]
            for model in MODELS
        ]
        return ["Network", *TOOLS], rows

    def seeds(self) -> Table:
        """What luma's PSNR loses on CLIP over five seeds of a dummy."""
        rows = []
        for model in MODELS:
            lost = [self._loss(model, arm, CLIP, "psnr_y_db") for arm in SEEDS]
            figures = (mean(lost), min(lost), max(lost))
            rows.append([labels.model_label(model), *(f"{figure:.3f}" for figure in figures)])
        return ["Network", "Mean", "Least", "Largest"], rows

    def sensitivity(self) -> Table:
        """What each part of each layer loses alone on CLIP, and all together."""
        rows = []
        for model in MODELS:
            found = {
                f"{row['layer']} {row['part']}": f"{float(row['loss_db']):.3f}"
                for row in read_rows(self.folder / f"sensitivity/{model}/mse.csv")
                if row["quantized"] == "alone" and row["clip"] == CLIP
            }
            rows.append([labels.model_label(model), *(found[part] for part in (*PARTS, "all both"))])
        return ["Network", *PARTS, "all"], rows

    def mixed(self) -> Table:
        """What a budget keeps in float, what that costs in time, and what INT8 adds all the same."""
        rows = []
        for model in MODELS:
            record = self._read(f"refined/{model}/mse+mixed.json")
            layers = " ".join(record["steps"][-1]["float_layers"])
            front = read_rows(self.folder / f"frontier/{model}/mse.csv")
            [chosen] = [row for row in front if row["float_layers"] == (layers or "none")]
            ratio, low, high = (
                float(chosen[name]) for name in ("time_ratio", "time_ratio_q1", "time_ratio_q3")
            )
            time = f"{ratio:.2f} ({low:.2f} to {high:.2f})" if layers else "1"
            psnr, loss = (float(chosen[name]) for name in ("psnr_of_mean_db", "loss_db"))
            adds = f"{added_error(psnr, psnr + loss):.2f} ({loss:.3f} dB)"
            rows.append(
                [
                    labels.model_label(model),
                    layers.replace(" ", ", ") or "none",
                    time,
                    adds,
                    self._losses(model, ("int8-mse+mixed",)),
                ]
            )
        return ["Network", "In float", "Times as long", "Adds on photographs", "Lost on the clips"], rows

    def ranges(self) -> Table:
        """The largest magnitudes that two convolutions read, by calibration."""
        rows = []
        for model in MODELS[:2]:
            for calibration in ("dummyonesminmax", "dummyminmax", "minmax", "mse"):
                tensors = self._read(f"ranges/{model}/{calibration}.json")["tensors"]
                amax = [f"{tensors[tensor]['amax']:.2f}" for tensor in READ.values()]
                rows.append([labels.model_label(model), f"`{calibration}`", *amax])
        return ["Network", "Calibration", *(f"{layer} reads" for layer in READ)], rows

    def orders(self) -> Table:
        """What the first images of each order lose; an arm that was not run has ranges that clip."""
        rows = [
            [
                labels.model_label(model),
                f"`{method}`",
                order,
                *(self._losses(model, (self._first(method + name, count),)) for count in COUNTS),
            ]
            for model in ("espcn_rgb", "plain_c16_m4")
            for method in ("minmax", "entropy")
            for order, name in ORDERS.items()
        ]
        return ["Network", "Method", "Order", "1 image", *(f"{count} images" for count in COUNTS[1:])], rows

    def _first(self, calibration: str, count: int) -> str:
        return f"int8-{calibration}" + ("" if count == COUNTS[-1] else f"of{count}")

    def _losses(self, model: str, arms: Sequence[str]) -> str:
        """Return the losses on both clips, of several arms the least and the largest."""
        cells = []
        for clip in (CLIP, SMOOTH):
            lost = sorted(self._loss(model, arm, clip) for arm in arms)
            cells.append(" to ".join(f"{figure:.3f}" for figure in dict.fromkeys((lost[0], lost[-1]))))
        return " / ".join(cells)

    def _loss(self, model: str, arm: str, clip: str, measure: str = "psnr_db") -> float:
        """Return the loss against FP32 in dB."""
        exact, found = (self.arms[model, name, clip] for name in ("fp32", arm))
        return float(exact[measure]) - float(found[measure])

    def _read(self, name: str) -> dict[str, Any]:
        return json.loads((self.folder / name).read_text(encoding="utf-8"))


def main() -> None:
    """Write the tables, and where they come from."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path, help="folder of studies/int8.yaml or of studies/orders.yaml")
    parser.add_argument("--machine", help="the processor in words (default: from a record)")
    parser.add_argument("--commit", required=True, help="the code that the study ran with")
    options = parser.parse_args()
    study, name = Study(options.study), options.study.resolve().name
    tables = {
        "int8": (
            study.methods,
            study.recipes,
            study.tools,
            study.seeds,
            study.sensitivity,
            study.mixed,
            study.ranges,
        ),
        "orders": (study.orders,),
    }[name]
    out = FIGURES if name == "int8" else FIGURES / name
    out.mkdir(exist_ok=True)
    for table in tables:
        columns, rows = table()
        named = [dict(zip(columns, row, strict=True)) for row in rows]
        write_rows(out / f"{table.__name__}.csv", columns, named)
    run = {
        "command": f"snakemake --cores 2 evaluate --configfile studies/{name}.yaml",
        "commit": options.commit[:7],
        "machine": options.machine or "",
    }
    record = options.study / f"arms/local/{RUNTIME}/{MODELS[0]}/fp32/quality.{CLIP}.json"
    origin.write_run(out / "run.yaml", options.study, record, run)


if __name__ == "__main__":
    main()
