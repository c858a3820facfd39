"""Tables of the networks to choose from; as a program, copy the figures of a finished study into docs/.

`python docs/make/zoo.py results/zoo --commit ...` writes metrics.csv and run.yaml in docs/figures/zoo/, and
docs/pictures/zoo.png. `python docs/make/zoo.py results/held-out --commit ...` writes images.csv and run.yaml
in docs/figures/zoo/held_out/, and docs/pictures/zoo_int8.png. `--folder zoo/qat` is for a study that ran the
arms of `qat` alone, `--folder zoo/without_vnni` for another machine. Run `make docs` afterwards.
published.csv is from the README of ETDS (github.com/ECNUSR/ETDS, 2023).
"""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import mean

from formatting import markdown, read_rows, write_rows

from superres.models.architectures import Plain
from superres.models.settings import MODELS
from superres.report import labels

ROOT = Path(__file__).parents[2]
ALL = ROOT / "docs/figures"
FIGURES, HELD_OUT = ALL / "zoo", ALL / "zoo/held_out"
QAT, OTHER = FIGURES / "qat", FIGURES / "without_vnni"
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


def front() -> str:
    """Return PSNR and speed of each network in OpenVINO, the fastest first."""
    arms = ran()
    reference = float(arms[REFERENCE, TUNED, CLIPS[0]]["speedup"])
    lines = []
    for model, row in _fastest_first(arms):
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


def _fastest_first(arms: Mapping[tuple[str, str, str], Row]) -> list[tuple[str, Row]]:
    """Return each network's row in INT8 as recommended, on the first clip."""
    timed = {
        model: row for (model, precision, clip), row in arms.items() if (precision, clip) == (TUNED, CLIPS[0])
    }
    return sorted(timed.items(), key=lambda item: -float(item[1]["speedup"]))


def runtimes() -> str:
    """Return the frames per second of each network in each runtime and precision."""
    fps = {arm: _fps(row) for arm, row in _timed(FIGURES).items()}
    lines = [
        [labels.model_label(model), *(fps.get((model, runtime, name), "") for runtime, name, _ in TIMED)]
        for model in labels.order_models({model for model, *_ in fps} - {"bicubic"})
    ]
    return markdown(["Network", *(head for *_, head in TIMED)], lines)


def _timed(folder: Path) -> dict[tuple[str, str, str], Row]:
    """Return the arms that ran, on the first clip, by model, runtime and precision."""
    return {
        (row["model"], row["runtime"], row["precision"]): row
        for row in read_rows(folder / "metrics.csv")
        if row["clip"] == CLIPS[0] and row["status"] == "ok"
    }


def without() -> str:
    """Return losses in INT8 and ratios of speeds on a processor without VNNI, the fastest network first.

    A machine that others share too has no frames per second worth comparing.
    """
    arms, timed = ran(OTHER / "metrics.csv"), _timed(OTHER)
    shown = [each for each in TIMED if any(arm[1:] == each[:2] for arm in timed)]
    lines = []
    for model, _ in _fastest_first(arms):
        lost = [
            float(arms[model, "fp32", clip]["psnr_db"]) - float(arms[model, TUNED, clip]["psnr_db"])
            for clip in CLIPS
        ]
        speeds = [float(timed[model, runtime, name]["speedup"]) for runtime, name, _ in shown]
        cells = [*(f"{each:.3f}" for each in lost), *(f"{each:.2f}" for each in speeds)]
        lines.append([labels.model_label(model), *cells])
    heads = [*(f"Lost on `{clip}` [dB]" for clip in CLIPS), *(head for *_, head in shown)]
    return markdown(["Network", *heads], lines)


def published() -> str:
    """Return the speed and quality that the authors of ETDS published of such networks on a phone."""
    lines = [
        [row["network"], row["macs"], row["int8_ms"], f"{1000 / float(row['int8_ms']):.0f}", row["b100_db"]]
        for row in published_rows()
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
    for model, (exact, lost) in held_out_losses().items():
        layers, channels = shape_of(model)
        cells = [_mean_and_worst(each) if each else "" for each in lost.values()]
        lines.append([labels.model_label(model), str(layers), str(channels), f"{exact:.2f}", *cells])
    return markdown(["Network", "Layers", "Channels", "FP32 [dB]", *SHOWN.values()], lines)


def trained() -> str:
    """Return what INT8 loses after the step qat: on held-out photographs, and on the first clip."""
    psnr: dict[tuple[str, str, str], dict[str, float]] = {}
    for row in read_rows(QAT / "images.csv"):
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
        cells = [_mean_and_worst(lost["held out"]), f"{mean(lost[CLIPS[0]]):.3f}"]
        lines.append([labels.model_label(model), *cells])
    return markdown(["Network", "Held-out photographs [dB]", f"`{CLIPS[0]}` [dB]"], lines)


def _mean_and_worst(lost: Sequence[float]) -> str:
    return f"{mean(lost):.3f} ({max(lost):.2f})"


def published_rows() -> list[Row]:
    """Return what the authors of ETDS published of such networks, a row a network."""
    return list(read_rows(FIGURES / "published.csv"))


def held_out_losses() -> dict[str, tuple[float, dict[str, list[float]]]]:
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


def shape_of(model: str) -> tuple[int, int]:
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
    "zoo/without_vnni/metrics": without,
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
    from zoo_pictures import draw_front, draw_losses

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path, help="folder of studies/zoo.yaml or of studies/held-out.yaml")
    parser.add_argument("--commit", required=True, help="the code that the study ran with")
    parser.add_argument("--folder", type=Path, help="in docs/figures/ (default: zoo or zoo/held_out)")
    parser.add_argument("--machine", help="the processor in words (default: from a record)")
    parser.add_argument("--note", help="what else a reader of the figures must know")
    options = parser.parse_args()
    records = sorted((options.study / "arms/local" / RUNTIME).glob("*/fp32/quality.*.json"))
    if not records:
        parser.error(f"{options.study}: expected the folder of a finished study, found none")
    timed = (options.study / "metrics.csv").is_file()
    folder = ALL / options.folder if options.folder else FIGURES if timed else HELD_OUT
    folder.mkdir(parents=True, exist_ok=True)
    command = "snakemake --cores 4 all --configfile studies/zoo.yaml"
    if timed:
        write_rows(folder / "metrics.csv", COLUMNS, read_rows(options.study / "metrics.csv"))
    else:
        command = command.replace("all", "evaluate") + " studies/held-out.yaml"
        write_rows(folder / "images.csv", IMAGES, _images(options.study))
    if folder == FIGURES:
        draw_front(ROOT / "docs/pictures/zoo.png")
    elif folder == HELD_OUT:
        draw_losses(ROOT / "docs/pictures/zoo_int8.png")
    run = {"command": command, "commit": options.commit[:7], "machine": options.machine or ""}
    if options.note:
        run["note"] = options.note
    origin.write_run(folder / "run.yaml", options.study, records[0], run)


if __name__ == "__main__":
    main()
