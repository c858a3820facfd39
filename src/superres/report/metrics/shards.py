"""The quality of an arm whose frames several jobs measured, joined to the table of one job."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs, read_json, write_json

# What adds up over shards; all else of their records is that of the first.
_SUMS = ("frames", "seconds", "open_seconds", "runtime_seconds", "total_seconds")
# What all shards of an arm share.
_SHARED = ("runtime", "precision", "versions", "engine_sha256", "clip", "clip_sha256")


def join_quality(
    tables: Sequence[Path],
    records: Sequence[Path],
    samples: Sequence[Path],
    *,
    quality: Path,
    record: Path,
    sample: Path,
) -> None:
    """Write one table, record and sample of those of all shards, in the order of their frames.

    The sample is the one that isn't empty. An arm that can't run has no rows. Raises UserError for shards of
    different engines, clips or versions of a runtime, whose figures don't belong into one table.
    """
    facts = [read_json(path, ("status", "settings")) for path in records]
    ran = [one for one in facts if one["status"] == "ok"]
    whole = next((one for one in facts if one["status"] != "ok"), facts[0])
    for path, one in zip(records, facts, strict=True):
        for key in _SHARED if len(ran) == len(facts) else ():
            if one.get(key) != whole.get(key):
                raise UserError(
                    f"{path}: expected {key} {whole.get(key)} as in {records[0]}, found {one.get(key)}; "
                    "measure all shards on equal machines"
                )
    with Outputs({"quality": str(quality), "record": str(record), "sample": str(sample)}) as outputs:
        rows = [path.read_bytes().splitlines(keepends=True) for path in tables]
        kept = [line for lines in rows for line in lines[1:]] if whole["status"] == "ok" else []
        outputs["quality"].write_bytes(b"".join([rows[0][0], *kept]))
        write_json(outputs["record"], whole | _summed(ran, whole))
        # An empty sample is shorter than any frame.
        pick = max if whole["status"] == "ok" else min
        outputs["sample"].write_bytes(pick((path.read_bytes() for path in samples), key=len))


def _summed(facts: Sequence[dict[str, Any]], whole: dict[str, Any]) -> dict[str, Any]:
    """Return what differs in the record of all: sums, the settings without frames, and the machines."""
    settings = {key: value for key, value in whole["settings"].items() if key not in ("first", "end")}
    if whole["status"] != "ok":
        return {"settings": settings}
    sums = {key: round(sum(one[key] for one in facts), 6) for key in _SUMS if key in whole}
    return {"settings": settings, **sums, "shards": len(facts)}
