"""Time the forms of a graph on a target, and choose the fastest."""

from pathlib import Path

from superres.device.job import FORM, Job
from superres.device.tasks.engine import frame_sizes
from superres.scripting import script_log
from superres.targets.run import run_job

with script_log(snakemake.log[0]):
    arm = snakemake.params.arm
    settings = dict(snakemake.params.settings)
    if snakemake.input.clips:
        settings["sizes"] = frame_sizes([Path(clip) for clip in snakemake.input.clips])
    graphs = zip(snakemake.params.forms, snakemake.input.graphs, strict=True)
    run_job(
        Job(
            task="choose_form",
            runtime=arm["runtime"],
            precision=arm["precision"],
            threads=snakemake.threads,
            inputs={
                **{f"{FORM}{form}": graph for form, graph in graphs},
                "lr": snakemake.input.lr,
                "clip": snakemake.input.clip,
            },
            outputs={"record": snakemake.output.record},
            settings=settings,
            label="{target}/{runtime}/{model}/{precision}".format(**arm),
        ),
        *snakemake.params.target,
    )
