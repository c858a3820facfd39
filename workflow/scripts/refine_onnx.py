"""Take one step of a recipe for INT8: to another FP32 graph and its ranges."""

from pathlib import Path

from superres.quantization.steps.base import refine_onnx
from superres.scripting import script_log, threads_side_by_side
from superres.study.settings import step_job

with script_log(snakemake.log[0]):
    refine_onnx(
        Path(snakemake.input.onnx),
        Path(snakemake.input.ranges),
        snakemake.wildcards.step,
        step_job(
            snakemake.wildcards.model,
            snakemake.wildcards.step,
            **snakemake.params.job,
            frames=snakemake.input.frames,
            measured=snakemake.input.measured,
            threads=threads_side_by_side(snakemake.threads),
        ),
        onnx_out=Path(snakemake.output.onnx),
        ranges_out=Path(snakemake.output.ranges),
    )
