"""Write the tables between markers in README.md and docs/*.md from the CSV files in docs/figures/.

`<!-- figures: int8/recipes -->` ... `<!-- end -->` holds docs/figures/int8/recipes.csv as a table.
`int8/run` holds the origin of that folder's figures, from its run.yaml; a folder is one run.
The functions in `TABLES` make the tables of the default study from its metrics.csv.
"""

import csv
import re
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path

import members
import paper
import without_vnni
import yaml
import zoo
from formatting import markdown, read_rows

from superres.report import labels
from superres.report.metrics.relative import added_error, describe_added, squared_error

ROOT = Path(__file__).parents[2]
FIGURES = ROOT / "docs/figures"
MARKED = re.compile(r"(<!-- figures: ([\w/-]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
CALIBRATED = "int8-entropy"
TUNED = "int8-tuned"
# The default study's clips: the one that arms are timed on, and the smooth one.
CLIP, SMOOTH = "park", "rooms"
# Of a line without its asterisks, so that it fits as all others do.
WIDTH = 108
NOT_MEASURED = "Not measured in this run."
Row = Mapping[str, str]


def pages() -> list[Path]:
    """Return the pages that may hold tables."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def render(page: str) -> str:
    """Return a page with new tables between its markers."""
    return MARKED.sub(lambda found: f"{found[1]}{figures(found[2])}\n{found[4]}", page)


def figures(name: str) -> str:
    """Return the text for the markers of `name`: a folder of docs/figures/ and its table or `run`."""
    if name in TABLES:
        return TABLES[name]()
    if name.endswith("/run"):
        return _origin(FIGURES / f"{name}.yaml")
    with (FIGURES / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        columns, *rows = csv.reader(file)
    return markdown(columns, rows)


def _origin(path: Path) -> str:
    run = yaml.safe_load(path.read_text(encoding="utf-8"))
    measured = f"Measured {run['date']} at `{run['commit']}` on {run['machine']}:"
    lines = [*textwrap.wrap(measured, WIDTH, break_on_hyphens=False), f"`{run['command']}`."]
    return "\n".join(f"*{line}*" for line in [*lines, *([run["note"]] if "note" in run else [])])


def answer() -> str:
    """Return README's table: quality on each clip and speed of INT8 in OpenVINO, a row per network."""
    arms, smooth = _networks(CLIP), _networks(SMOOTH)
    rows = []
    for model in labels.order_models({model for model, _ in arms}):
        keys = [(model, name) for name in ("fp32", "int8-dummy", TUNED)]
        found = [[clip[key]["psnr_db"] for clip in (arms, smooth) if key in clip] for key in keys]
        quality = [" / ".join(f"{float(value):.2f}" for value in values) + " dB" for values in found]
        speeds = [f"{_fps(arms[key])} FPS" for key in (keys[0], keys[-1])]
        rows.append([labels.model_label(model), *quality, *speeds])
    return markdown(
        ["Network", "FP32", "INT8, no calibration", "INT8, tuned", "FP32 speed", "INT8 speed"], rows
    )


def losses() -> str:
    """Return what each INT8 precision loses in OpenVINO on each clip [dB], a row per network and clip."""
    clips = {clip: _networks(clip) for clip in (CLIP, SMOOTH)}
    if not all(clips.values()):
        return NOT_MEASURED
    int8 = labels.order_precisions({p for _, p in clips[SMOOTH] if p.startswith("int8-")}, CALIBRATED)
    lines = []
    for model in labels.order_models({model for model, _ in clips[SMOOTH]}):
        for clip, arms in clips.items():
            fp32 = float(arms[model, "fp32"]["psnr_db"])
            lost = [f"{fp32 - float(arms[model, name]['psnr_db']):.3f}" for name in int8]
            name = labels.model_label(model) if clip == CLIP else ""
            lines.append([name, f"`{clip}`", f"{fp32:.2f} dB", *lost])
    return markdown(["Network", "Clip", "FP32", *(f"{_precision(name)} loses" for name in int8)], lines)


def added() -> str:
    """Return the squared error of FP32 and what each INT8 adds in OpenVINO, a row per network and clip."""
    psnr = {
        clip: {arm: float(row["psnr_of_mean_db"]) for arm, row in _networks(clip).items() if measured(row)}
        for clip in (CLIP, SMOOTH)
    }
    if not all(psnr.values()):
        return NOT_MEASURED
    int8 = labels.order_precisions({p for _, p in psnr[SMOOTH] if p.startswith("int8-")}, CALIBRATED)
    lines = []
    for model in labels.order_models({model for model, _ in psnr[SMOOTH]}):
        for clip, arms in psnr.items():
            fp32 = arms[model, "fp32"]
            adds = [describe_added(added_error(arms[model, name], fp32)) for name in int8]
            name = labels.model_label(model) if clip == CLIP else ""
            lines.append([name, f"`{clip}`", f"{squared_error(fp32):.2f}", *adds])
    return markdown(
        ["Network", "Clip", "Error of FP32", *(f"{_precision(name)} adds" for name in int8)], lines
    )


def measured(row: Row) -> bool:
    """Return whether an arm's row has the PSNR of the mean error, which an older study lacks."""
    return bool(row.get("psnr_of_mean_db"))


def _networks(clip: str) -> dict[tuple[str, str], Row]:
    """Return OpenVINO's arms of networks on a clip, by network and precision."""
    rows = (row for row in _metrics(clip) if row["runtime"] == "openvino" and row["status"] == "ok")
    return {(row["model"], row["precision"]): row for row in rows}


def by_arm(cell: Callable[[Row], str], clip: str = CLIP) -> str:
    """Return a row per runtime and precision, a column per network, with `cell` of an arm's metrics."""
    rows = [row for row in _metrics(clip) if row["status"] == "ok" and row["model"] != "bicubic"]
    models = labels.order_models({row["model"] for row in rows})
    arms = {(row["runtime"], row["precision"], row["model"]): cell(row) for row in rows}
    lines = []
    for runtime in labels.order_runtimes({row["runtime"] for row in rows}):
        found = {row["precision"] for row in rows if row["runtime"] == runtime}
        for precision in labels.order_precisions(found, CALIBRATED):
            cells = [arms.get((runtime, precision, model), "") for model in models]
            lines.append([labels.runtime_label(runtime), _precision(precision), *cells])
    if not any(arms.values()):
        return NOT_MEASURED
    return markdown(["Runtime", "Precision", *map(labels.model_label, models)], lines)


def bicubic() -> str:
    """Return the table of the default study's baseline."""
    rows = [row for row in _metrics() if row["model"] == "bicubic"]
    return markdown(
        ["Baseline", "PSNR [dB]", "FPS"],
        [
            [f"Bicubic, {labels.runtime_label(row['runtime'])}", f"{float(row['psnr_db']):.4f}", _fps(row)]
            for row in rows
        ],
    )


def _precision(name: str) -> str:
    known = {"uncalibrated": "INT8 w/o calibration", "calibrated": "INT8 w/ calibration"}
    return known.get(name, labels.precision_label(name))


def _fps(row: Row) -> str:
    return f"{_busy(row)}{float(row['fps']):.1f}"


def _busy(row: Row) -> str:
    return "~" if "noisy" in row["cautions"] else ""


def _speedup(row: Row) -> str:
    if not row["speedup"]:
        return ""
    ratio, low, high = (float(row[name]) for name in ("speedup", "speedup_low", "speedup_high"))
    return f"{ratio:.2f} ({low:.2f} to {high:.2f})"


def _limit(row: Row) -> str:
    return f"{_busy(row)}{float(row['limit_fraction']):.0%}" if row["limit_fraction"] else ""


def _psnr(row: Row, name: str) -> str:
    return f"{float(row[name]):.4f}" if row.get(name) else ""


def _metrics(clip: str = CLIP) -> list[dict[str, str]]:
    return [row for row in read_rows(FIGURES / "default/metrics.csv") if row["clip"] == clip]


TABLES: dict[str, Callable[[], str]] = {
    "default/answer": answer,
    "default/psnr": lambda: by_arm(lambda row: _psnr(row, "psnr_db")),
    "default/losses": losses,
    "default/added": added,
    "default/psnr_smooth": lambda: by_arm(lambda row: _psnr(row, "psnr_db"), SMOOTH),
    "default/ssim_y": lambda: by_arm(lambda row: _psnr(row, "ssim_y")),
    "default/ssim_y_smooth": lambda: by_arm(lambda row: _psnr(row, "ssim_y"), SMOOTH),
    "default/psnr_y": lambda: by_arm(lambda row: _psnr(row, "psnr_y_db")),
    "default/fps": lambda: by_arm(_fps),
    "default/speedup": lambda: by_arm(_speedup),
    "default/limit": lambda: by_arm(_limit),
    "default/bicubic": bicubic,
    **paper.TABLES,
    **zoo.TABLES,
    **without_vnni.TABLES,
    "networks/members": members.members,
}


def main() -> None:
    """Write every page with changed tables."""
    for page in pages():
        text = page.read_text(encoding="utf-8")
        if (written := render(text)) != text:
            page.write_text(written, encoding="utf-8")
            print(f"wrote {page.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
