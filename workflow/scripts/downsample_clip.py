"""Write the LR twins of a clip's or a training set's frames at a scale."""

from pathlib import Path

from superres.data.clips import downsample_clip
from superres.scripting import script_job

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    downsample_clip(
        Path(snakemake.input.hr),
        Path(snakemake.input.index),
        snakemake.params.downsampling,
        int(snakemake.wildcards.scale),
        lr=Path(snakemake.output.lr),
        lr_index=Path(snakemake.output.index),
        threads=snakemake.threads,
    )
