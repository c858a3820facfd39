"""Collect the operations of every arm in one file, and sum them up in a table."""

from pathlib import Path

from superres.report.manifest import ArmOnClip
from superres.report.metrics.profiles import ProfileFiles, collect_profiles
from superres.report.tables.operations_table import write_operations
from superres.scripting import script_job

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    arms = zip(
        snakemake.params.arms,
        snakemake.input.profile,
        snakemake.input.record,
        snakemake.params.graphs,
        strict=True,
    )
    collect_profiles(
        [
            ProfileFiles(ArmOnClip(*arm), Path(profile), Path(record), Path(graph) if graph else None)
            for arm, profile, record, graph in arms
        ],
        Path(snakemake.output.csv),
    )
    write_operations(Path(snakemake.output.csv), Path(snakemake.output.md))
