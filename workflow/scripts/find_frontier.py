"""Join losses and times of layers in float, and mark the frontier."""

from pathlib import Path

from superres.quantization.layers.frontier import find_frontier
from superres.scripting import script_job

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    find_frontier(Path(snakemake.input.losses), Path(snakemake.input.times), Path(snakemake.output.frontier))
