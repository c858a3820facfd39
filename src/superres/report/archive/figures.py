"""Compare the figures of tables with the records that they come from, by computing them again."""

import math
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from superres.csv_rows import Row, read_columns
from superres.device.base.errors import UserError
from superres.device.base.outputs import read_json, sha256_file
from superres.report.labels import arm_folder
from superres.report.manifest import ArmOnClip
from superres.report.metrics.collect import (
    MANIFEST,
    ArmFiles,
    ArmQuality,
    evaluation_row,
    row_of_records,
)
from superres.report.metrics.relative import with_added
from superres.report.metrics.schema import read_evaluation, read_metrics
from superres.report.metrics.speed import LATENCY, MAY_BE_EMPTY
from superres.report.tables.cells import TableText
from superres.report.tables.table import write_table
from superres.report.verify import Finding

METRICS, EVALUATION = "metrics.csv", "evaluation.csv"
TABLE = {"csv_out": "table1.csv", "md_out": "table1.md", "tex_out": "paper/table1.tex"}
# Sums may be taken in another order by another version of a library.
_TOLERANCE = 1e-9
_NAME = re.compile(r"[A-Za-z0-9_+-]+")
NO_RECORD = (TypeError, KeyError, AttributeError, ValueError, ArithmeticError)
"""What other people's JSON raises where it isn't a record of a job."""
# Its folder may be another one here.
_PLACE = "manifest"


def figure_faults(results: Path) -> Iterator[Finding]:
    """Yield what `metrics.csv` and `evaluation.csv` say otherwise than the records in a folder of results.

    Columns about operations and cautions aren't computed: they come from graphs as well. Raises UserError for
    a table that isn't one.
    """
    if (results / METRICS).is_file():
        rows = read_metrics(results / METRICS).to_dicts()
        yield from _faults(METRICS, rows, [*_metrics_again(results, rows)])
    if (results / EVALUATION).is_file():
        evaluated = read_evaluation(results / EVALUATION).to_dicts()
        yield from _faults(EVALUATION, evaluated, [*_evaluation_again(results, evaluated)])


def manifest_of(results: Path, row: Row) -> Path:
    """Return the manifest of a row of `metrics.csv`."""
    return folder_of(results, row) / Path(row["manifest"]).name


def folder_of(results: Path, row: Row) -> Path:
    """Return the folder of a row's arm. Raises UserError for names that lead elsewhere: no study has them."""
    arm = arm_folder(row)
    for part in (*arm.split("/"), row["clip"]):
        if not _NAME.fullmatch(part):
            raise UserError(f"{arm} on {row['clip']}: expected the names of an arm, found {part!r}")
    return results / "arms" / arm


def record_of(results: Path, row: Row) -> Path | None:
    """Return the record of a row's quality, by its clip; None without one."""
    for path in sorted(folder_of(results, row).glob("quality*.json")):
        if read_json(path, ("status",)).get("clip", row["clip"]) == row["clip"]:
            return path
    return None


def _faults(name: str, rows: Sequence[Row], again: Sequence[Row | UserError]) -> Iterator[Finding]:
    """Compare the rows of a table with those of the records, or with what is wrong with these."""
    sound = [row for row in again if not isinstance(row, UserError)]
    added = iter(with_added(sound) if len(sound) == len(again) else sound)
    for row, found in zip(rows, again, strict=True):
        where = f"{name}: {arm_folder(row)} on {row['clip']}"
        if isinstance(found, UserError):
            yield Finding(where, "records that it comes from", str(found))
            continue
        for key, value in next(added).items():
            if key != _PLACE and not _same(row[key], value):
                yield Finding(f"{where}: {key}", f"{value}, as its records say", str(row[key]))


def _same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
    return one == other


def _metrics_again(results: Path, rows: Sequence[Row]) -> Iterator[Row | UserError]:
    """Yield each row of `metrics.csv` from its records, or what is wrong with them."""
    references = {row["reference"] for row in rows}
    for row in rows:
        try:
            files, manifest = _files_of(manifest_of(results, row), row)
            latency = read_columns(LATENCY, files.latency, may_be_empty=MAY_BE_EMPTY)
            yield row_of_records(files, manifest, latency, references)
        except UserError as error:
            yield error
        except NO_RECORD as error:
            yield UserError(f"{row['manifest']}: expected records, found something else: {error!r}")


def _files_of(path: Path, row: Row) -> tuple[ArmFiles, dict[str, Any]]:
    """Return an arm's files and its manifest. Raises UserError if these don't belong together."""
    manifest = read_json(path, MANIFEST)
    files = {}
    for name in ("quality", "latency"):
        try:
            written = manifest["outputs"][name]
            files[name] = path.with_name(Path(written["path"]).name)
            expected = written["sha256"]
        except (KeyError, TypeError) as error:
            raise UserError(f"{path}: expected the file of {name} in outputs, found none") from error
        found = sha256_file(files[name]) if files[name].is_file() else "nothing"
        if found != expected:
            raise UserError(f"{files[name]}: expected sha256 {expected}, as {path.name} says, found {found}")
    arm = ArmOnClip(*(row[key] for key in ("target", "runtime", "model", "precision", "clip")))
    found = {key: manifest.get(key) for key in ("target", "runtime", "model", "precision", "clip")}
    if found != {key: row[key] for key in found}:
        raise UserError(f"{path}: expected the manifest of {arm.label}, found that of {found}")
    return ArmFiles(arm, files["quality"], files["latency"], path, path, None), manifest


def _evaluation_again(results: Path, rows: Sequence[Row]) -> Iterator[Row | UserError]:
    """Yield each row of `evaluation.csv` from its record, or what is wrong with it."""
    for row in rows:
        arm = ArmOnClip(*(row[key] for key in ("target", "runtime", "model", "precision", "clip")))
        try:
            if (record := record_of(results, row)) is None:
                raise UserError(f"arms/{arm.folder}: expected a record of {arm.clip}, found none")
            yield evaluation_row(ArmQuality(arm, record.with_suffix(".csv"), record), row["downsampling"])
        except UserError as error:
            yield error
        except NO_RECORD as error:
            yield UserError(f"arms/{arm.folder}: expected a record, found something else: {error!r}")


def table_faults(results: Path, text: Mapping[str, Any]) -> Iterator[Finding]:
    """Write Table 1 again with its texts, and yield which of its files in a folder of results differ."""
    names = {key: name for key, name in TABLE.items() if (results / name).is_file()}
    if not names or not (results / METRICS).is_file():
        return
    rows = read_metrics(results / METRICS).to_dicts()
    with tempfile.TemporaryDirectory(prefix="superres-") as folder:
        again = {key: Path(folder, name) for key, name in TABLE.items()}
        manifests = [manifest_of(results, row) for row in rows]
        write_table(results / METRICS, manifests, text=TableText(**text), **again)
        for key, name in names.items():
            if again[key].read_bytes() != (results / name).read_bytes():
                line = _first_difference(again[key], results / name)
                yield Finding(name, f"the figures of {METRICS}", f"others in line {line}")


def _first_difference(one: Path, other: Path) -> int:
    lines, others = (path.read_bytes().splitlines() for path in (one, other))
    common = min(len(lines), len(others))
    return next((i for i in range(common) if lines[i] != others[i]), common) + 1
