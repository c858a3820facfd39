"""Measure how fast a target multiplies matrices and copies memory, at best."""

from superres.scripting import script_job
from superres.targets.run import job_of, run

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    job = job_of(
        "measure_roofline",
        snakemake.wildcards,
        inputs=snakemake.input,
        outputs=snakemake.output,
        settings=snakemake.params.settings,
        threads=snakemake.threads,
    )
    run(job, *snakemake.params.device)
