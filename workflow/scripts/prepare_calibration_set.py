"""Write the centre crops of a calibration set, none of which is in a clip."""

from pathlib import Path

from superres.data.calibration_sets import prepare_calibration_set
from superres.scripting import script_job

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    [images] = snakemake.params.images
    prepare_calibration_set(
        name=images.name,
        sources=images.sources,
        width=images.width,
        height=images.height,
        shuffle=images.shuffle,
        wheels=Path(snakemake.params.wheels),
        frames_out=Path(snakemake.output.frames),
        index_out=Path(snakemake.output.index),
    )
