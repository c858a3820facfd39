"""Measure the layers of an arm's engine on its target."""

from superres.device.job import Job
from superres.scripting import script_log
from superres.targets.run import run_job

with script_log(snakemake.log[0]):
    arm = snakemake.wildcards
    run_job(
        Job(
            task="measure_profile",
            runtime=arm.runtime,
            precision=arm.precision,
            threads=snakemake.threads,
            inputs={name: snakemake.input[name] for name in ("engine", "engine_record", "lr", "clip")},
            outputs={"profile": snakemake.output.profile, "record": snakemake.output.record},
            settings=snakemake.params.settings,
            label=f"{arm.target}/{arm.runtime}/{arm.model}/{arm.precision}",
        ),
        *snakemake.params.target,
    )
