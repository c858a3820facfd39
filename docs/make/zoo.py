"""Tables of the networks to choose from; as a program, copy the figures of a finished study into docs/.

`python docs/make/zoo.py results/zoo --commit ...` writes metrics.csv and run.yaml in docs/figures/zoo/, and
docs/pictures/zoo.png. `python docs/make/zoo.py results/held-out --commit ...` writes images.csv and run.yaml
in docs/figures/zoo/held_out/, and docs/pictures/zoo_int8.png; `--folder zoo/qat` those of a study that ran
the arms of `qat` alone. Run `make docs` afterwards. published.csv is from the README of ETDS
(github.com/ECNUSR/ETDS, 2023).
"""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

from formatting import markdown, read_rows, write_rows

from superres.models.architectures import Plain
from superres.models.settings import MODELS
from superres.report import labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROOT = Path(__file__).parents[2]
ALL = ROOT / "docs/figures"
FIGURES, HELD_OUT = ALL / "zoo", ALL / "zoo/held_out"
RUNTIME, REFERENCE, TUNED = "openvino", "espcn_rgb", "int8-tuned"
# How the recipe of int8-tuned with the anchor in float begins; in earlier runs reducerange isn't in it.
WITHOUT = "int8-minmax+balance+asymmetric"
CLIPS = ("park", "rooms")
# Precisions whose loss is shown, by the head of their column.
SHOWN = {
    "int8-dummy": "one random image",
    "int8-entropy": "entropy",
    "int8-entropy+center+adaround": "with two steps",
    TUNED: "tuned",
}
TRAINED = "int8-entropy+asymmetric+reducerange+qat"
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
# Columns of the table of runtimes: runtime, precision, and the column's head.
TIMED = (
    ("pytorch_tuned", "fp32", "PyTorch tuned FP32"),
    ("onnxruntime", "fp32", "ONNX Runtime FP32"),
    ("onnxruntime", TUNED, "ONNX Runtime INT8"),
    (RUNTIME, "fp32", "OpenVINO FP32"),
    (RUNTIME, "bf16", "OpenVINO BF16"),
    (RUNTIME, TUNED, "OpenVINO INT8"),
)
IMAGES = ("model", "precision", "clip", "image", "psnr_y_db")
Row = Mapping[str, str]
Point = tuple[float, float]
"""Frames per second and PSNR [dB]."""


def front() -> str:
    """Return PSNR and speed of each network in OpenVINO, the fastest first."""
    arms = ran()
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


def runtimes() -> str:
    """Return the frames per second of each network in each runtime and precision."""
    fps = {
        (row["model"], row["runtime"], row["precision"]): _fps(row)
        for row in read_rows(FIGURES / "metrics.csv")
        if row["clip"] == CLIPS[0] and row["status"] == "ok"
    }
    lines = [
        [labels.model_label(model), *(fps.get((model, runtime, name), "") for runtime, name, _ in TIMED)]
        for model in labels.order_models({model for model, *_ in fps} - {"bicubic"})
    ]
    return markdown(["Network", *(head for *_, head in TIMED)], lines)


def published() -> str:
    """Return the speed and quality that the authors of ETDS published of such networks on a phone."""
    lines = [
        [row["network"], row["macs"], row["int8_ms"], f"{1000 / float(row['int8_ms']):.0f}", row["b100_db"]]
        for row in _published()
    ]
    return markdown(
        ["Network", "Multiply-adds a pixel", "INT8 [ms]", "FPS", "Y-PSNR on B100, FP32 [dB]"], lines
    )


def anchor() -> str:
    """Return what the anchor in INT8 gains and loses, a row a network that has one."""
    arms = ran()
    lines = []
    names = {model: precision for model, precision, _ in arms if precision.startswith(WITHOUT)}
    for model in labels.order_models(names.keys()):
        one, other = ([arms[model, name, clip] for clip in CLIPS] for name in (names[model], TUNED))
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
    lines = []
    for model, (exact, lost) in _held_out_losses().items():
        layers, channels = _shape(model)
        cells = [f"{mean(each):.3f} ({max(each):.2f})" if each else "" for each in lost.values()]
        lines.append([labels.model_label(model), str(layers), str(channels), f"{exact:.2f}", *cells])
    return markdown(["Network", "Layers", "Channels", "FP32 [dB]", *SHOWN.values()], lines)


def trained() -> str:
    """Return what INT8 loses after the step qat: on held-out photographs, and on the first clip."""
    psnr: dict[tuple[str, str, str], dict[str, float]] = {}
    for row in read_rows(ALL / "zoo/qat/images.csv"):
        clip = CLIPS[0] if row["clip"] == CLIPS[0] else "held out"
        images = psnr.setdefault((row["model"], clip, row["precision"]), {})
        images[row["clip"] + row["image"]] = float(row["psnr_y_db"])
    lines = []
    for model in sorted({model for model, *_ in psnr}, key=_width_and_depth):
        lost = {
            clip: [
                value - psnr[model, clip, TRAINED][image]
                for image, value in psnr[model, clip, "fp32"].items()
            ]
            for clip in ("held out", CLIPS[0])
        }
        mean_and_worst = f"{mean(lost['held out']):.3f} ({max(lost['held out']):.2f})"
        lines.append([labels.model_label(model), mean_and_worst, f"{mean(lost[CLIPS[0]]):.3f}"])
    return markdown(["Network", "Held-out photographs [dB]", f"`{CLIPS[0]}` [dB]"], lines)


def draw_losses(png: Path) -> None:
    """Draw the mean loss of each network, a row a network from few layers to many, a mark a precision."""
    # Matplotlib, which the tables don't need.
    from superres.report.plots import figures

    found = _held_out_losses()
    models = sorted(found, key=_shape, reverse=True)
    with figures.style():
        figure = figures.new_figure(7, 4)
        axes = figure.subplots()
        for (precision, title), mark in zip(SHOWN.items(), "xo^s", strict=True):
            lost = [mean(found[model][1][precision]) for model in models]
            axes.plot(lost, range(len(models)), mark, label=title, markersize=5)
        axes.set_yticks(range(len(models)), labels=[_described(model) for model in models])
        axes.set_xscale("log")
        ticks = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
        axes.set_xticks(ticks, labels=[f"{tick:g}" for tick in ticks])
        axes.set_xticks([], minor=True)
        axes.set_xlabel("Y-PSNR lost in INT8, mean of 22 photographs [dB]")
        axes.grid(color="0.92")
        figure.legend(loc="outside upper right", ncols=len(SHOWN), frameon=False)
        figures.lay_out(figure)
        figure.savefig(png, format="png", dpi=140, metadata={"Software": None})


def _described(model: str) -> str:
    layers, channels = _shape(model)
    return f"{labels.model_label(model)}: {layers} layers, {channels} channels"


def draw_front(png: Path) -> None:
    """Draw PSNR against FPS of each network, a line from FP32 to INT8, and the front of INT8.

    Beside it, on axes of its own, stands what was published of such networks on another machine.
    """
    # Matplotlib, which the tables don't need.
    from superres.report.plots import figures

    arms = {
        (model, precision): (float(row["fps"]), float(row["psnr_db"]))
        for (model, precision, clip), row in ran().items()
        if clip == CLIPS[0]
    }
    models = labels.order_models({model for model, _ in arms})
    tuned = {model: arms[model, TUNED] for model in models}
    with figures.style():
        figure = figures.new_figure(11, 5)
        axes, other = figure.subplots(1, 2, width_ratios=(2, 1))
        _draw_networks(axes, [(arms[model, "fp32"], tuned[model]) for model in models])
        axes.set_xscale("log")
        axes.set_xticks([5, 10, 20, 30, 50, 100], labels=["5", "10", "20", "30", "50", "100"])
        axes.set_xticks([], minor=True)
        axes.set_xlim(5.5, 170)
        axes.grid(color="0.92")
        axes.set_xlabel(f"frames per second, 540 x 960 to 1080 x 1920, {labels.runtime_label(RUNTIME)}")
        axes.set_ylabel(f"PSNR on {CLIPS[0]} [dB]")
        axes.legend(loc="lower left", frameon=False)
        points = [(1000 / float(row["int8_ms"]), float(row["b100_db"])) for row in _published()]
        _draw_published(other, points)
        figures.lay_out(figure)
        spans = [(arms[model, "fp32"][0], tuned[model][0]) for model in models]
        names = [labels.model_label(model) for model in models]
        figures.place_labels(axes, list(tuned.values()), names, spans)
        figures.place_labels(other, points, [row["network"] for row in _published()])
        figure.savefig(png, format="png", dpi=140, metadata={"Software": None})


def _draw_networks(axes: "Axes", networks: Sequence[tuple[Point, Point]]) -> None:
    """Draw the front of INT8, and a line from FP32 to INT8 for each network."""
    import matplotlib as mpl

    from superres.report.plots.arms import front_of

    front = front_of(int8 for _, int8 in networks)
    axes.plot(*zip(*front, strict=True), color="0.8", linewidth=6, zorder=0, label="front of INT8")
    for index, (fp32, int8) in enumerate(networks):
        # The strong colours first: 20 in all.
        colour = mpl.colormaps["tab20"](2 * index % 20 + index // 10)
        axes.plot(*zip(fp32, int8, strict=True), linewidth=1, color=colour)
        axes.plot(*fp32, "o", color=colour, fillstyle="none")
        axes.plot(*int8, "s", color=colour)
    axes.plot([], [], "o", color="0.4", fillstyle="none", label="FP32")
    axes.plot([], [], "s", color="0.4", label="INT8, tuned")


def _draw_published(axes: "Axes", points: Sequence[Point]) -> None:
    axes.plot(*zip(*points, strict=True), "s", color="0.5")
    axes.set_title("published, another machine:\nDimensity 8100 NPU, INT8, 360 x 640", loc="left", fontsize=9)
    axes.set_xlabel("frames per second")
    axes.set_ylabel("Y-PSNR on B100, FP32 [dB]")
    axes.margins(0.25, 0.12)
    axes.grid(color="0.92")


def _published() -> list[Row]:
    return list(read_rows(FIGURES / "published.csv"))


def _held_out_losses() -> dict[str, tuple[float, dict[str, list[float]]]]:
    """Return each network's mean PSNR in FP32, and by precision what each image loses."""
    psnr: dict[tuple[str, str], dict[str, float]] = {}
    for row in read_rows(HELD_OUT / "images.csv"):
        image = psnr.setdefault((row["model"], row["precision"]), {})
        image[row["clip"] + row["image"]] = float(row["psnr_y_db"])
    found = {}
    for model in sorted({model for model, _ in psnr}, key=_width_and_depth):
        exact = psnr[model, "fp32"]
        found[model] = (
            mean(exact.values()),
            {
                precision: [exact[image] - value for image, value in psnr.get((model, precision), {}).items()]
                for precision in SHOWN
            },
        )
    return found


def _shape(model: str) -> tuple[int, int]:
    """Return the number of a network's layers and of the channels of its widest inner one."""
    architecture = MODELS[model].architecture
    layers = architecture.convolutions(architecture.planes) if architecture else ()
    return len(layers) or 3, max((layer.outputs for layer in layers[:-1]), default=96)


def _width_and_depth(model: str) -> tuple[bool, int, int, str]:
    """Order plain networks on luma by width, then depth; all others come after them."""
    found = MODELS[model].architecture
    if isinstance(found, Plain) and found.unshuffle == 1 and found.anchor != "none":
        return False, found.channels, found.layers, model
    return True, 0, 0, model


def ran(table: Path = FIGURES / "metrics.csv") -> dict[tuple[str, str, str], Row]:
    """Return OpenVINO's arms that ran, by model, precision and clip."""
    return {
        (row["model"], row["precision"], row["clip"]): row
        for row in read_rows(table)
        if row["runtime"] == RUNTIME and row["status"] == "ok"
    }


def _fps(row: Row) -> str:
    return f"{'~' if 'noisy' in row['cautions'] else ''}{float(row['fps']):.1f}"


TABLES: dict[str, Callable[[], str]] = {
    "zoo/metrics": front,
    "zoo/runtimes": runtimes,
    "zoo/published": published,
    "zoo/anchor": anchor,
    "zoo/held_out/images": losses,
    "zoo/qat/images": trained,
}


def _images(study: Path) -> Iterable[Row]:
    """Yield the rows of a study's images in OpenVINO, by model, precision and clip."""
    for path in sorted((study / "arms/local" / RUNTIME).glob("*/*/quality.*.csv")):
        precision, model, clip = path.parent.name, path.parent.parent.name, path.name.split(".")[1]
        for row in read_rows(path):
            yield {**row, "model": model, "precision": precision, "clip": clip, "image": row["name"]}


def main() -> None:
    """Copy the figures of a study."""
    # They import what the tables don't need.
    import origin

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path, help="folder of studies/zoo.yaml or of studies/held-out.yaml")
    parser.add_argument("--commit", required=True, help="the code that the study ran with")
    parser.add_argument("--folder", default="zoo/held_out", help="of images in docs/figures/")
    parser.add_argument("--machine", help="the processor in words (default: from a record)")
    options = parser.parse_args()
    timed = (options.study / "metrics.csv").is_file()
    folder = FIGURES if timed else ALL / options.folder
    folder.mkdir(parents=True, exist_ok=True)
    command = "snakemake --cores 4 all --configfile studies/zoo.yaml"
    if timed:
        write_rows(folder / "metrics.csv", COLUMNS, read_rows(options.study / "metrics.csv"))
        draw_front(ROOT / "docs/pictures/zoo.png")
    else:
        command = command.replace("all", "evaluate") + " studies/held-out.yaml"
        write_rows(folder / "images.csv", IMAGES, _images(options.study))
    if folder == HELD_OUT:
        draw_losses(ROOT / "docs/pictures/zoo_int8.png")
    run = {"command": command, "commit": options.commit[:7], "machine": options.machine or ""}
    records = (options.study / "arms/local" / RUNTIME).glob("*/fp32/quality.*.json")
    origin.write_run(folder / "run.yaml", options.study, min(records), run)


if __name__ == "__main__":
    main()
