"""What the jobs of each rule need of a machine that a scheduler shares out: memory and time.

Memory is at least 1.5 times the peak in studies on two cores, by Snakemake's benchmarks and the records of
timed jobs: refine_onnx 2,960 MB, measure_quality 1,230, observe_activations 1,220, measure_latency 1,070,
prepare_clip 420, build_engine 300. Those of layers, tools and training are estimates. Times are wide, because
a job over its limit is lost. The second attempt asks for twice of both. A local run takes no notice.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Resource = Callable[[Any, int], int]


@dataclass(frozen=True)
class Need:
    """Memory in MB, time in minutes, and whether a job is timed, so that nothing else may run beside it."""

    mem_mb: int
    minutes: int
    alone: bool = False


SMALL = Need(mem_mb=1_000, minutes=10)
"""Reads and writes small files: graphs, records, tables."""

NEEDS = {
    "prepare_clip": Need(mem_mb=1_000, minutes=120),
    "downsample_clip": Need(mem_mb=1_000, minutes=60),
    "prepare_calibration_set": Need(mem_mb=1_000, minutes=60),
    "train_model": Need(mem_mb=4_000, minutes=1_440),
    "export_checkpoint": Need(mem_mb=4_000, minutes=60),
    "observe_activations": Need(mem_mb=2_000, minutes=120),
    "refine_onnx": Need(mem_mb=5_000, minutes=240),
    "quantize_by_tool": Need(mem_mb=5_000, minutes=240),
    "build_engine": Need(mem_mb=2_000, minutes=60),
    "measure_quality": Need(mem_mb=2_000, minutes=120),
    "measure_latency": Need(mem_mb=2_000, minutes=60, alone=True),
    "measure_roofline": Need(mem_mb=2_000, minutes=30, alone=True),
    "measure_profile": Need(mem_mb=2_000, minutes=60, alone=True),
    "measure_sensitivity": Need(mem_mb=4_000, minutes=480),
    "measure_subsets": Need(mem_mb=4_000, minutes=480),
    "time_subsets": Need(mem_mb=4_000, minutes=240, alone=True),
    "upscale_video": Need(mem_mb=4_000, minutes=720),
}
"""The needs of rules whose jobs compute; those of all others are SMALL."""


def needs(rule: str, *, again: bool = True) -> dict[str, Resource | int | str]:
    """Return the resources `mem_mb` and `runtime` (minutes) of a rule.

    Both grow with Snakemake's attempt if jobs may be tried `again`, as on a cluster. Else they are numbers:
    calling functions for each job takes a tenth of a dry run. A timed job's `slurm_extra` asks Slurm for a
    whole node. It isn't in Slurm's profile, where any `--set-resources` of the user's would take it away
    silently.
    """
    need = NEEDS.get(rule, SMALL)
    found: dict[str, Resource | int | str] = {"mem_mb": need.mem_mb, "runtime": need.minutes}
    if again:
        found = {
            "mem_mb": lambda wildcards, attempt: attempt * need.mem_mb,
            "runtime": lambda wildcards, attempt: attempt * need.minutes,
        }
    return {**found, "slurm_extra": "--exclusive"} if need.alone else found
