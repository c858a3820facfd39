"""Plot what every INT8 arm loses against FP32."""

from pathlib import Path

from superres.report.plots.arms import plot_int8_loss
from superres.scripting import script_log

with script_log(snakemake.log[0]):
    plot_int8_loss(
        Path(snakemake.input.metrics),
        svg=Path(snakemake.output.svg),
        png=Path(snakemake.output.png),
        calibrated=snakemake.params.calibrated,
    )
