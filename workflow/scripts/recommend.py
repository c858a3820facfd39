"""Look whether the recommendation is still as its job left it; the end of the run says it."""

from superres.scripting import script_job

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    # The check of the input is the work.
    pass
