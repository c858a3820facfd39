"""Build an arm's engine on its target."""

from pathlib import Path

from superres.device.tasks.engine import frame_sizes
from superres.scripting import script_log
from superres.targets.run import job_of, run

with script_log(snakemake.log[0]):
    settings = dict(snakemake.params.settings)
    clips, known = [Path(clip) for clip in snakemake.input.clips], snakemake.params.known_sizes
    if clips or known:
        settings["sizes"] = frame_sizes(clips, known)
    job = job_of(
        "build_engine",
        snakemake.wildcards,
        inputs=snakemake.input,
        outputs=snakemake.output,
        settings=settings,
        threads=snakemake.threads,
    )
    run(job, *snakemake.params.target)
