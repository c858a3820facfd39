"""Time an arm, frame by frame, on its target."""

from superres.device.job import Job
from superres.scripting import script_log
from superres.targets.run import run_job

with script_log(snakemake.log[0]):
    arm = snakemake.wildcards
    inputs = ("engine", "engine_record", "reference_engine", "reference_record", "lr", "clip")
    run_job(
        Job(
            task="measure_latency",
            runtime=arm.runtime,
            precision=arm.precision,
            threads=snakemake.threads,
            inputs={name: snakemake.input[name] for name in inputs if snakemake.input.get(name)},
            outputs={"latency": snakemake.output.latency, "record": snakemake.output.record},
            settings=snakemake.params.settings,
            label=f"{arm.target}/{arm.runtime}/{arm.model}/{arm.precision}",
        ),
        *snakemake.params.target,
    )
