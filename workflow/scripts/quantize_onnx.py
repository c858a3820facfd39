"""Turn an FP32 ONNX file and its ranges into a Q/DQ graph."""

from pathlib import Path

from superres.quantization.qdq import quantize_onnx
from superres.scripting import script_job

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    quantize_onnx(
        Path(snakemake.input.onnx),
        Path(snakemake.input.ranges),
        Path(snakemake.output.onnx),
        record=Path(snakemake.output.record),
        float_layers=snakemake.params.float_layers,
    )
