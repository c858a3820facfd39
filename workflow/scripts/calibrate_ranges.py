"""Measure a model's ranges by one calibration."""

from pathlib import Path

from superres.quantization.ranges import calibrate_ranges
from superres.scripting import script_log, threads_side_by_side
from superres.study.settings import calibration_settings

with script_log(snakemake.log[0]):
    calibrate_ranges(
        Path(snakemake.input.onnx),
        calibration_settings(**snakemake.params.calibration, frames=snakemake.input.frames),
        Path(snakemake.output.ranges),
        model=snakemake.wildcards.model,
        threads=threads_side_by_side(snakemake.threads),
    )
