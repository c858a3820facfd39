"""Measure what each part of each layer of a model loses, quantised alone and as the only one that isn't."""

from pathlib import Path

from superres.device.frames.psnr import PsnrProtocol
from superres.quantization.layers.executor import Executor
from superres.quantization.layers.sensitivity import ClipFiles, measure_sensitivity
from superres.scripting import script_job, threads_side_by_side

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    clips = zip(snakemake.input.hr, snakemake.input.lr, snakemake.input.index, strict=True)
    measure_sensitivity(
        Path(snakemake.input.fp32),
        Path(snakemake.input.onnx),
        Path(snakemake.input.ranges),
        [ClipFiles(*map(Path, files)) for files in clips],
        Path(snakemake.output.sensitivity),
        model=snakemake.wildcards.model,
        recipe=snakemake.wildcards.quantization,
        float_layers=snakemake.params.float_layers,
        executor=Executor(**snakemake.params.executor, threads=threads_side_by_side(snakemake.threads)),
        protocol=PsnrProtocol(**snakemake.params.quality),
        frames=snakemake.params.frames,
    )
