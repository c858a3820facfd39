"""The origin of figures: run.yaml with the machine named by what decides its speed."""

import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from superres.report.tables.table import describe_speed

# The widest instructions of each processor, and what they add for a precision.
_INSTRUCTIONS = {"avx512f": "AVX-512", "avx2": "AVX2", "asimd": "NEON"}
_ADDED = {
    "AVX-512": {"avx512_vnni": "VNNI", "avx512_bf16": "BF16", "amx_int8": "AMX"},
    "AVX2": {"avx_vnni": "VNNI"},
    "NEON": {"asimddp": "dot products", "i8mm": "I8MM", "bf16": "BF16"},
}


def write_run(path: Path, study: Path, record: Path, run: Mapping[str, str]) -> None:
    """Write run.yaml of figures: the command and commit given in `run`, the date of a table, and the machine.

    `record` is of a job of the study that measured on it. `run` may have other words for its processor, and
    a `note`.
    """
    facts = json.loads(record.read_text(encoding="utf-8"))
    machine = facts.get("latency", facts)["machine"]
    tables = (study / name for name in ("metrics.csv", "evaluation.csv"))
    finished = next(table.stat().st_mtime for table in tables if table.is_file())
    whole = {
        "command": run["command"],
        "commit": run["commit"],
        "date": str(datetime.fromtimestamp(finished, UTC).date()),
        "machine": run.get("machine") or f"{machine['usable_cpus']} cores of {machine['cpu']}",
    }
    if told := _decides(machine, study / "roofline/local.json"):
        whole["machine"] += f" ({told})"
    if note := run.get("note"):
        whole["note"] = note
    path.write_text(yaml.safe_dump(whole, sort_keys=False, allow_unicode=True, width=300), encoding="utf-8")


def _decides(machine: Mapping[str, Any], roofline: Path) -> str:
    """Return what decides a machine's speed, from a record's facts and `measure_roofline`, if it ran."""
    parts = ([*_instructions(machine["flags"]), *describe_speed(machine)], _fastest(roofline))
    return "; ".join(", ".join(part) for part in parts if part)


def _instructions(flags: Collection[str]) -> list[str]:
    widest = next((name for flag, name in _INSTRUCTIONS.items() if flag in flags), None)
    if widest is None:
        return []
    added = [name for flag, name in _ADDED[widest].items() if flag in flags]
    return [f"{widest} with {' and '.join(added)}" if added else widest]


def _fastest(roofline: Path) -> list[str]:
    """Return the machine's fastest products, such as `fastest products FP32 249 GMAC/s`."""
    if not roofline.is_file():
        return []
    peaks = json.loads(roofline.read_text(encoding="utf-8"))["peaks"].get("cpu", {})
    told = ", ".join(f"{name.upper()} {peak:.0f}" for name, peak in peaks.items())
    return [f"fastest products {told} GMAC/s"] if told else []
