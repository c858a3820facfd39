"""Join losses and times of layers in float, and mark the frontier."""

from pathlib import Path

from superres.quantization.layers.frontier import find_frontier
from superres.scripting import script_log

with script_log(snakemake.log[0]):
    find_frontier(Path(snakemake.input.losses), Path(snakemake.input.times), Path(snakemake.output.frontier))
