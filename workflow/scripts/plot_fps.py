"""Plot the frames per second of every arm."""

from pathlib import Path

from superres.report.plots.arms import plot_fps
from superres.scripting import script_log

with script_log(snakemake.log[0]):
    plot_fps(
        Path(snakemake.input.metrics),
        svg=Path(snakemake.output.svg),
        png=Path(snakemake.output.png),
        calibrated=snakemake.params.calibrated,
    )
