"""The table of a study for papers, as LaTeX with the rules of booktabs: a row per arm, columns per clip."""

from collections.abc import Iterable, Sequence

from superres.csv_rows import Row
from superres.report import labels
from superres.report.metrics.cautions import (
    MEANINGS,
    NOISY,
    PICTURE_MARKS,
    marks,
)
from superres.report.tables.cells import TableText, is_timed

_ESCAPED = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}
_QUALITY = {"psnr_db": "PSNR [dB]", "psnr_y_db": r"PSNR\textsubscript{Y} [dB]"}


def latex_table(rows: Sequence[Row], text: TableText, machine: str) -> str:
    """Return a `tabular` to put into a table: `\\input{table1}` with `\\usepackage{booktabs}`.

    `rows` are those of metrics.csv. Arms that did not run are comments at its end, each with its reason.
    """
    ran = [row for row in rows if row["status"] == "ok"]
    clips = list(dict.fromkeys(row["clip"] for row in ran))
    timed = [clip for clip in clips if is_timed([row for row in ran if row["clip"] == clip])]
    targets = len({row["target"] for row in ran}) > 1
    names = ["Network", "Runtime", "Precision", *(["Machine"] if targets else [])]
    figures = [f"{column}" for _ in clips for column in _QUALITY.values()] + ["FPS"] * len(timed)
    lines = [
        "% \\usepackage{booktabs} and \\input{table1}",
        f"% Measured on {escape(machine)}." if machine else "%",
        f"\\begin{{tabular}}{{@{{}}{'l' * len(names)}{'r' * len(figures)}@{{}}}}",
        "\\toprule",
        *_clip_header(len(names), clips, timed),
        _line([*names, *figures]),
        "\\midrule",
        *_body(ran, text, clips, timed, targets=targets),
        "\\bottomrule",
        "\\end{tabular}",
        *_notes(rows),
    ]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Return a text in which LaTeX sees no commands."""
    return "".join(_ESCAPED.get(character, character) for character in text)


def _line(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def _clip_header(left: int, clips: Sequence[str], timed: Sequence[str]) -> list[str]:
    """Return the names of clips above their columns, each with a rule; none for a single clip."""
    if len(clips) < 2:
        return []
    spans = [(clip, len(_QUALITY)) for clip in clips]
    spans += [(clip, 1) for clip in timed] if len(timed) > 1 else [("", len(timed))]
    cells, rules, column = [""] * left, [], left
    for clip, width in spans:
        cells.append(f"\\multicolumn{{{width}}}{{c}}{{{escape(clip)}}}")
        if clip:
            rules.append(f"\\cmidrule(lr){{{column + 1}-{column + width}}}")
        column += width
    return [_line(cells), " ".join(rules)]


def _body(
    ran: Sequence[Row], text: TableText, clips: Sequence[str], timed: Sequence[str], *, targets: bool
) -> list[str]:
    found = {(row["model"], row["runtime"], row["precision"], row["target"], row["clip"]): row for row in ran}
    models = labels.order_models(row["model"] for row in ran)
    runtimes = labels.order_runtimes(row["runtime"] for row in ran)
    precisions = labels.order_precisions((row["precision"] for row in ran), text.calibrated)
    arms = sorted(
        {arm[:4] for arm in found},
        key=lambda arm: (models.index(arm[0]), runtimes.index(arm[1]), precisions.index(arm[2]), arm[3]),
    )
    lines, last = [], ""
    for arm in arms:
        lines += ["\\addlinespace"] if last not in ("", arm[0]) else []
        model = "" if last == arm[0] else escape(labels.model_label(arm[0]))
        last = arm[0]
        # The label of the precision itself: the paper's columns are of the other table.
        names = [model, escape(labels.runtime_label(arm[1])), escape(labels.precision_label(arm[2]))]
        figures = [_quality(found.get((*arm, clip)), metric) for clip in clips for metric in _QUALITY]
        figures += [_speed(found.get((*arm, clip))) for clip in timed]
        lines.append(_line([*names, *([escape(arm[3])] if targets else []), *figures]))
    return lines


def _quality(row: Row | None, metric: str) -> str:
    return f"{row[metric]:.2f}{escape(marks(row))}" if row is not None else ""


def _speed(row: Row | None) -> str:
    if row is None:
        return ""
    return f"{row['fps']:.1f}" + ("$^*$" if NOISY in (row["cautions"] or "") else "")


def _notes(rows: Sequence[Row]) -> list[str]:
    """Return comments: what marks mean, and what did not run."""
    cautions = " ".join(row["cautions"] or "" for row in rows)
    notes = ["* measured while the machine was busy"] if NOISY in cautions else []
    notes += [f"{mark} {MEANINGS[kind]}" for kind, mark in PICTURE_MARKS.items() if kind in cautions]
    reasons: dict[str, dict[str, None]] = {}
    for row in rows:
        if row["status"] != "ok":
            reasons.setdefault(row["status"], {})[labels.arm_label(labels.arm_folder(row))] = None
    notes += [f"{status}: {', '.join(names)}" for status, names in reasons.items()]
    return [f"% {' '.join(note.split())}" for note in notes]
