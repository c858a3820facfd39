"""Export a model as an FP32 ONNX file."""

from pathlib import Path

from superres.models.export import export_onnx
from superres.models.settings import NetworkSettings
from superres.scripting import script_job

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    export_onnx(
        snakemake.wildcards.model,
        Path(snakemake.input.weights),
        Path(snakemake.output.onnx),
        NetworkSettings(**snakemake.params.network),
    )
