"""Check an archive of results: every file against its hash, every figure against the records behind it."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from superres.code_version import code_digest
from superres.device.base.errors import UserError
from superres.device.base.outputs import sha256_file
from superres.report.archive.figures import NO_RECORD, figure_faults, table_faults
from superres.report.archive.pack import GIVEN, RUN, TABLE_CODE, is_packed
from superres.report.archive.reading import SUMS, Opened, opened_archive
from superres.report.verify import NOTHING, Finding, Verification, inspect_packed, tell


def verify_archive(path: Path) -> None:
    """Check a zip archive of `export_results`, or the folder that it was unpacked to.

    Prints a line for each file or figure that was edited or is missing, as `verify_study` does. Raises
    UserError if there is one, or if it is no archive.
    """
    with opened_archive(path) as opened:
        if opened.sums is None:
            raise UserError(
                f"archive {path}: expected an archive of export_results, found a folder without {SUMS}; "
                "results of your own are checked without archive="
            )
        done = inspect_archive(opened)
    tell(done, f"archive {path}", "all as it was packed", "ask for it again")


def inspect_archive(opened: Opened) -> Verification:
    """Return what in an archive was edited or is missing."""
    folder = opened.folder
    done = _checked_sums(folder, opened.sums or {})
    if not done.findings:
        # Checksums may have been edited too: receipts, manifests and tables know of each other.
        packed = inspect_packed(folder, is_packed, GIVEN)
        done.findings, done.manifests = packed.findings, packed.manifests
    if not done.findings:
        done.findings.update(_figures(folder, done))
    done.notes[:0] = opened.notes
    # Names as they are in the archive.
    place = f"{folder.as_posix()}/"
    done.findings = Counter(
        {
            Finding(*(text.replace(place, "") for text in (one.what, one.expected, one.found))): files
            for one, files in done.findings.items()
        }
    )
    return done


def read_run(folder: Path) -> dict[str, Any]:
    """Return what an archive says of its run; empty for a folder of results."""
    try:
        found = yaml.safe_load((folder / RUN).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{folder / RUN}: expected the run of a study, found: {reason}") from error
    return found if isinstance(found, dict) else {}


def _checked_sums(folder: Path, sums: Mapping[str, str]) -> Verification:
    """Compare each file with its checksum."""
    done = Verification()
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {SUMS}
    for name in sorted(there | sums.keys()):
        found = f"sha256 {sha256_file(folder / name)}" if name in there else NOTHING
        done.compare(name, name, f"sha256 {sums[name]}" if name in sums else NOTHING, found)
        done.files += name in there
    return done


def _figures(folder: Path, done: Verification) -> list[Finding]:
    try:
        found, run = list(figure_faults(folder)), read_run(folder)
        if found:
            return found
        if run.get("table_code") == code_digest(*TABLE_CODE):
            return list(table_faults(folder, run["table"]))
        done.notes.append("Table 1 is of another version: only the hashes of its files are checked")
        return found
    except UserError as error:
        return [Finding("figures", "those of a study", str(error))]
    except NO_RECORD as error:
        return [Finding("figures", "those of a study", repr(error))]
