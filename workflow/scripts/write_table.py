"""Write the paper's Table 1 with this study's figures."""

from pathlib import Path

from superres.report.tables.cells import TableText
from superres.report.tables.table import write_table
from superres.scripting import script_job

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    write_table(
        Path(snakemake.input.metrics),
        [Path(path) for path in snakemake.input.manifests],
        csv_out=Path(snakemake.output.csv),
        md_out=Path(snakemake.output.md),
        tex_out=Path(snakemake.output.tex),
        text=TableText(**snakemake.params.text),
    )
