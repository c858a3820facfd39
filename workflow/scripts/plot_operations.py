"""Plot number and time of every network's operations."""

from pathlib import Path

from superres.report.plots.operations_plot import plot_operations
from superres.scripting import script_log

with script_log(snakemake.log[0]):
    plot_operations(
        Path(snakemake.input.profile), svg=Path(snakemake.output.svg), png=Path(snakemake.output.png)
    )
