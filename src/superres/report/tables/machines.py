"""The machines behind a study's figures, in words."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from superres.device.base.outputs import read_json

# Processor features that decide how fast a precision is.
TELLING = ("avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "asimddp", "i8mm")


def describe_machines(manifests: Sequence[Path]) -> str:
    """One clause a machine on which arms were timed, such as `AMD EPYC, 2 CPUs (avx512_vnni), 2 threads`.

    `manifests` are arms' manifests; those of arms that did not run count too.
    """
    machines = [read_json(path, ("latency",))["latency"] for path in manifests]
    return "; ".join(dict.fromkeys(_describe(latency) for latency in machines))


def _describe(latency: Mapping[str, Any]) -> str:
    machine = latency["machine"]
    features = (
        ", ".join(flag for flag in TELLING if flag in machine["flags"]) or "no INT8 or BF16 instructions"
    )
    count, threads = machine["usable_cpus"], latency["threads"]
    cpu = machine.get("module") or machine["cpu"] or machine["architecture"]
    return f"{cpu}, {_plural(count, 'CPU')} ({features}), {_plural(threads, 'thread')}"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
