"""Write a video twice as wide and high, by an arm's engine."""

from pathlib import Path

from superres.device.tasks.engine import Engine
from superres.scripting import script_log
from superres.upscale.engine import Source, open_for
from superres.upscale.pipeline import UpscaleSettings, upscale_video
from superres.upscale.videos import frame_size

with script_log(snakemake.log[0]):
    arm, video = snakemake.params.arm, Path(snakemake.input.video)
    label = f"upscale {video}"
    engine = Engine(
        arm["runtime"],
        arm["precision"],
        snakemake.threads,
        snakemake.params.options,
        Path(snakemake.input.engine),
        Path(snakemake.input.engine_record),
    )
    # Bicubic has a form by name, but no graph.
    models = dict(zip(snakemake.params.forms, snakemake.input.models, strict=False))
    source = Source(models, snakemake.input.get("calibration") or None)
    with open_for(frame_size(video), engine, source, label) as session:
        upscale_video(
            session,
            video,
            Path(snakemake.output.video),
            UpscaleSettings(**snakemake.params.settings),
            label=label,
        )
