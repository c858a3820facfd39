"""Adopt an ONNX file that others have quantised, with its nodes as they are."""

from pathlib import Path

from superres.models.adoption.adopt import adopt_as_is
from superres.scripting import script_job

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    adopt_as_is(
        Path(snakemake.input.onnx),
        Path(snakemake.input.adopted),
        Path(snakemake.output.onnx),
    )
