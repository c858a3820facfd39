"""Measure an arm's PSNR, frame by frame, on its target."""

from superres.scripting import script_log, threads_side_by_side
from superres.targets.run import job_of, run

with script_log(snakemake.log[0]):
    job = job_of(
        "measure_quality",
        snakemake.wildcards,
        inputs=snakemake.input,
        outputs=snakemake.output,
        settings=snakemake.params.settings,
        threads=threads_side_by_side(snakemake.threads),
    )
    run(job, *snakemake.params.device)
