"""Plot what layers in float cost in time and bring in PSNR."""

from pathlib import Path

from superres.report.plots.layer_plots import plot_frontier
from superres.scripting import script_log

with script_log(snakemake.log[0]):
    plot_frontier(
        [Path(path) for path in snakemake.input.tables],
        svg=Path(snakemake.output.svg),
        png=Path(snakemake.output.png),
        budget_db=snakemake.params.budget_db,
    )
