"""Tables of the paper's figures, of what they imply, and of the studies that look for their causes."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from formatting import markdown, read_rows

from superres.report import labels
from superres.report.metrics.relative import added_error, squared_error

ROOT = Path(__file__).parents[2]
FIGURES = ROOT / "docs/figures"
TABLE1 = ROOT / "src/superres/report/tables/paper_table1.csv"
RGB, YCBCR = NETWORKS = ("espcn_rgb", "espcn_ycbcr")
COLUMNS = ("fp32", "uncalibrated", "calibrated")
HERE = {"fp32": "fp32", "uncalibrated": "int8-dummy", "calibrated": "int8-entropy"}
SHOWN = {"fp32": "FP32", "uncalibrated": "INT8 w/o calibration", "calibrated": "INT8 w/ calibration"}
DUMMIES = {
    "uniform": "uniform noise",
    "normal": "normal noise",
    "normal64": "normal noise, 64 images of 224 x 224",
    "ones": "ones",
    "frame": "one photograph",
}
METHODS = {"": "entropy", "minmax": "min-max"}
CHROMA = {
    "park": "upscaled from LR",
    "park_hr": "of the original",
    "park_420": "of the original, at half size",
}
NOISES = ("0", "0.7", "1.5")
Row = Mapping[str, str]


def table1() -> str:
    """Return the paper's Table 1: a row per network, runtime and precision."""
    found = _paper()
    lines = [
        [
            labels.model_label(model),
            labels.runtime_label(runtime),
            SHOWN.get(precision, labels.precision_label(precision)),
            *(found[metric, model, runtime, precision] for metric in ("psnr_db", "psnr_y_db", "fps")),
        ]
        for model, runtime, precision in dict.fromkeys(arm[1:] for arm in found)
    ]
    return markdown(["Network", "Runtime", "Precision", "PSNR [dB]", "PSNR_Y [dB]", "FPS"], lines)


def errors() -> str:
    """Return the squared errors that the PSNR of the paper's Table 1 means, a row per network."""
    lines = []
    for model in (*NETWORKS, "bicubic"):
        names = COLUMNS if model != "bicubic" else ("uint8",)
        rgb, luma = (
            [_of_paper(metric, model, name) for name in names] for metric in ("psnr_db", "psnr_y_db")
        )
        added = [added_error(value, rgb[0]) for value in rgb[1:]]
        ratio = f"{added[0] / added[1]:.1f}" if added else ""
        colour = [f"{squared_error(a) - squared_error(b):+.2f}" for a, b in zip(rgb, luma, strict=True)]
        cells = [
            f"{squared_error(rgb[0]):.1f}",
            *(f"{value:.1f}" for value in added or (math.nan,) * 2),
            ratio,
        ]
        lines.append(
            [labels.model_label(model), *("" if cell == "nan" else cell for cell in cells), colour[0]]
        )
    columns = [
        "Network",
        "Error",
        "w/o calibration adds",
        "w/ calibration adds",
        "Ratio",
        "R, G, B minus luma",
    ]
    return markdown(columns, lines)


def gains() -> str:
    """Return by how much ESPCN_YCbCr is better than ESPCN_RGB, in the paper and here, a row per precision."""
    chroma = {
        (r["clip"], r["model"], r["precision"]): r for r in read_rows(FIGURES / "paper/chroma/psnr.csv")
    }
    lines = []
    for name in COLUMNS:
        cells = [_of_paper(metric, YCBCR, name) - _of_paper(metric, RGB, name) for metric in PSNRS]
        for clip in CHROMA:
            ycbcr, rgb = (float(chroma[clip, model, HERE[name]]["psnr_db"]) for model in (YCBCR, RGB))
            cells.append(ycbcr - rgb)
        ycbcr, rgb = (float(chroma["park", model, HERE[name]]["psnr_y_db"]) for model in (YCBCR, RGB))
        lines.append([SHOWN[name], *(f"{cell:+.2f}" for cell in (*cells, ycbcr - rgb))])
    here = [f"`park`, chroma {text}" for text in CHROMA.values()]
    return markdown(["Precision", "Paper, PSNR", "Paper, PSNR_Y", *here, "`park`, PSNR_Y"], lines)


PSNRS = ("psnr_db", "psnr_y_db")


def colour_errors() -> str:
    """Return the squared error over R, G and B minus that of luma in FP32, a row per source of chroma."""
    rows = read_rows(FIGURES / "paper/chroma/psnr.csv")
    models = ("bicubic", *NETWORKS)
    paper = [
        squared_error(_of_paper("psnr_db", model, name)) - squared_error(_of_paper("psnr_y_db", model, name))
        for model, name in zip(models, ("uint8", "fp32", "fp32"), strict=True)
    ]
    lines = [["paper", *(f"{value:+.2f}" for value in paper)]]
    for clip, text in CHROMA.items():
        found = {r["model"]: r for r in rows if r["clip"] == clip and r["precision"] in ("fp32", "uint8")}
        cells = [
            squared_error(float(found[model]["psnr_of_mean_db"]))
            - squared_error(float(found[model]["psnr_y_of_mean_db"]))
            for model in models
        ]
        lines.append([f"`park`, chroma {text}", *(f"{value:+.2f}" for value in cells)])
    return markdown(["Source", *map(labels.model_label, models)], lines)


def ratios(step: str = "") -> str:
    """Return what each dummy adds over what calibration adds, a row per dummy and method.

    `step` is behind the calibration in the recipe, on both sides.
    """
    rows = read_rows(FIGURES / "paper/dummies/added.csv")
    added: dict[tuple[str, str, str], float] = {
        (row["network"], row["weights"], row["precision"]): float(row["added_mse"]) for row in rows
    }
    kinds = {
        "shipped": ["shipped"],
        "without noise": ["quiet"],
        "three seeds": ["seed 0", "seed 1", "seed 2"],
    }
    paper = {model: _ratio_of_paper(model) for model in NETWORKS}
    lines = [["paper", "", *(f"{paper[model]:.1f}" for model in NETWORKS for _ in kinds)]]
    for dummy, text in DUMMIES.items():
        for suffix, method in METHODS.items():
            cells = [
                _span(
                    added[model, weights, f"int8-{dummy}{suffix}{step}"]
                    / added[model, weights, f"int8-entropy{step}"]
                    for weights in names
                )
                for model in NETWORKS
                for names in kinds.values()
            ]
            lines.append([text, method, *cells])
    columns = [f"{labels.model_label(model)}, {kind}" for model in NETWORKS for kind in kinds]
    return markdown(["Dummy", "Method", *columns], lines)


def noise() -> str:
    """Return what INT8 adds to networks trained with more and less noise, a row per network and strength."""
    rows = read_rows(FIGURES / "networks/noise/added.csv")
    lines = []
    for network in dict.fromkeys(row["network"] for row in rows):
        for strength in NOISES:
            of = [r for r in rows if (r["network"], r["noise"]) == (network, strength)]

            def cell(column: str, precision: str, clip: str, of: Sequence[Row] = of) -> str:
                found = [r for r in of if (r["precision"], r["clip"]) == (precision, clip)]
                return _span((float(r[column]) for r in found), 2)

            lines.append(
                [
                    labels.model_label(network),
                    strength,
                    cell("psnr_db", "fp32", "held_out"),
                    *(cell("added_mse", f"int8-{name}", "held_out") for name in MEASURED),
                    *(cell("added_mse", "int8-minmax", "smooth"),),
                    cell("lost_db", "int8-minmax", "held_out"),
                ]
            )
    columns = ["FP32 [dB]", "min-max adds", "entropy adds", "conv1 in float", "conv3 in float"]
    return markdown(["Network", "Noise", *columns, "smooth, min-max", "min-max loses [dB]"], lines)


MEASURED = ("minmax", "entropy", "firstfloat", "lastfloat")


def _span(values: Iterable[float], digits: int | None = None) -> str:
    """Return a figure, or the least and the largest of several; one digit, or none from 10 on by default."""
    shown = [f"{v:.{(1 if abs(v) < 10 else 0) if digits is None else digits}f}" for v in sorted(values)]
    return shown[0] if shown[0] == shown[-1] else f"{shown[0]} to {shown[-1]}"


def _ratio_of_paper(model: str) -> float:
    fp32, without, calibrated = (_of_paper("psnr_db", model, name) for name in COLUMNS)
    return added_error(without, fp32) / added_error(calibrated, fp32)


def _of_paper(metric: str, model: str, precision: str) -> float:
    runtime = "opencv" if model == "bicubic" else "tensorrt"
    return float(_paper()[metric, model, runtime, precision])


def _paper() -> dict[tuple[str, str, str, str], str]:
    names = ("metric", "model", "runtime", "precision")
    return {(row[names[0]], *(row[name] for name in names[1:])): row["value"] for row in read_rows(TABLE1)}  # pyright: ignore[reportReturnType]


TABLES: dict[str, Callable[[], str]] = {
    "paper/table1": table1,
    "paper/errors": errors,
    "paper/gains": gains,
    "paper/chroma/psnr": colour_errors,
    "paper/dummies/added": ratios,
    "paper/dummies/per_tensor": lambda: ratios("+pertensor"),
    "networks/noise/added": noise,
}
