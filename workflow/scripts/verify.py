"""Look whether every file behind what a study shows is still as its job left it."""

from superres.report.verify import verify_study
from superres.scripting import script_job

with script_job(snakemake.log[0]):
    [wanted] = snakemake.params.wanted
    verify_study(wanted, snakemake.params.remedy)
