"""Train a model."""

from pathlib import Path

from superres.models.training.train import TrainingSettings, train_model
from superres.scripting import script_job

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    train_model(
        model=snakemake.wildcards.model,
        settings=TrainingSettings(**snakemake.params.settings),
        training=Path(snakemake.input.training),
        validation=Path(snakemake.input.validation),
        weights_out=Path(snakemake.output.weights),
        record_out=Path(snakemake.output.record),
        log_out=Path(snakemake.output.curve),
        checkpoint=Path(snakemake.params.checkpoint),
    )
