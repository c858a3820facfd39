"""The door of the room: make a job of a rule's files and settings, and run it on its target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from superres.device.job import Job, task_inputs
from superres.targets import local

if TYPE_CHECKING:
    from superres.targets.settings import Device


def job_of(
    task: str,
    cell: Mapping[str, str],
    *,
    inputs: Mapping[str, Any],
    outputs: Mapping[str, Any],
    settings: Mapping[str, Any],
    threads: int,
) -> Job:
    """Return the job of a task, which has its rule's name.

    `cell` has the rule's wildcards: target, runtime, model and precision, as far as the task has them. The
    job gets those `inputs` that its task knows; each is a path, or a list of at most one.
    """
    given = {name: files for name in task_inputs(task) if (files := inputs.get(name))}
    return Job(
        task=task,
        runtime=cell.get("runtime", ""),
        precision=cell.get("precision", ""),
        threads=threads,
        inputs={name: files if isinstance(files, str) else files[0] for name, files in given.items()},
        outputs={name: str(path) for name, path in outputs.items()},
        settings=dict(settings),
        # Not `key in cell`: Snakemake's wildcards are a list of values, which `in` looks through.
        label="/".join(
            value for key in ("target", "runtime", "model", "precision") if (value := cell.get(key))
        ),
    )


def run(job: Job, device: Device | None = None) -> None:
    """Run a job here or on a device, and wait for its outputs. The worker's lines go to stderr.

    Raises UserError for a user's mistake and for a device that can't be used, RuntimeError for a worker that
    broke.
    """
    if device is None:
        local.run_here(job)
        return
    # Not for jobs of this machine: pydantic takes longer to import than all else of them.
    from superres.targets.remote.errand import run_on_device

    run_on_device(job, device)
