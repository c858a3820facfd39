"""Write an arm's PSNR of that of its shards."""

from pathlib import Path

from superres.report.metrics.shards import join_quality
from superres.scripting import script_job

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    join_quality(
        *([Path(path) for path in snakemake.input[name]] for name in ("quality", "record", "sample")),
        **{name: Path(path) for name, path in snakemake.output.items()},
    )
