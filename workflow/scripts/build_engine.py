"""Build an arm's engine on its target."""

from pathlib import Path

from superres.device.job import Job
from superres.device.tasks.engine import frame_sizes
from superres.device.tasks.forms import chosen_form
from superres.scripting import script_log
from superres.targets.run import run_job

with script_log(snakemake.log[0]):
    arm = snakemake.wildcards
    # Bicubic has no model file, and only TensorRT calibrates.
    settings = dict(snakemake.params.settings)
    files = {"model": None, "calibration": snakemake.input.get("calibration")}
    if snakemake.input.models:
        forms = snakemake.params.forms
        choice = snakemake.input.get("choice")
        form = chosen_form(Path(choice), forms) if choice else forms[0]
        settings["form"] = form
        files["model"] = snakemake.input.models[forms.index(form)]
    if snakemake.input.clips:
        settings["sizes"] = frame_sizes([Path(clip) for clip in snakemake.input.clips])
    run_job(
        Job(
            task="build_engine",
            runtime=arm.runtime,
            precision=arm.precision,
            threads=snakemake.threads,
            inputs={name: file for name, file in files.items() if file},
            outputs={"engine": snakemake.output.engine, "record": snakemake.output.record},
            settings=settings,
            label=f"{arm.target}/{arm.runtime}/{arm.model}/{arm.precision}",
        ),
        *snakemake.params.target,
    )
