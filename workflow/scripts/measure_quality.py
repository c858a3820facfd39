"""Measure an arm's PSNR, frame by frame, on its target."""

from superres.device.job import Job
from superres.scripting import script_log, threads_side_by_side
from superres.targets.run import run_job

with script_log(snakemake.log[0]):
    arm = snakemake.wildcards
    inputs = ("engine", "engine_record", "hr", "lr", "clip")
    run_job(
        Job(
            task="measure_quality",
            runtime=arm.runtime,
            precision=arm.precision,
            threads=threads_side_by_side(snakemake.threads),
            inputs={name: snakemake.input[name] for name in inputs},
            outputs=dict(snakemake.output.items()),
            settings=snakemake.params.settings,
            label=f"{arm.target}/{arm.runtime}/{arm.model}/{arm.precision}",
        ),
        *snakemake.params.target,
    )
