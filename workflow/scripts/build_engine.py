"""Build an arm's engine on its target."""

from superres.device.job import Job
from superres.scripting import script_log
from superres.targets.local import run_job

with script_log(snakemake.log[0]):
    arm = snakemake.wildcards
    run_job(
        Job(
            task="build_engine",
            runtime=arm.runtime,
            precision=arm.precision,
            threads=snakemake.threads,
            # Bicubic has no model file.
            inputs={"model": snakemake.input.model} if snakemake.input.model else {},
            outputs={"engine": snakemake.output.engine, "record": snakemake.output.record},
            settings=snakemake.params.settings,
            label=f"{arm.target}/{arm.runtime}/{arm.model}/{arm.precision}",
        )
    )
