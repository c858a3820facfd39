"""Write the sizes of a clip's frames, apart from all else about them."""

from pathlib import Path

from superres.data.clips import list_sizes
from superres.scripting import script_log

with script_log(snakemake.log[0]):
    list_sizes(Path(snakemake.input.index), Path(snakemake.output.sizes))
