"""Have another tool quantise an FP32 ONNX file."""

from pathlib import Path

from superres.quantization.ranges.calibration import images_of
from superres.quantization.settings import Calibration
from superres.quantization.tools.run import quantize_by_tool
from superres.scripting import optional_path, script_job

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    calibration = Calibration(**snakemake.params.calibration)
    quantize_by_tool(
        Path(snakemake.input.onnx),
        calibration.tool,
        calibration.preset,
        images_of(calibration.data, optional_path(snakemake.input.frames)),
        onnx_out=Path(snakemake.output.onnx),
        record_out=Path(snakemake.output.record),
    )
