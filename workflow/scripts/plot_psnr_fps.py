"""Plot every arm's PSNR against its frames per second."""

from pathlib import Path

from superres.report.plots.arms import plot_psnr_fps
from superres.scripting import script_log

with script_log(snakemake.log[0]):
    plot_psnr_fps(
        Path(snakemake.input.metrics),
        svg=Path(snakemake.output.svg),
        png=Path(snakemake.output.png),
        calibrated=snakemake.params.calibrated,
    )
