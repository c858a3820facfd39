"""Tables of docs/int8-results.md; as a program, copy their figures from a finished study into docs/.

`python docs/make/int8.py results/int8` writes metrics.csv, sensitivity.csv and run.yaml in
docs/figures/int8/.
Run `make docs` afterwards.
"""

import argparse
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from statistics import mean

import yaml
from formatting import markdown, read_rows, write_rows

from superres.code_version import code_commit
from superres.report import labels

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
# Names of the study for recipes, spelt out.
RECIPES = {
    "minmax+equalize": "minmax+equalize",
    "minmax+pertensor": "minmax+pertensor",
    "minmax+equalize+pertensor": "minmax+equalize+pertensor",
    "minmax+pertensor+adaround": "minmax+pertensor+adaround",
    "entropy+bias": "entropy+bias",
    "mse+mixed": "mse+mixed",
    "mse+adaround": "adaround",
    "mse+center": "mse+center",
    "mse+center+bias": "mse+center+bias",
    "mse+center+adaround": "mse+center+adaround",
    "mse+center+qat": "qat",
    "mse+asymmetric": "mse+asymmetric",
    "mse+asymmetric+adaround": "mse+asymmetric+adaround",
    "mse+asymmetric+qat": "mse+asymmetric+qat",
    "minmax+balance+center+adaround": "minmax+balance+center+adaround",
    "minmax+pow2": "pow2",
    "minmax+pow2search": "minmax+pow2search",
    "tuned": "tuned",
}
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
COLUMNS = (
    "runtime",
    "model",
    "precision",
    "clip",
    "psnr_db",
    "psnr_y_db",
    "added_mse",
    "cautions",
    "status",
)
SENSITIVITY = ("model", "recipe", "clip", "layer", "part", "quantized", "frames", "loss_db")


def methods() -> str:
    """Return what each calibration loses on the two clips."""
    rows = [[name, *(_losses(model, arms) for model in MODELS)] for name, arms in METHODS.items()]
    return markdown(["Calibration", *NETWORKS], rows)


def recipes() -> str:
    """Return what each recipe loses on the two clips."""
    rows = [
        [f"`{recipe}`", *(_losses(model, (f"int8-{name}",)) for model in MODELS)]
        for recipe, name in RECIPES.items()
    ]
    return markdown(["Recipe", *NETWORKS], rows)


def tools() -> str:
    """Return what the graphs of each tool lose on the two clips."""
    rows = [
        [label, *(_losses(model, (f"int8-{name}",)) for name in TOOLS.values())]
        for model, label in zip(MODELS, NETWORKS, strict=True)
    ]
    return markdown(["Network", *TOOLS], rows)


def seeds() -> str:
    """Return the loss of luma's PSNR on the detailed clip over five seeds of a dummy."""
    rows = []
    for model, label in zip(MODELS, NETWORKS, strict=True):
        lost = [_loss(model, arm, CLIP, "psnr_y_db") for arm in SEEDS]
        rows.append([label, *(f"{figure:.3f}" for figure in (mean(lost), min(lost), max(lost)))])
    return markdown(["Network", "Mean", "Least", "Largest"], rows)


def sensitivity() -> str:
    """Return what each part of each layer loses alone, and all together, on the detailed clip."""
    found = {
        (row["model"], f"{row['layer']} {row['part']}"): f"{float(row['loss_db']):.3f}"
        for row in read_rows(FIGURES / "sensitivity.csv")
        if row["quantized"] == "alone" and row["clip"] == CLIP
    }
    rows = [
        [label, *(found[model, part] for part in (*PARTS, "all both"))]
        for model, label in zip(MODELS, NETWORKS, strict=True)
    ]
    return markdown(["Network", *PARTS, "all"], rows)


def _losses(model: str, arms: Sequence[str]) -> str:
    """Return the losses on both clips, of several arms the least and the largest."""
    cells = []
    for clip in (CLIP, SMOOTH):
        lost = sorted(_loss(model, arm, clip) for arm in arms)
        cells.append(" to ".join(f"{figure:.3f}" for figure in dict.fromkeys((lost[0], lost[-1]))))
    return " / ".join(cells)


def _loss(model: str, arm: str, clip: str, measure: str = "psnr_db") -> float:
    """Return the loss against FP32 in dB."""
    exact, found = (_arms()[model, name, clip] for name in ("fp32", arm))
    return float(exact[measure]) - float(found[measure])


@cache
def _arms() -> dict[tuple[str, str, str], dict[str, str]]:
    """Return OpenVINO's arms that ran, by model, precision and clip."""
    return {
        (row["model"], row["precision"], row["clip"]): row
        for row in read_rows(FIGURES / "metrics.csv")
        if row["runtime"] == RUNTIME and row["status"] == "ok"
    }


TABLES: dict[str, Callable[[], str]] = {
    "int8/methods": methods,
    "int8/recipes": recipes,
    "int8/tools": tools,
    "int8/seeds": seeds,
    "int8/sensitivity": sensitivity,
}


def main() -> None:
    """Copy the figures of a study."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path, help="folder of studies/int8.yaml")
    parser.add_argument("--machine", required=True, help="the machine in words")
    options = parser.parse_args()
    evaluation = options.study / "evaluation.csv"
    write_rows(FIGURES / "metrics.csv", COLUMNS, read_rows(evaluation))
    layers = [options.study / f"sensitivity/{model}/mse.csv" for model in MODELS]
    write_rows(FIGURES / "sensitivity.csv", SENSITIVITY, (row for path in layers for row in read_rows(path)))
    run = {
        "command": "snakemake --cores 2 evaluate --configfile studies/int8.yaml",
        "commit": code_commit()[:7],
        "date": str(datetime.fromtimestamp(evaluation.stat().st_mtime, UTC).date()),
        "machine": options.machine,
    }
    (FIGURES / "run.yaml").write_text(yaml.safe_dump(run, sort_keys=False, width=200), encoding="utf-8")


if __name__ == "__main__":
    main()
