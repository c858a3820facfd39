"""Measure an arm's PSNR, frame by frame, on its target."""

from superres.scripting import script_job, threads_side_by_side
from superres.targets.run import job_of, run

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    job = job_of(
        "measure_quality",
        snakemake.wildcards,
        inputs=snakemake.input,
        outputs=snakemake.output,
        settings=snakemake.params.settings,
        threads=threads_side_by_side(snakemake.threads),
    )
    run(job, *snakemake.params.device)
