"""Feed a model's FP32 graph with the images of its calibrations, and keep what their methods need."""

from pathlib import Path

from superres.quantization.ranges.calibration import images_of
from superres.quantization.ranges.observation import observe_activations
from superres.quantization.settings import Calibration
from superres.scripting import optional_path, script_job, threads_side_by_side

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    calibration = Calibration(name="observed", data=snakemake.params.observation["data"])
    observe_activations(
        Path(snakemake.input.onnx),
        images_of(calibration.data, optional_path(snakemake.input.frames)),
        Path(snakemake.output.observed),
        prefixes=snakemake.params.observation["prefixes"],
        model=snakemake.wildcards.model,
        threads=threads_side_by_side(snakemake.threads),
    )
