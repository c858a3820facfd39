"""Draw a plot."""

from pathlib import Path

from superres.report.plots.registry import draw
from superres.scripting import script_job

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    draw(
        snakemake.wildcards.plot,
        dict(snakemake.input.items()),
        snakemake.params.settings,
        svg=Path(snakemake.output.svg),
        png=Path(snakemake.output.png),
        pdf=Path(snakemake.output.pdf),
    )
