"""Measure how fast a target multiplies matrices and copies memory, at best."""

from superres.device.job import Job
from superres.scripting import script_log
from superres.targets.run import run_job

with script_log(snakemake.log[0]):
    run_job(
        Job(
            task="measure_roofline",
            runtime="",
            precision="",
            threads=snakemake.threads,
            inputs={},
            outputs={"record": snakemake.output.record},
            settings=snakemake.params.settings,
            label=snakemake.wildcards.target,
        ),
        *snakemake.params.target,
    )
