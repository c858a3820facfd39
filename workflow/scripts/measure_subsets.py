"""Measure what a model loses with each subset of its layers in float."""

from pathlib import Path

from superres.device.frames.psnr import PsnrProtocol
from superres.quantization.layers.executor import Executor
from superres.quantization.layers.subsets import RecipeState, measure_subsets
from superres.quantization.ranges.calibration import FrameFile
from superres.scripting import script_job, threads_side_by_side

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    files = (Path(snakemake.input.onnx), Path(snakemake.input.ranges))
    measure_subsets(
        RecipeState(snakemake.wildcards.model, snakemake.wildcards.recipe, *files),
        Path(snakemake.input.fp32),
        FrameFile(Path(snakemake.input.frames[0]), snakemake.params.images),
        Path(snakemake.output.losses),
        executor=Executor(**snakemake.params.executor, threads=threads_side_by_side(snakemake.threads)),
        downsampling=snakemake.params.downsampling,
        protocol=PsnrProtocol(**snakemake.params.quality),
    )
