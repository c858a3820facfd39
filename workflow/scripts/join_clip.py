"""Write the HR frame file and the index of a clip or a training set of those of its shards."""

from pathlib import Path

from superres.data.shards import join_frames, join_indexes
from superres.scripting import script_job

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    indexes = [Path(path) for path in snakemake.input.index]
    join_frames([Path(path) for path in snakemake.input.hr], indexes, Path(snakemake.output.hr))
    join_indexes(indexes, Path(snakemake.output.index))
