"""Pack a study's results for others: figures, records, plots, the page and the study."""

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from superres.code_version import code_digest
from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs, read_json, recorded_path
from superres.device.base.words import counted
from superres.report.archive.figures import EVALUATION, METRICS, figure_faults, table_faults
from superres.report.archive.reading import SUMS, sums_text
from superres.report.receipts import FOLDER, Receipt, Receipts, with_sources
from superres.report.tables.table import describe_machines
from superres.report.verify import Verification, Wanted, inspect_study, tell

STUDY, RUN = "study.yaml", "run.yaml"
GIVEN = (STUDY, RUN, SUMS)
"""The files of an archive that no job made."""
TABLE_CODE = ("report/tables/table.py",)

# Neither frames nor graphs nor engines.
_KINDS = (".csv", ".json", ".md", ".tex", ".html", ".svg", ".png", ".pdf")
_TEXTS = (".csv", ".json", ".md", ".tex", ".html", ".svg")
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Described:
    """What is said of the results: the study's keys, and the texts of Table 1."""

    study: Mapping[str, Any]
    table: Mapping[str, Any]


def is_packed(name: str) -> bool:
    """Return whether a file of a study belongs into an archive, by its name."""
    return name.endswith(_KINDS)


def export_results(wanted: Wanted, described: Described, remedy: str, out: Path) -> None:
    """Verify a study's results, then write them as a zip archive, and its checksum beside it.

    The archive has a folder with the study's name, in it the file of checksums. Files aren't compressed, for
    then the same results are the same bytes everywhere. `remedy` is the command that makes damaged files
    again. Raises UserError for results that aren't as their jobs left them, that aren't there, or that name a
    place of this machine.
    """
    again = f"make again what they concern: {remedy}"
    # Results of an earlier version of the code may be packed: manifests name it.
    found = inspect_study(wanted, with_code=False)
    tell(found, str(wanted.results), "every file as its job left it", again)
    receipts = Receipts(wanted.results).read_all()
    names = [name for name in sorted(_shown(wanted, receipts)) if is_packed(name)]
    if not {METRICS, EVALUATION} & set(names):
        raise UserError(
            f"{wanted.results}: expected {METRICS} or {EVALUATION} to pack, found neither with a receipt; "
            "run the study first: snakemake --cores 4 all"
        )
    faults = Verification()
    for fault in figure_faults(wanted.results):
        faults.findings[fault] += 1
    if faults.findings:
        tell(faults, str(wanted.results), "tables that say what their records say", "run the study again")
    files = {name: (wanted.results / name).read_bytes() for name in names}
    _check_places(files, wanted.results)
    files |= dict(_receipt_files(receipts, names))
    files[STUDY] = _yaml(described.study)
    files[RUN] = _yaml(_run(wanted, names, described))
    _write(files, wanted.results.name, out)


def _shown(wanted: Wanted, receipts: Mapping[str, Receipt]) -> set[str]:
    """Return the files that the study shows, and all that they were made of, as far as they are there."""
    shown = {wanted.name(path) for path in (*wanted.shown, *wanted.arms) if Path(path).is_file()}
    return with_sources(shown & receipts.keys(), receipts) & receipts.keys()


def _receipt_files(receipts: Mapping[str, Receipt], names: list[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the receipts of the packed files and of all that they were made of, without places or times."""
    for name in sorted(with_sources(names, receipts) & receipts.keys()):
        receipt = receipts[name]
        read = {recorded_path(path): content for path, content in receipt.read.items()}
        text = json.dumps(asdict(replace(receipt, changed_ns=0, read=read)), indent=2, sort_keys=True)
        yield f"{FOLDER}/{name}.json", f"{text}\n".encode()


def _run(wanted: Wanted, names: list[str], described: Described) -> dict[str, Any]:
    """Return what made the results: the commits, machines and versions, from their manifests and records."""
    manifests = [wanted.results / name for name in names if Path(name).name.startswith("manifest")]
    records = [wanted.results / name for name in names if Path(name).name.startswith("quality")]
    read = [read_json(path, ("code", "latency")) for path in manifests]
    commits = {
        f"{code['commit'] or 'unknown'}{'+changes' if code['changed'] else ''}"
        for code in (manifest["code"] for manifest in read)
    }
    versions = {
        f"{name} {version}"
        for path in records
        if path.suffix == ".json"
        for name, version in read_json(path, ("status",)).get("versions", {}).items()
    }
    return {
        "study": wanted.results.name,
        "commits": sorted(commits),
        "machines": sorted(filter(None, describe_machines(manifests).split("; "))),
        "versions": sorted(versions),
        **_table(wanted, described),
    }


def _table(wanted: Wanted, described: Described) -> dict[str, Any]:
    """Return what it takes to write Table 1 again; nothing if this version writes another one."""
    if any(table_faults(wanted.results, described.table)):
        return {}
    return {"table_code": code_digest(*TABLE_CODE), "table": json.loads(json.dumps(described.table))}


def _check_places(files: Mapping[str, bytes], results: Path) -> None:
    """Raise UserError for a text that names a folder of this machine."""
    places = {str(path).encode() for path in (Path.cwd(), Path.home())} - {b"/"}
    for name, content in files.items():
        if name.endswith(_TEXTS):
            for place in places:
                if place + b"/" in content:
                    raise UserError(
                        f"{results / name}: expected no folder of this machine in what others get, found "
                        f"{place.decode()}; name files in the study by paths relative to it, and run it again"
                    )


def _yaml(data: Mapping[str, Any]) -> bytes:
    text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=200)
    return text.encode()


def _write(files: dict[str, bytes], study: str, out: Path) -> None:
    """Write the archive and its checksum."""
    files[SUMS] = sums_text({name: sha256(content).hexdigest() for name, content in files.items()}).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            member = zipfile.ZipInfo(f"{study}/{name}", _EPOCH)
            member.external_attr = 0o100644 << 16
            # The same on every system.
            member.create_system = 3
            archive.writestr(member, files[name])
    content = packed.getvalue()
    with Outputs({"archive": str(out), "sum": f"{out}.sha256"}) as outputs:
        outputs["archive"].write_bytes(content)
        outputs["sum"].write_text(f"{sha256(content).hexdigest()}  {out.name}\n", encoding="utf-8")
    size = f"{counted(len(files), 'file')}, {len(content) / 1e6:.1f} MB"
    print(f"{out}: {size}; check it: sha256sum -c {out.name}.sha256", flush=True)
