"""Train a model."""

from pathlib import Path

from superres.models.settings import NetworkSettings, TrainingSettings
from superres.models.training.train import train_model
from superres.scripting import script_log

with script_log(snakemake.log[0]):
    train_model(
        model=snakemake.wildcards.model,
        settings=TrainingSettings(**snakemake.params.settings),
        network=NetworkSettings(**snakemake.params.network),
        training=Path(snakemake.input.training),
        validation=Path(snakemake.input.validation),
        weights_out=Path(snakemake.output.weights),
        record_out=Path(snakemake.output.record),
        log_out=Path(snakemake.output.curve),
        checkpoint=Path(snakemake.params.checkpoint),
    )
