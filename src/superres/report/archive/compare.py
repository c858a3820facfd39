"""Lay results of somebody else's beside one's own: differences in PSNR, and ratios of speed."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

from superres.csv_rows import Row
from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs, read_json
from superres.device.base.words import counted, printable
from superres.report import labels
from superres.report.archive.figures import EVALUATION, METRICS, NO_RECORD, folder_of, record_of
from superres.report.archive.inspect import inspect_archive
from superres.report.archive.reading import opened_archive
from superres.report.manifest import ArmOnClip
from superres.report.metrics.relative import paired
from superres.report.metrics.schema import read_evaluation, read_metrics
from superres.report.receipts import Receipts
from superres.report.tables.cells import align
from superres.report.verify import tell

OURS, THEIRS = "ours", "theirs"
# Arms that a line names.
_NAMED = 3
_HEADER = ("Model", "Precision", "Runtime", "PSNR", "theirs", "difference")
_HEADER += ("Speedup", "theirs", "ratio", "Other")


@dataclass(frozen=True)
class Result:
    """An arm on a clip in one of two results, with versions and machine. All None if it isn't there."""

    status: str | None = None
    psnr_db: float | None = None
    psnr_y_db: float | None = None
    fps: float | None = None
    speedup: float | None = None
    speedup_low: float | None = None
    speedup_high: float | None = None
    versions: str | None = None
    machine: str | None = None


@dataclass(frozen=True)
class Compared:
    """An arm on a clip in two results.

    `psnr_difference_db` is theirs minus ours. `ratio` is their speedup over their reference, divided by ours.
    `other` names what differs of that which decides PSNR; empty where PSNR has to be equal.
    """

    arm: ArmOnClip
    ours: Result
    theirs: Result
    psnr_difference_db: float | None = None
    psnr_y_difference_db: float | None = None
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    other: str = ""


def compare_results(own: Path, other: Path, remedy: str, *, csv_out: Path, md_out: Path) -> None:
    """Compare the results in the folder `own` with an archive, an unpacked one or a folder of results.

    Writes a row for each arm and clip that either has, as CSV and Markdown, and prints a summary. Raises
    UserError for results that were edited, and where either has none.
    """
    with opened_archive(other) as opened:
        if opened.sums is not None:
            tell(inspect_archive(opened), f"archive {other}", "all as it was packed", "ask for it again")
        _check(own, remedy)
        if opened.sums is None:
            _check(opened.folder, f"where {other} was made")
        try:
            rows = compare_rows(own, opened.folder)
        except NO_RECORD as error:
            raise UserError(f"{other}: expected the records of arms, found others: {error!r}") from error
    lines = list(map(printable, summarize(rows)))
    with Outputs({"csv": str(csv_out), "md": str(md_out)}) as outputs:
        with outputs["csv"].open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(_flat(rows[0])), lineterminator="\n")
            writer.writeheader()
            writer.writerows(map(_flat, rows))
        title = f"# {own.name}, and {other.name}"
        text = "\n".join(f"- {line}" for line in lines)
        outputs["md"].write_text("\n\n".join([title, text, *_tables(rows)]) + "\n", encoding="utf-8")
    print("\n".join([*lines, f"All of it: {md_out}"]), flush=True)


def compare_rows(own: Path, other: Path) -> list[Compared]:
    """Return a row for each arm and clip that either folder of results has, ours first."""
    ours, theirs = _rows(own), _rows(other)
    arms = dict.fromkeys((*ours, *theirs))
    return [_compared(arm, own, other, ours.get(arm), theirs.get(arm)) for arm in arms]


def summarize(rows: Sequence[Compared]) -> list[str]:
    """Return what two results have to say to each other, in a few lines."""
    both = [row for row in rows if row.psnr_difference_db is not None]
    same, differing = [row for row in both if not row.other], [row for row in both if row.other]
    wrong = [row for row in same if row.psnr_difference_db or row.psnr_y_difference_db]
    lines = []
    if same:
        found = "all equal, as expected" if not wrong else f"{len(wrong)} differ, where none was expected"
        lines.append(f"PSNR of {counted(len(same), 'arm')} with equal versions, graphs and frames: {found}")
    lines += [
        f"{row.arm.label}: expected the same PSNR, found {row.psnr_difference_db:+.6f} dB" for row in wrong
    ]
    if differing:
        largest = max(differing, key=lambda row: abs(row.psnr_difference_db or 0.0))
        lines.append(
            f"PSNR of {counted(len(differing), 'arm')} that differ otherwise: at most "
            f"{largest.psnr_difference_db:+.4f} dB, {largest.arm.label} ({largest.other})"
        )
    lines += _speed_lines(rows)
    for side, other in ((OURS, THEIRS), (THEIRS, OURS)):
        alone = [row.arm.label for row in rows if getattr(row, other).status is None]
        if alone:
            more = f" and {len(alone) - _NAMED} more" if len(alone) > _NAMED else ""
            lines.append(f"Only {side}: {', '.join(alone[:_NAMED])}{more}")
    for what in ("versions", "machine"):
        found = ({getattr(getattr(row, side), what) for row in rows} for side in (OURS, THEIRS))
        said = ["; ".join(sorted(texts - {None, ""})) for texts in found]
        lines.append(f"{what.capitalize()}: {' / '.join(dict.fromkeys(said))}")
    return lines


def _speed_lines(rows: Sequence[Compared]) -> list[str]:
    """Return a line about speedups, which are ratios to each machine's own reference."""
    known = [row for row in rows if row.ratio is not None and row.ratio_low != row.ratio_high]
    if not known:
        return []
    apart = [row for row in known if not (row.ratio_low or 0.0) <= 1 <= (row.ratio_high or 0.0)]
    middle = median(row.ratio or 0.0 for row in known)
    return [
        f"Speedups of {counted(len(known), 'arm')} over the reference: theirs are {middle:.2f} times "
        f"ours in the median; {len(apart)} differ by more than their 95% intervals"
    ]


def _check(results: Path, remedy: str) -> None:
    """Raise UserError if tables of results were edited."""
    there = [str(path) for name in (METRICS, EVALUATION) if (path := results / name).is_file()]
    Receipts(results).check(there, remedy)


def _rows(results: Path) -> dict[ArmOnClip, Row]:
    """Return the rows of a folder of results by arm and clip; those of `metrics.csv` say more."""
    found: dict[ArmOnClip, Row] = {}
    for name, read in ((METRICS, read_metrics), (EVALUATION, read_evaluation)):
        if (results / name).is_file():
            for row in read(results / name).to_dicts():
                found.setdefault(ArmOnClip(*(row[field.name] for field in fields(ArmOnClip))), row)
    if not found:
        raise UserError(
            f"{results}: expected {METRICS} or {EVALUATION}, found neither; run the study first: "
            "snakemake --cores 4 all"
        )
    return found


def _compared(arm: ArmOnClip, own: Path, other: Path, ours: Row | None, theirs: Row | None) -> Compared:
    row = Compared(arm, _result(own, ours), _result(other, theirs))
    if ours is None or theirs is None or "ok" not in (ours["status"], theirs["status"]):
        return row
    row = replace(row, other="; ".join(_others(own, other, ours, theirs)))
    if ours["status"] != theirs["status"]:
        return row
    ratios = [paired(one) if "speedup" in one else None for one in (ours, theirs)]
    if ratios[0] is not None and ratios[1] is not None and ours["reference"] == theirs["reference"]:
        ratio = ratios[1].over(ratios[0])
        row = replace(row, ratio=ratio.value, ratio_low=ratio.low, ratio_high=ratio.high)
    differences = {
        f"{name}_difference_db": theirs[f"{name}_db"] - ours[f"{name}_db"] for name in ("psnr", "psnr_y")
    }
    return replace(row, **differences)


def _result(results: Path, row: Row | None) -> Result:
    if row is None:
        return Result()
    record = _record(results, row)
    machine, versions = record.get("machine") or {}, record.get("versions") or {}
    known = {field.name: row.get(field.name) for field in fields(Result)}
    said = {
        "versions": ", ".join(f"{name} {version}" for name, version in sorted(versions.items())),
        "machine": machine.get("module") or machine.get("cpu") or machine.get("architecture"),
    }
    return Result(**{**known, **said})


def _others(own: Path, other: Path, ours: Row, theirs: Row) -> list[str]:
    """Return what differs between two results of an arm, of all that decides its PSNR."""
    records = [_record(own, ours), _record(other, theirs)]
    frames = [_frames(own, ours), _frames(other, theirs)]
    machines = [record.get("machine") or {} for record in records]
    differ = {
        "other versions": [record.get("versions") for record in records],
        "other settings": [record.get("settings") for record in records],
        "another graph": [row.get("onnx_sha256") for row in (ours, theirs)],
        "other frames": frames,
        "another processor": [(machine.get("cpu"), machine.get("flags")) for machine in machines],
        "another numpy": [machine.get("numpy") for machine in machines],
    }
    return [what for what, (one, two) in differ.items() if one != two]


@cache
def _read(path: Path) -> Mapping[str, Any]:
    return read_json(path, ()) if path.is_file() else {}


def _record(results: Path, row: Row) -> Mapping[str, Any]:
    found = record_of(results, row)
    return _read(found) if found is not None else {}


def _frames(results: Path, row: Row) -> list[Any]:
    """Return the hashes of a row's frames, HR and LR."""
    folder_of(results, row)
    clip = results / "frames" / row["clip"]
    return [
        _read(clip.with_name(f"{clip.name}.json")).get("hr_sha256"),
        _read(clip.with_name(f"{clip.name}.x{row['scale']}.json")).get("lr_sha256"),
    ]


def _flat(row: Compared) -> dict[str, Any]:
    """Return a row's columns, with those of both sides beside each other."""
    plain = {name: value for name, value in asdict(row).items() if name not in ("arm", OURS, THEIRS)}
    sides = {
        f"{field.name}_{side}": getattr(getattr(row, side), field.name)
        for field in fields(Result)
        for side in (OURS, THEIRS)
    }
    return {**asdict(row.arm), **sides, **plain}


def _tables(rows: Sequence[Compared]) -> list[str]:
    """Return a table for each clip and target, and what its columns are."""
    parts = []
    for clip, target in dict.fromkeys((row.arm.clip, row.arm.target) for row in rows):
        mine = [row for row in rows if (row.arm.clip, row.arm.target) == (clip, target)]
        table = align([list(_HEADER), *map(_cells, mine)], left=3)
        parts.append(f"## Clip `{clip}` on `{target}`\n\n{table}")
    return [
        *parts,
        "PSNR [dB] over R, G and B; the difference is theirs minus ours. Speedups are over each one's own "
        "reference; their ratio is theirs / ours, with its 95% interval. Other: what differs of all that "
        "decides PSNR; where nothing does, the difference has to be 0.",
    ]


def _cells(row: Compared) -> list[str]:
    ours, theirs = row.ours, row.theirs
    ratio = f"{row.ratio:.2f} [{row.ratio_low:.2f}, {row.ratio_high:.2f}]" if row.ratio is not None else "-"
    return [
        labels.model_label(row.arm.model),
        labels.precision_label(row.arm.precision),
        labels.runtime_label(row.arm.runtime),
        *(_psnr(side) for side in (ours, theirs)),
        _difference(row.psnr_difference_db),
        *("-" if side.speedup is None else f"{side.speedup:.2f}" for side in (ours, theirs)),
        ratio,
        row.other or "-",
    ]


def _psnr(side: Result) -> str:
    if side.psnr_db is not None:
        return f"{side.psnr_db:.4f}"
    return "not there" if side.status is None else "not run"


def _difference(value: float | None) -> str:
    if value is None:
        return "-"
    return "0" if value == 0 else f"{value:+.4f}"
