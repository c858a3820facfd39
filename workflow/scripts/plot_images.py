"""Plot what INT8 loses over the number of calibration images."""

from pathlib import Path

from superres.report.plots.images_plot import plot_images
from superres.scripting import script_log

with script_log(snakemake.log[0]):
    plot_images(
        Path(snakemake.input.evaluation),
        snakemake.params.series,
        svg=Path(snakemake.output.svg),
        png=Path(snakemake.output.png),
    )
