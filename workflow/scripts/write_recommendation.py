"""Say which arm to ship."""

from pathlib import Path

from superres.report.recommendation.decide import Wish
from superres.report.recommendation.write import write_recommendation
from superres.scripting import script_job

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    write_recommendation(
        snakemake.params.study,
        Path(snakemake.input.metrics),
        Wish(**snakemake.params.wish),
        md=Path(snakemake.output.md),
        json=Path(snakemake.output.json),
    )
