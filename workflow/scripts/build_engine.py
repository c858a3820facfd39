"""Build an arm's engine on its target."""

from dataclasses import asdict
from pathlib import Path

from superres.device.runtimes.tiled import tile_sizes
from superres.device.tasks.engine import frame_sizes
from superres.models.graphs.footprint import measure_footprint
from superres.scripting import script_job
from superres.targets.run import job_of, run

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    settings = dict(snakemake.params.settings)
    if snakemake.input.graph:
        settings["footprint"] = asdict(measure_footprint(Path(snakemake.input.graph[0])))
    clips, known = [Path(clip) for clip in snakemake.input.clips], snakemake.params.known_sizes
    if clips or known:
        settings["sizes"] = tile_sizes(
            frame_sizes(clips, known, scale=settings["options"]["scale"]), settings["footprint"]
        )
    job = job_of(
        "build_engine",
        snakemake.wildcards,
        inputs=snakemake.input,
        outputs=snakemake.output,
        settings=settings,
        threads=snakemake.threads,
    )
    run(job, *snakemake.params.device)
