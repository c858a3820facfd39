"""Pack the results of a study for others."""

from pathlib import Path

from superres.report.archive.pack import Described, export_results
from superres.scripting import script_job

with script_job(snakemake.log[0]):
    [wanted], [study] = snakemake.params.wanted, snakemake.params.study
    export_results(
        wanted,
        Described(study, snakemake.params.table),
        snakemake.params.remedy,
        Path(snakemake.params.archive),
    )
