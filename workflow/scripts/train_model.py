"""Train a model."""

from pathlib import Path

from superres.models.settings import NetworkSettings, TrainingSettings
from superres.models.training.teacher import Teaching
from superres.models.training.train import train_model
from superres.scripting import script_job

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    settings = TrainingSettings(**snakemake.params.settings)
    teacher = None
    if settings.teacher is not None:
        network = NetworkSettings(**snakemake.params.teacher_network)
        teacher = Teaching(settings.teacher, Path(snakemake.input.teacher), network)
    train_model(
        model=snakemake.wildcards.model,
        settings=settings,
        network=NetworkSettings(**snakemake.params.network),
        teacher=teacher,
        training=Path(snakemake.input.training),
        validation=Path(snakemake.input.validation),
        weights_out=Path(snakemake.output.weights),
        record_out=Path(snakemake.output.record),
        log_out=Path(snakemake.output.curve),
        checkpoint=Path(snakemake.params.checkpoint),
    )
