"""Turn what was observed of a model's activations into ranges, by one calibration."""

from pathlib import Path

from superres.quantization.ranges.calibrate import calibrate_ranges
from superres.quantization.settings import Calibration
from superres.scripting import optional_path, script_job

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    calibrate_ranges(
        Path(snakemake.input.onnx),
        Calibration(**snakemake.params.calibration),
        ranges_out=Path(snakemake.output.ranges),
        cache_out=Path(snakemake.output.cache),
        model=snakemake.wildcards.model,
        observed=optional_path(snakemake.input.observed),
        cache=optional_path(snakemake.input.replayed),
    )
