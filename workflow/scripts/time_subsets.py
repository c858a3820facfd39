"""Time a model with each subset of its layers in float, all of them in turn."""

from pathlib import Path

from superres.device.machine.facts import usable_cpus
from superres.device.tasks.latency import Plan
from superres.quantization.layers.executor import Executor
from superres.quantization.layers.subsets import RecipeState, time_subsets
from superres.scripting import script_job

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    files = (Path(snakemake.input.onnx), Path(snakemake.input.ranges))
    time_subsets(
        RecipeState(snakemake.wildcards.model, snakemake.wildcards.recipe, *files),
        Path(snakemake.input.losses),
        Path(snakemake.input.frames[0]),
        Path(snakemake.output.times),
        executor=Executor(**snakemake.params.executor, threads=min(snakemake.threads, usable_cpus())),
        plan=Plan(**snakemake.params.latency),
    )
