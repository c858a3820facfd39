"""Write a larger video, by an arm's engine."""

from pathlib import Path

from superres.device.tasks.engine import Engine
from superres.scripting import script_job
from superres.upscale.pipeline import BuiltFrom, UpscaleSettings, open_for, upscale_video
from superres.upscale.videos import frame_size

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    arm, video = snakemake.params.arm, Path(snakemake.params.video)
    label = f"upscale {video}"
    engine = Engine(
        arm["runtime"],
        arm["precision"],
        snakemake.threads,
        snakemake.params.engine["options"],
        Path(snakemake.input.engine),
        Path(snakemake.input.engine_record),
    )
    model, calibration = snakemake.input.model, snakemake.input.calibration
    source = BuiltFrom(model[0] if model else None, calibration[0] if calibration else None)
    settings = UpscaleSettings(**snakemake.params.settings, scale=engine.settings.scale)
    size = frame_size(video, deinterlace=settings.deinterlace)
    with open_for(size, engine, source, label) as session:
        upscale_video(session, video, Path(snakemake.output.video), settings, label=label)
