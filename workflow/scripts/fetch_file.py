"""Fetch one file that a study pins."""

from pathlib import Path

from superres.data.download.fetch import fetch_file
from superres.scripting import script_job

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    [wanted] = snakemake.params.file
    fetch_file(
        wanted,
        store=Path(snakemake.params.store),
        out=Path(snakemake.output.link),
        # The log lies in the study's folder, on the disk that its frames will be on.
        room=[(Path(snakemake.log[0]).parent, snakemake.resources.frames_mb * 10**6)],
    )
