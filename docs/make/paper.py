"""Tables of the paper's figures, of what they imply, and of the studies that look for their causes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from formatting import markdown, read_rows

from superres.report import labels
from superres.report.metrics.relative import added_error, squared_error

ROOT = Path(__file__).parents[2]
FIGURES = ROOT / "docs/figures"
TABLE1 = ROOT / "src/superres/report/tables/paper_table1.csv"
RGB, YCBCR = NETWORKS = ("espcn_rgb", "espcn_ycbcr")
PSNRS = ("psnr_db", "psnr_y_db")
COLUMNS = ("fp32", "uncalibrated", "calibrated")
HERE = {"fp32": "fp32", "uncalibrated": "int8-dummy", "calibrated": "int8-entropy"}
SHOWN = {"fp32": "FP32", "uncalibrated": "INT8 w/o calibration", "calibrated": "INT8 w/ calibration"}
DUMMIES = {
    "uniform": "uniform noise",
    "normal": "normal noise",
    "normal64": "normal noise, 64 images of 224 x 224",
    "ones": "ones",
    "frame": "one photograph",
    "dim": "one photograph without white",
}
# How much more than calibration a dummy has to add for a share of the difference.
WORSE = 1.5
METHODS = {"": "entropy", "minmax": "min-max"}
WEIGHTS = {"shipped": ["shipped"], "without noise": ["quiet"], "three seeds": ["seed 0", "seed 1", "seed 2"]}
CHROMA = {
    "park": "upscaled from LR",
    "park_hr": "of the original",
    "park_420": "of the original, at half size",
}
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


def claims() -> str:
    """Return what the paper found beside what the default study finds, a row per finding."""
    lines = []
    for name in COLUMNS[1:]:
        for model in NETWORKS:
            here = float(_here(model, "fp32")["psnr_db"]) - float(_here(model, HERE[name])["psnr_db"])
            lost = _of_paper("psnr_db", model, "fp32") - _of_paper("psnr_db", model, name)
            text = f"{SHOWN[name]} loses, {labels.model_label(model)}"
            lines.append([text, f"{lost:.2f} dB", f"{here:.2f} dB", _verdict(lost, here)])
    for metric, text in (("psnr_db", "ESPCN_YCbCr over ESPCN_RGB, FP32"), ("psnr_y_db", "the same in luma")):
        gain = _of_paper(metric, YCBCR, "fp32") - _of_paper(metric, RGB, "fp32")
        here = float(_here(YCBCR, "fp32")[metric]) - float(_here(RGB, "fp32")[metric])
        lines.append([text, f"{gain:+.2f} dB", f"{here:+.2f} dB", _verdict(gain, here)])
    for text, one, other in (
        ("Calibrated INT8 over PyTorch FP32, ESPCN_RGB", (RGB, "calibrated"), (RGB, "pytorch")),
        ("ESPCN_YCbCr over ESPCN_RGB in INT8", (YCBCR, "calibrated"), (RGB, "calibrated")),
    ):
        paper, here = (of(*one) / of(*other) for of in (_paper_fps, _speed_here))
        lines.append([text, f"{paper:.2g}x", f"{here:.2g}x", _verdict_of_ratio(paper, here)])
    return markdown(["Finding", "Paper", "Here, OpenVINO, `park`", ""], lines)


def _verdict(paper: float, here: float) -> str:
    """Return whether a finding is the paper's: in its direction, and within a factor of two in its size."""
    if paper * here <= 0:
        return "**not reproduced**"
    return "reproduced" if 0.5 <= here / paper <= 2 else "in direction, not in size"


def _verdict_of_ratio(paper: float, here: float) -> str:
    """Return the same of a ratio of speeds, whose direction is that from 1."""
    return _verdict(paper, here) if (paper - 1) * (here - 1) > 0 else _verdict(1, -1)


def errors() -> str:
    """Return the squared errors that the PSNR of the paper's Table 1 means, a row per network."""
    lines = []
    for model in (*NETWORKS, "bicubic"):
        names = COLUMNS if model != "bicubic" else ("uint8",)
        rgb, luma = ([_of_paper(metric, model, name) for name in names] for metric in PSNRS)
        added, added_y = ([added_error(v, values[0]) for v in values[1:]] for values in (rgb, luma))
        shares = [y / both for y, both in zip(added_y, added, strict=True)]
        cells = [f"{value:.1f} (luma {share:.2f})" for value, share in zip(added, shares, strict=True)]
        ratio = f"{added[0] / added[1]:.1f}" if added else ""
        colour = f"{squared_error(rgb[0]) - squared_error(luma[0]):+.2f}"
        error = f"{squared_error(rgb[0]):.1f}"
        lines.append([labels.model_label(model), error, *(cells or ["", ""]), ratio, colour])
    columns = ["Network", "Error", "w/o calibration adds", "w/ calibration adds", "Ratio", "Minus luma"]
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
        lines.append([SHOWN[name], *(f"{round(cell, 2) + 0.0:+.2f}" for cell in (*cells, ycbcr - rgb))])
    here = [f"`park`, chroma {text}" for text in CHROMA.values()]
    return markdown(["Precision", "Paper, PSNR", "Paper, PSNR_Y", *here, "`park`, PSNR_Y"], lines)


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

    `step` is behind the calibration in the recipe, on both sides, and measured by entropy alone.
    """
    added = _added("added_mse")
    paper = [f"{_ratio_of_paper(model):.1f}" for model in NETWORKS for _ in WEIGHTS]
    found = {
        (model, weights, precision.removesuffix(step)): value / added[model, weights, f"int8-entropy{step}"]
        for (model, weights, precision), value in added.items()
        if ("+" in precision) == bool(step)
    }
    return _by_dummy(paper, found, NETWORKS, METHODS if not step else {"": METHODS[""]})


def weights() -> str:
    """Return what INT8 adds and loses with weights trained with and without its noise, and in the paper."""
    added, lost = _added("added_mse"), _added("lost_db")
    lines = []
    for model in NETWORKS:
        fp32, *int8 = (_of_paper("psnr_db", model, name) for name in COLUMNS)
        paper = [f"{added_error(value, fp32):.1f} ({fp32 - value:.2f} dB)" for value in int8]
        lines.append([labels.model_label(model), "the paper's", *paper])
        for text, kinds in WEIGHTS.items():
            cells = [
                f"{_span((added[arm] for arm in arms if arm in added), 1)} "
                f"({_span((lost[arm] for arm in arms if arm in lost), 2)} dB)"
                for arms in ([(model, k, f"int8-{name}") for k in kinds] for name in ("uniform", "entropy"))
            ]
            lines.append(["", text, *cells])
    return markdown(["Network", "Weights", "w/o calibration adds", "w/ calibration adds"], lines)


def shares() -> str:
    """Return luma's share of what each dummy adds to ESPCN_RGB beyond what calibration adds.

    A row per dummy and method. Empty where a dummy adds less than `WORSE` times as much as calibration.
    """
    added, luma = _added("added_mse"), _added("added_mse_y")
    (without, calibrated), (without_y, calibrated_y) = (
        (_of_paper(metric, RGB, name) for name in COLUMNS[1:]) for metric in PSNRS
    )
    paper = f"{added_error(without_y, calibrated_y) / added_error(without, calibrated):.2f}"
    best = {arm: (*arm[:2], "int8-entropy") for arm in added}
    found = {
        arm: (luma[arm] - luma[best[arm]]) / (value - added[best[arm]])
        for arm, value in added.items()
        if value >= WORSE * added[best[arm]]
    }
    return _by_dummy([paper] * len(WEIGHTS), found, (RGB,), METHODS, digits=2)


def _by_dummy(
    paper: Sequence[str],
    found: Mapping[tuple[str, str, str], float],
    models: Sequence[str],
    methods: Mapping[str, str],
    digits: int | None = None,
) -> str:
    """Return a row per dummy and method, with what is `found` by network, weights and precision."""
    lines = [["paper", "", *paper]]
    for dummy, text in DUMMIES.items():
        for suffix, method in methods.items():
            name = f"int8-{dummy}{suffix}"
            cells = [
                _span((found[model, one, name] for one in weights if (model, one, name) in found), digits)
                for model in models
                for weights in WEIGHTS.values()
            ]
            lines.append([text, method, *cells])
    columns = [f"{labels.model_label(model)}, {kind}" for model in models for kind in WEIGHTS]
    return markdown(["Dummy", "Method", *columns], lines)


def _added(column: str) -> dict[tuple[str, str, str], float]:
    """Return what each arm adds, by network, weights and precision."""
    rows = read_rows(FIGURES / "paper/dummies/added.csv")
    return {(row["network"], row["weights"], row["precision"]): float(row[column]) for row in rows}


def noise() -> str:
    """Return what INT8 adds to networks trained with more and less noise, a row per network and strength."""
    rows = read_rows(FIGURES / "networks/noise/added.csv")
    lines = []
    for network in dict.fromkeys(row["network"] for row in rows):
        for strength in dict.fromkeys(row["noise"] for row in rows if row["network"] == network):
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
    if not shown:
        return ""
    return shown[0] if shown[0] == shown[-1] else f"{shown[0]} to {shown[-1]}"


def _here(model: str, precision: str, runtime: str = "openvino") -> Row:
    """Return the row of an arm of the default study on `park`."""
    rows = read_rows(FIGURES / "default/metrics.csv")
    arm = (runtime, model, precision, "park")
    return next(r for r in rows if (r["runtime"], r["model"], r["precision"], r["clip"]) == arm)


def _paper_fps(model: str, name: str) -> float:
    runtime, precision = ("pytorch", "fp32") if name == "pytorch" else ("tensorrt", name)
    return float(_paper()["fps", model, runtime, precision])


def _speed_here(model: str, name: str) -> float:
    runtime, precision = ("pytorch", "fp32") if name == "pytorch" else ("openvino", HERE[name])
    return float(_here(model, precision, runtime)["speedup"])


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
    "paper/claims": claims,
    "paper/errors": errors,
    "paper/gains": gains,
    "paper/chroma/psnr": colour_errors,
    "paper/dummies/added": ratios,
    "paper/dummies/weights": weights,
    "paper/dummies/share": shares,
    "paper/dummies/per_tensor": lambda: ratios("+pertensor"),
    "networks/noise/added": noise,
}
