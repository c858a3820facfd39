"""Write a video twice as wide and high, by an arm's engine."""

from pathlib import Path

from superres.device.arm import open_engine
from superres.device.machine import usable_cpus
from superres.device.runtimes.base import Settings
from superres.scripting import script_log
from superres.upscale.pipeline import UpscaleSettings, upscale_video

with script_log(snakemake.log[0]):
    arm = snakemake.params.arm
    threads = min(snakemake.threads, usable_cpus())
    session, _ = open_engine(
        Path(snakemake.input.engine),
        Path(snakemake.input.engine_record),
        arm["runtime"],
        Settings(arm["precision"], threads, snakemake.params.options),
    )
    upscale_video(
        session,
        Path(snakemake.input.video),
        Path(snakemake.output.video),
        UpscaleSettings(**snakemake.params.settings),
        label=f"upscale {snakemake.input.video}",
    )
