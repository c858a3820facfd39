"""Build an arm's engine on its target."""

from pathlib import Path

from superres.device.arm import frame_sizes
from superres.device.job import Job
from superres.scripting import script_log
from superres.targets.run import run_job

with script_log(snakemake.log[0]):
    arm = snakemake.wildcards
    # Bicubic has no model file, and only TensorRT calibrates or asks for sizes.
    files = {name: snakemake.input.get(name) for name in ("model", "calibration")}
    sizes = (
        {"sizes": frame_sizes([Path(clip) for clip in snakemake.input.clips])}
        if snakemake.input.clips
        else {}
    )
    run_job(
        Job(
            task="build_engine",
            runtime=arm.runtime,
            precision=arm.precision,
            threads=snakemake.threads,
            inputs={name: file for name, file in files.items() if file},
            outputs={"engine": snakemake.output.engine, "record": snakemake.output.record},
            settings=snakemake.params.settings | sizes,
            label=f"{arm.target}/{arm.runtime}/{arm.model}/{arm.precision}",
        ),
        *snakemake.params.target,
    )
