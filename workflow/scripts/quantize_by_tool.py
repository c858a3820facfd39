"""Have another tool quantise an FP32 ONNX file."""

from pathlib import Path

from superres.quantization.tools.run import quantize_by_tool
from superres.scripting import optional_path, script_log
from superres.study.settings import image_settings

with script_log(snakemake.log[0]):
    job = snakemake.params.job
    quantize_by_tool(
        Path(snakemake.input.onnx),
        job["tool"],
        job["preset"],
        image_settings(job["data"], frames=optional_path(snakemake.input.frames)),
        onnx_out=Path(snakemake.output.onnx),
        record_out=Path(snakemake.output.record),
    )
