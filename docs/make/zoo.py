"""Tables of the networks to choose from; as a program, copy their figures from finished studies into docs/.

`python docs/make/zoo.py results/zoo results/held-out` writes metrics.csv, held_out.csv and run.yaml in
docs/figures/zoo/, and docs/pictures/zoo.png. Run `make docs` afterwards.
"""

import argparse
import csv
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from statistics import mean

from formatting import markdown, read_rows

from superres.models.architectures import Plain
from superres.models.settings import MODELS
from superres.report import labels

ROOT = Path(__file__).parents[2]
FIGURES = ROOT / "docs/figures/zoo"
RUNTIME, REFERENCE, TUNED = "openvino", "espcn_rgb", "int8-tuned"
# As int8-tuned, with the anchor in float.
WITHOUT = "int8-minmax+balance+asymmetric+adaround"
CLIPS = ("park", "rooms")
# Precisions whose loss is shown, by the head of their column.
SHOWN = {
    "int8-dummy": "one random image",
    "int8-entropy": "entropy",
    "int8-entropy+center+adaround": "with two steps",
    TUNED: "tuned",
}
COLUMNS = (
    "runtime",
    "model",
    "precision",
    "clip",
    "psnr_db",
    "psnr_y_db",
    "fps",
    "speedup",
    "speedup_low",
    "speedup_high",
    "cautions",
    "status",
)
HELD_OUT = ("model", "precision", "clip", "image", "psnr_y_db")
Row = Mapping[str, str]


def front() -> str:
    """Return PSNR and speed of each network in OpenVINO, the fastest first."""
    arms = _arms()
    reference = float(arms[REFERENCE, TUNED, CLIPS[0]]["speedup"])
    timed = {
        model: row for (model, precision, clip), row in arms.items() if (precision, clip) == (TUNED, CLIPS[0])
    }
    lines = []
    for model, row in sorted(timed.items(), key=lambda item: -float(item[1]["speedup"])):
        quality = [
            " / ".join(
                f"{float(arms[model, precision, clip]['psnr_db']):.2f}" for precision in ("fp32", TUNED)
            )
            for clip in CLIPS
        ]
        speeds = [_fps(arms[model, precision, CLIPS[0]]) for precision in ("fp32", TUNED)]
        ratio = float(row["speedup"]) / reference
        lines.append([labels.model_label(model), *quality, *speeds, f"{ratio:.2f}"])
    clips = [f"`{clip}`, FP32 / INT8 [dB]" for clip in CLIPS]
    speeds = ["FP32 [FPS]", "INT8 [FPS]", f"INT8 over {labels.model_label(REFERENCE)}'s"]
    return markdown(["Network", *clips, *speeds], lines)


def anchor() -> str:
    """Return what the anchor in INT8 gains and loses, a row a network that has one."""
    arms = _arms()
    lines = []
    for model in labels.order_models({model for model, precision, _ in arms if precision == WITHOUT}):
        one, other = ([arms[model, name, clip] for clip in CLIPS] for name in (WITHOUT, TUNED))
        architecture = MODELS[model].architecture
        if architecture is None or architecture.anchor == "none" or architecture.block > 1:
            # The step changes nothing: no anchor, or one that isn't added to a convolution's result.
            continue
        lost = [f"{float(a['psnr_db']) - float(b['psnr_db']):+.3f}" for a, b in zip(one, other, strict=True)]
        gain = float(other[0]["speedup"]) / float(one[0]["speedup"])
        lines.append([labels.model_label(model), _fps(one[0]), _fps(other[0]), f"{gain:.2f}", *lost])
    return markdown(
        [
            "Network",
            "Anchor in float [FPS]",
            "in INT8 [FPS]",
            "Gain",
            *(f"Lost on `{clip}` [dB]" for clip in CLIPS),
        ],
        lines,
    )


def losses() -> str:
    """Return what INT8 loses on held-out photographs: the mean, and the worst image in brackets."""
    psnr: dict[tuple[str, str], dict[str, float]] = {}
    for row in read_rows(FIGURES / "held_out.csv"):
        psnr.setdefault((row["model"], row["precision"]), {})[row["clip"] + row["image"]] = float(
            row["psnr_y_db"]
        )
    lines = []
    for model in sorted({model for model, _ in psnr}, key=_width_and_depth):
        exact = psnr[model, "fp32"]
        cells = []
        for precision in SHOWN:
            lost = [exact[image] - value for image, value in psnr.get((model, precision), {}).items()]
            cells.append(f"{mean(lost):.3f} ({max(lost):.2f})" if lost else "")
        architecture = MODELS[model].architecture
        shape = architecture.convolutions(architecture.planes) if architecture else ()
        lines.append(
            [
                labels.model_label(model),
                str(len(shape) or 3),
                str(max((layer.outputs for layer in shape[:-1]), default=96)),
                f"{mean(exact.values()):.2f}",
                *cells,
            ]
        )
    return markdown(["Network", "Layers", "Channels", "FP32 [dB]", *SHOWN.values()], lines)


def draw_front(png: Path) -> None:
    """Draw PSNR against FPS of each network, a line from FP32 to INT8, and the front of INT8."""
    # Matplotlib, which the tables don't need.
    from superres.report.plots import figures

    arms = {
        (model, precision): (float(row["fps"]), float(row["psnr_db"]))
        for (model, precision, clip), row in _arms().items()
        if clip == CLIPS[0]
    }
    with figures.style():
        figure = figures.new_figure(9, 5)
        axes = figure.subplots()
        models = labels.order_models({model for model, _ in arms})
        tuned = {model: arms[model, TUNED] for model in models}
        best = [
            point
            for point in tuned.values()
            if not any(other[0] > point[0] and other[1] > point[1] for other in tuned.values())
        ]
        axes.plot(*zip(*sorted(best), strict=True), color="0.8", linewidth=6, zorder=0, label="front of INT8")
        for model in models:
            points = arms[model, "fp32"], tuned[model]
            (line,) = axes.plot(*zip(*points, strict=True), linewidth=1)
            axes.plot(*points[0], "o", color=line.get_color(), fillstyle="none")
            axes.plot(*points[1], "s", color=line.get_color())
            above = model in ("plain_c32_m4", "plain_c32_m6", "plain_c16_m4", "plain_c8_m4")
            axes.annotate(
                labels.model_label(model),
                points[1],
                (6, 5 if above else -11),
                textcoords="offset points",
                fontsize=8,
                color=line.get_color(),
            )
        axes.plot([], [], "o", color="0.4", fillstyle="none", label="FP32")
        axes.plot([], [], "s", color="0.4", label="INT8, tuned")
        axes.set_xscale("log")
        axes.set_xticks([5, 10, 20, 30, 50, 100], labels=["5", "10", "20", "30", "50", "100"])
        axes.set_xticks([], minor=True)
        axes.set_xlim(5.5, 170)
        axes.grid(color="0.92")
        axes.set_xlabel(f"frames per second, 540 x 960 to 1080 x 1920, {labels.runtime_label(RUNTIME)}")
        axes.set_ylabel(f"PSNR on {CLIPS[0]} [dB]")
        axes.legend(loc="lower left", frameon=False)
        figure.savefig(png, format="png", dpi=140, metadata={"Software": None})


def _width_and_depth(model: str) -> tuple[bool, int, int, str]:
    """Order plain networks on luma by width, then depth; all others come after them."""
    found = MODELS[model].architecture
    if isinstance(found, Plain) and found.unshuffle == 1 and found.anchor != "none":
        return False, found.channels, found.layers, model
    return True, 0, 0, model


def _arms() -> dict[tuple[str, str, str], Row]:
    """Return OpenVINO's arms that ran, by model, precision and clip."""
    return {
        (row["model"], row["precision"], row["clip"]): row
        for row in read_rows(FIGURES / "metrics.csv")
        if row["runtime"] == RUNTIME and row["status"] == "ok"
    }


def _fps(row: Row) -> str:
    return f"{'~' if 'noisy' in row['cautions'] else ''}{float(row['fps']):.1f}"


TABLES: dict[str, Callable[[], str]] = {
    "zoo/metrics": front,
    "zoo/anchor": anchor,
    "zoo/held_out": losses,
}


def _write(path: Path, columns: Iterable[str], rows: Iterable[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(columns), extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _held_out(study: Path) -> Iterable[Row]:
    """Yield the rows of a study's images in OpenVINO, by model, precision and clip."""
    for path in sorted((study / "arms/local" / RUNTIME).glob("*/*/quality.*.csv")):
        precision, model, clip = path.parent.name, path.parent.parent.name, path.name.split(".")[1]
        for row in read_rows(path):
            yield {**row, "model": model, "precision": precision, "clip": clip, "image": row["name"]}


def main() -> None:
    """Copy the figures of two studies."""
    # It imports matplotlib, which the tables don't need.
    import copy_study

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path, help="folder of studies/zoo.yaml")
    parser.add_argument("held_out", type=Path, help="folder of studies/held-out.yaml")
    parser.add_argument("--machine", help="the machine in words (default: from a manifest)")
    parser.add_argument("--command", default="snakemake --cores 4 all --configfile studies/zoo.yaml")
    options = parser.parse_args()
    FIGURES.mkdir(parents=True, exist_ok=True)
    rows = [row for row in read_rows(options.study / "metrics.csv") if row["runtime"] == RUNTIME]
    _write(FIGURES / "metrics.csv", COLUMNS, rows)
    _write(FIGURES / "held_out.csv", HELD_OUT, _held_out(options.held_out))
    manifest = f"arms/local/{RUNTIME}/{REFERENCE}/fp32/manifest.{CLIPS[0]}.json"
    copy_study.write_run(FIGURES / "run.yaml", options.study / manifest, options)
    draw_front(ROOT / "docs/pictures/zoo.png")


if __name__ == "__main__":
    main()
