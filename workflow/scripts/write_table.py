"""Write the paper's Table 1 with this study's figures."""

from pathlib import Path

from superres.report.tables.cells import TableText
from superres.report.tables.table import describe_machines, write_table
from superres.scripting import script_log

with script_log(snakemake.log[0]):
    machine = describe_machines([Path(path) for path in snakemake.input.manifests])
    write_table(
        Path(snakemake.input.metrics),
        csv_out=Path(snakemake.output.csv),
        md_out=Path(snakemake.output.md),
        text=TableText(machine=machine, **snakemake.params.text),
    )
