"""Check that calibration or training images share no pixel with the clips."""

from pathlib import Path

from superres.data.calibration_sets import check_disjoint_images
from superres.scripting import script_job

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    check_disjoint_images(
        Path(snakemake.input.images),
        [Path(snakemake.input.clip)],
        Path(snakemake.output.record),
    )
