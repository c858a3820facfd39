"""Collect the figures of every arm in one file."""

from pathlib import Path

from superres.report.manifest import ArmOnClip
from superres.report.metrics.cautions import NoiseLimits
from superres.report.metrics.collect import ArmFiles, collect_metrics
from superres.scripting import script_job

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    arms = zip(
        snakemake.params.arms,
        snakemake.params.graphs,
        snakemake.input.quality,
        snakemake.input.latency,
        snakemake.input.manifest,
        strict=True,
    )
    rooflines = dict(zip(snakemake.params.targets, map(Path, snakemake.input.roofline), strict=True))
    collect_metrics(
        [
            ArmFiles(ArmOnClip(*arm), *map(Path, files), rooflines[arm[0]], Path(graph) if graph else None)
            for arm, graph, *files in arms
        ],
        Path(snakemake.output.metrics),
        references=snakemake.params.references,
        noise=NoiseLimits(**snakemake.params.noise),
        far_db=snakemake.params.far_db,
    )
