"""From the squared errors of all arms to `evaluation.csv`: quality alone, nothing timed."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from superres.csv_rows import write_rows
from superres.device.base.errors import UserError
from superres.device.base.outputs import read_json
from superres.report.metrics.collect import aggregate_quality, protocol_of, read_quality
from superres.report.metrics.schema import Evaluation
from superres.report.provenance.manifest import ArmOnClip, check_record


@dataclass(frozen=True)
class ArmQuality:
    """What `measure_quality` left of one arm on one clip."""

    arm: ArmOnClip
    quality: Path
    record: Path


def collect_evaluation(arms: Sequence[ArmQuality], downsampling: Mapping[str, str], out: Path) -> None:
    """Write `evaluation.csv`, a row an arm and clip, in the order given.

    `downsampling` names each clip's kernel. Raises UserError if a file is damaged, or belongs to another arm.
    """
    write_rows(Evaluation, [_row(files, downsampling[files.arm.clip]) for files in arms], out)


def _row(files: ArmQuality, downsampling: str) -> dict[str, Any]:
    record = read_json(files.record, ("status", "runtime", "precision", "settings", "versions"))
    check_record(files.arm, files.record, record, record)
    row = {
        **asdict(files.arm),
        **protocol_of(record, files.record),
        "downsampling": downsampling,
        "status": record["status"],
    }
    if record["status"] != "ok":
        return row
    quality = read_quality(files.quality)
    if quality.height != record["frames"]:
        raise UserError(
            f"{files.quality}: expected {record['frames']} images, since {files.record} says so, found "
            f"{quality.height}; measure again"
        )
    return row | {
        "images": quality.height,
        **aggregate_quality(quality),
        "engine_sha256": record["engine_sha256"],
        "runtime_version": record["versions"].get(files.arm.runtime),
    }
