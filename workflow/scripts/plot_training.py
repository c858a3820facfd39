"""Plot a model's training curve."""

from pathlib import Path

from superres.models.training.plots import plot_training
from superres.scripting import script_log

with script_log(snakemake.log[0]):
    plot_training(Path(snakemake.input.curve), svg=Path(snakemake.output.svg), png=Path(snakemake.output.png))
