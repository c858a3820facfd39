"""Export a model as a PyTorch program."""

from pathlib import Path

from superres.models.export import export_program
from superres.models.settings import NetworkSettings
from superres.scripting import script_job

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    export_program(
        snakemake.wildcards.model,
        Path(snakemake.input.weights),
        Path(snakemake.output.program),
        NetworkSettings(**snakemake.params.network),
    )
