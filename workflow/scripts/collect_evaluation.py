"""Collect the PSNR of every arm in one file."""

from pathlib import Path

from superres.report.manifest import ArmOnClip
from superres.report.metrics.collect import ArmQuality, collect_evaluation
from superres.scripting import script_job

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    arms = zip(
        snakemake.params.arms,
        snakemake.params.graphs,
        snakemake.input.quality,
        snakemake.input.record,
        strict=True,
    )
    collect_evaluation(
        [
            ArmQuality(ArmOnClip(*arm), *map(Path, files), Path(graph) if graph else None)
            for arm, graph, *files in arms
        ],
        snakemake.params.downsampling,
        Path(snakemake.output.evaluation),
        far_db=snakemake.params.far_db,
    )
