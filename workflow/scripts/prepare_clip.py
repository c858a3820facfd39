"""Write the HR and LR frame files of a clip or a training set."""

from pathlib import Path

from superres.data.clips import prepare_clip
from superres.scripting import script_log

with script_log(snakemake.log[0]):
    prepare_clip(
        **snakemake.params.images,
        wheels=Path(snakemake.params.wheels),
        hr=Path(snakemake.output.hr),
        lr=Path(snakemake.output.lr),
        index=Path(snakemake.output.index),
        threads=snakemake.threads,
    )
