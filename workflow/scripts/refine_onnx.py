"""Take one step of a recipe for INT8: to another FP32 graph and its ranges."""

from pathlib import Path

from superres.quantization.state import StepJob, refine_onnx
from superres.scripting import optional_path, script_job, threads_side_by_side

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    job = StepJob.of(
        snakemake.wildcards.model,
        snakemake.wildcards.step,
        **snakemake.params.job,
        frames=optional_path(snakemake.input.frames),
        measured=optional_path(snakemake.input.measured),
        threads=threads_side_by_side(snakemake.threads),
    )
    refine_onnx(
        Path(snakemake.input.onnx),
        Path(snakemake.input.ranges),
        snakemake.wildcards.step,
        job,
        onnx_out=Path(snakemake.output.onnx),
        ranges_out=Path(snakemake.output.ranges),
    )
