"""Collect the figures of every arm in one file."""

from pathlib import Path

from superres.report.manifest import Arm
from superres.report.metrics import ArmFiles, collect_metrics
from superres.scripting import script_log

with script_log(snakemake.log[0]):
    arms = zip(
        snakemake.params.arms,
        snakemake.input.quality,
        snakemake.input.latency,
        snakemake.input.manifest,
        strict=True,
    )
    collect_metrics(
        [ArmFiles(Arm(*arm), *map(Path, files)) for arm, *files in arms], Path(snakemake.output.metrics)
    )
