"""Feed a model's FP32 graph with the images of its calibrations, and keep what their methods need."""

from pathlib import Path

from superres.quantization.ranges.observation import observe_activations
from superres.scripting import optional_path, script_log, threads_side_by_side
from superres.study.settings import image_settings

with script_log(snakemake.log[0]):
    observe_activations(
        Path(snakemake.input.onnx),
        image_settings(snakemake.params.images["data"], frames=optional_path(snakemake.input.frames)),
        Path(snakemake.output.observed),
        prefixes=snakemake.params.images["prefixes"],
        model=snakemake.wildcards.model,
        threads=threads_side_by_side(snakemake.threads),
    )
