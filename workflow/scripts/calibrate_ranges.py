"""Turn what was observed of a model's activations into ranges, by one calibration."""

from pathlib import Path

from superres.quantization.ranges.calibrate import calibrate_ranges
from superres.scripting import optional_path, script_log
from superres.study.settings import calibration_settings

with script_log(snakemake.log[0]):
    calibrate_ranges(
        Path(snakemake.input.onnx),
        calibration_settings(**snakemake.params.calibration),
        ranges_out=Path(snakemake.output.ranges),
        cache_out=Path(snakemake.output.cache),
        model=snakemake.wildcards.model,
        observed=optional_path(snakemake.input.observed),
        cache=optional_path(snakemake.input.replayed),
    )
