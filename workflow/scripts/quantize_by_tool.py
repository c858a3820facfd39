"""Have another tool quantise an FP32 ONNX file."""

from pathlib import Path

from superres.quantization.tools.run import quantize_by_tool
from superres.scripting import script_log
from superres.study.settings import image_settings

with script_log(snakemake.log[0]):
    quantize_by_tool(
        Path(snakemake.input.onnx),
        snakemake.params.tool,
        snakemake.params.preset,
        image_settings(snakemake.params.data, frames=snakemake.input.frames),
        onnx_out=Path(snakemake.output.onnx),
        record_out=Path(snakemake.output.record),
    )
