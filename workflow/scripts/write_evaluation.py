"""Write the table of an evaluation, with published figures."""

from pathlib import Path

from superres.report.tables.cells import TableText
from superres.report.tables.evaluation_table import write_evaluation
from superres.scripting import script_job

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    write_evaluation(
        snakemake.params.study,
        Path(snakemake.input.evaluation),
        TableText(**snakemake.params.text),
        Path(snakemake.output.md),
        swept=snakemake.params.swept,
        seeds=snakemake.params.seeds,
    )
