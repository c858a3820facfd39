"""Write a video twice as wide and high, by an arm's engine."""

from pathlib import Path

from superres.device.arm import Engine
from superres.device.outputs import read_json
from superres.scripting import script_log
from superres.upscale.engine import Source, open_for
from superres.upscale.pipeline import UpscaleSettings, upscale_video
from superres.upscale.videos import frame_size

with script_log(snakemake.log[0]):
    arm, forms = snakemake.params.arm, snakemake.params.forms
    video, record = Path(snakemake.input.video), Path(snakemake.input.engine_record)
    label = f"upscale {video}"
    engine = Engine(
        arm["runtime"],
        arm["precision"],
        snakemake.threads,
        snakemake.params.options,
        Path(snakemake.input.engine),
        record,
    )
    form = read_json(record, ("settings",))["settings"].get("form", forms[0])
    models = snakemake.input.models
    source = Source(models[forms.index(form)] if models else None, snakemake.input.get("calibration") or None)
    with open_for(frame_size(video), engine, source, label) as session:
        upscale_video(
            session,
            video,
            Path(snakemake.output.video),
            UpscaleSettings(**snakemake.params.settings),
            label=label,
        )
