"""Compare INT8 graphs of other tools and of this pipeline."""

from pathlib import Path

from superres.report.tables.tools_table import compare_tools
from superres.scripting import script_job

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    compare_tools(
        Path(snakemake.input.evaluation),
        dict(zip(snakemake.params.graphs, map(Path, snakemake.input.onnx), strict=True)),
        dict(zip(snakemake.params.arms, map(Path, snakemake.input.engines), strict=True)),
        snakemake.params.tools,
        csv_out=Path(snakemake.output.csv),
        md_out=Path(snakemake.output.md),
    )
