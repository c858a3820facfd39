"""Adopt an ONNX file of others as a model of the study."""

from pathlib import Path

from superres.models.adoption.adopt import adopt_onnx
from superres.models.adoption.statements import Adoption
from superres.scripting import script_job

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    adopt_onnx(
        Path(snakemake.input.onnx),
        Path(snakemake.output.onnx),
        Path(snakemake.output.record),
        Adoption(**snakemake.params.stated),
        named=snakemake.params.named,
    )
