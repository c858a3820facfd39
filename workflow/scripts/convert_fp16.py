"""Write an FP32 ONNX file's network in FP16."""

from pathlib import Path

from superres.models.graphs.fp16 import convert_fp16
from superres.scripting import script_job

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    convert_fp16(Path(snakemake.input.onnx), Path(snakemake.output.onnx))
