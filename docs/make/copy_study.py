"""Copy the figures and pictures of a finished default study into docs/: `copy_study.py results/default`.

Writes metrics.csv and run.yaml in docs/figures/default/, and front.png, psnr_fps.png and int8_loss.png in
docs/pictures/. Run `make docs` afterwards.
"""

import argparse
import csv
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

# First: it takes the user's backend and settings away before matplotlib reads them.
import superres.report.plots  # noqa: F401

# isort: split
import numpy as np
import origin
from formatting import write_rows
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

from superres.device.base.errors import UserError
from superres.device.frames.files import open_frames
from superres.device.frames.psnr import mean_squared_errors, psnr
from superres.report import labels
from superres.report.plots import figures
from superres.report.plots.samples import find_detail
from superres.report.receipts import Receipts

DOCS = Path(__file__).parents[1]
COLUMNS: Sequence[str] = (
    "runtime",
    "model",
    "precision",
    "clip",
    "frames",
    "psnr_db",
    "psnr_y_db",
    "psnr_of_mean_db",
    "added_mse",
    "added_levels",
    "ssim_y",
    "exact_frames",
    "timed_on",
    "fps",
    "latency_p50_ms",
    "speedup",
    "speedup_low",
    "speedup_high",
    "limit_fraction",
    "cautions",
    "status",
)
RUNTIME, MODEL = "openvino", "espcn_rgb"
SHOWN = {"fp32": "FP32", "int8-dummy": "INT8, no calibration", "int8-tuned": "INT8, tuned"}
COLOURS = {
    "espcn_rgb": "tab:blue",
    "espcn_ycbcr": "tab:red",
    "espcn_ycbcr_folded": "tab:purple",
    "plain_c16_m4": "tab:green",
    "plain_c8_m4": "tab:orange",
}
MARKS = {"fp32": "o", "bf16": "D", "int8-dummy": "v", "int8-tuned": "s"}
CROP = (100, 78)
PRODUCT = "Rows x inputs x outputs"
Row = Mapping[str, str]


def write_run(path: Path, manifest: Path, options: argparse.Namespace) -> None:
    """Write the command, commit, date and machine of the figures, from the manifest of one arm."""
    code = json.loads(manifest.read_text(encoding="utf-8"))["code"]
    commit = code["commit"][:7] + ("+changes" if code["changed"] else "")
    run = {"command": options.command, "commit": commit, "machine": options.machine or ""}
    origin.write_run(path, options.study, manifest, run)


def write_products(path: Path, roofline: Path) -> None:
    """Write rates of matrix products in 10^9 multiply-adds a second: a row a size, the fastest library's."""
    best: dict[tuple[int, ...], dict[str, float]] = {}
    for product in json.loads(roofline.read_text(encoding="utf-8"))["products"]:
        if product["processor"] == "cpu":
            rates = best.setdefault(tuple(product[key] for key in ("rows", "size", "columns")), {})
            rates[product["precision"]] = max(product["gmac_s"], rates.get(product["precision"], 0.0))
    precisions = list(dict.fromkeys(name for rates in best.values() for name in rates))
    lines = [
        {PRODUCT: " x ".join(f"{side:,}" for side in size)}
        | {name.upper(): f"{best[size][name]:.0f}" for name in precisions if name in best[size]}
        for size in sorted(best, key=lambda size: len({*size}))  # squares first
    ]
    write_rows(path, [PRODUCT, *map(str.upper, precisions)], lines)


def draw_front(rows: Sequence[Row], study: Path, png: Path) -> None:
    """Draw README's picture: PSNR against FPS in one runtime, and a detail of a frame in four versions."""
    with figures.style():
        figure = figures.new_figure(11.4, 4.4)
        plot, *details = figure.subplot_mosaic("AAABC;AAADE").values()
        draw_arms(plot, [row for row in rows if row["runtime"] == RUNTIME and row["precision"] in MARKS])
        draw_details(details, rows, study)
        figure.savefig(png, format="png", dpi=140, metadata={"Software": None})


def draw_arms(axes: Axes, rows: Sequence[Row]) -> None:
    """Draw a line per network, from its slowest precision to its fastest."""
    for model in labels.order_models({row["model"] for row in rows}):
        arms = {row["precision"]: row for row in rows if row["model"] == model}
        points = {
            name: (float(arms[name]["fps"]), float(arms[name]["psnr_db"])) for name in MARKS if name in arms
        }
        colour = COLOURS[model]
        calibrated = [points[name] for name in ("fp32", "bf16", "int8-tuned") if name in points]
        axes.plot(*zip(*calibrated, strict=True), color=colour, linewidth=1, alpha=0.6)
        for name, point in points.items():
            axes.plot(
                *point,
                MARKS[name],
                color=colour,
                markersize=7,
                fillstyle=_style(name),
            )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_major_locator(FixedLocator([5, 10, 20, 30, 50, 100]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(color="0.92")
    axes.set_xlabel(f"frames per second, 540 x 960 to 1080 x 1920, {labels.runtime_label(RUNTIME)}")
    axes.set_ylabel("PSNR [dB]")
    shown = [name for name in MARKS if any(row["precision"] == name for row in rows)]
    key = [
        Line2D([], [], marker=MARKS[name], linestyle="", color="0.3", fillstyle=_style(name))
        for name in shown
    ]
    names = {"bf16": "BF16", **SHOWN}
    legend = axes.legend(
        key, [names[name] for name in shown], loc="lower left", bbox_to_anchor=(0, 0), frameon=False
    )
    axes.add_artist(legend)
    models = labels.order_models({row["model"] for row in rows})
    key = [Line2D([], [], color=COLOURS[model], linewidth=3) for model in models]
    axes.legend(
        key, map(labels.model_label, models), loc="lower left", bbox_to_anchor=(0.3, 0), frameon=False
    )


def _style(precision: str) -> Literal["none", "full"]:
    return "none" if precision == "int8-dummy" else "full"


def draw_details(panels: Sequence[Axes], rows: Sequence[Row], study: Path) -> None:
    """Draw the most detailed region of the first frame in bicubic and in the precisions of `SHOWN`."""
    arms, clip = study / "arms/local", rows[0]["clip"]
    of_clip = suffix(study, clip)
    index = json.loads((study / f"frames/{clip}.json").read_text(encoding="utf-8"))
    hr = np.array(open_frames(study / f"frames/{clip}.hr.npy", index["hr_shapes"])[0])
    files = {"Bicubic": arms / "opencv/bicubic/uint8"}
    files.update({shown: arms / RUNTIME / MODEL / name for name, shown in SHOWN.items()})
    top, left = find_detail(hr, CROP)
    for axes, (name, folder) in zip(panels, files.items(), strict=True):
        image = np.load(folder / f"sample{of_clip}.npy", allow_pickle=False)
        axes.imshow(image[top : top + CROP[1], left : left + CROP[0]], interpolation="nearest")
        axes.set_title(f"{name}: {psnr(mean_squared_errors(hr, image)[0]):.2f} dB", fontsize=9)
        axes.set_axis_off()


def suffix(study: Path, clip: str) -> str:
    """Return what the files of an arm on a clip have in their names: nothing in a study of one clip."""
    return f".{clip}" if len([*(study / "frames").glob("*.hr.npy")]) > 1 else ""


def main() -> None:
    """Read the study's folder and write the files in docs/."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path, help="folder of a finished study, such as results/default")
    parser.add_argument("--machine", help="the processor in words (default: from a manifest)")
    parser.add_argument("--command", default="make all", help="the command that made the study")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder with figures/ and pictures/")
    options = parser.parse_args()

    plots = [options.study / "plots" / name for name in ("psnr_fps.png", "int8_loss.png")]
    missing = [path for path in (options.study / "metrics.csv", *plots) if not path.is_file()]
    if missing:
        parser.error(f"expected a finished study with {missing[0]}, found no such file")
    read = [options.study / "metrics.csv", *plots]
    read += (
        path for name in ("manifest*.json", "sample*.npy") for path in options.study.glob(f"arms/**/{name}")
    )
    try:
        Receipts(options.study).check(map(str, read), "snakemake --cores 4 repair")
    except UserError as error:
        parser.error(str(error))
    with (options.study / "metrics.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    folder, pictures = options.docs / "figures/default", options.docs / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    pictures.mkdir(parents=True, exist_ok=True)
    clip = rows[0].get("timed_on") or rows[0]["clip"]
    # First, since it needs the most of the study.
    draw_front([row for row in rows if row["clip"] == clip], options.study, pictures / "front.png")
    with (folder / "metrics.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    manifest = f"{RUNTIME}/{MODEL}/fp32/manifest{suffix(options.study, clip)}.json"
    write_run(folder / "run.yaml", options.study / "arms/local" / manifest, options)
    if (roofline := options.study / "roofline/local.json").is_file():
        write_products(folder / "products.csv", roofline)
    for path in plots:
        shutil.copyfile(path, pictures / path.name)


if __name__ == "__main__":
    main()
