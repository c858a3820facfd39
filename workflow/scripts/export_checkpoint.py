"""Write the network of a checkpoint as an ONNX file."""

from pathlib import Path

from superres.models.adoption.checkpoint import export_checkpoint
from superres.scripting import script_job

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    export_checkpoint(
        Path(snakemake.input.checkpoint), Path(snakemake.output.onnx), Path(snakemake.output.record)
    )
