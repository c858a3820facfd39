"""Plot what each part of each layer loses in INT8."""

from pathlib import Path

from superres.report.plots.layer_plots import plot_sensitivity
from superres.scripting import script_log

with script_log(snakemake.log[0]):
    plot_sensitivity(
        [Path(path) for path in snakemake.input.tables],
        svg=Path(snakemake.output.svg),
        png=Path(snakemake.output.png),
    )
