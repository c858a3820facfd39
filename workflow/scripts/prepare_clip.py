"""Write the HR frame file of a clip or a training set."""

from pathlib import Path

from superres.data.clips import prepare_clip
from superres.scripting import script_job

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    prepare_clip(
        **snakemake.params.images,
        wheels=Path(snakemake.params.wheels),
        hr=Path(snakemake.output.hr),
        index=Path(snakemake.output.index),
        threads=snakemake.threads,
        part=getattr(snakemake.params, "part", None),
    )
