"""From a rule's files and settings to the job that a target runs."""

from collections.abc import Mapping
from typing import Any

from superres.device.job import Job, task_inputs


def job_of(
    task: str,
    cell: Mapping[str, str],
    *,
    inputs: Mapping[str, Any],
    outputs: Mapping[str, Any],
    settings: Mapping[str, Any],
    threads: int,
) -> Job:
    """Return the job of a task, named as its rule is.

    `cell` has what the rule's wildcards say: target, runtime, model and precision, as far as the task has them. Of
    `inputs` the job gets those that the task knows; one may be a path, or a list of at most one.
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
        label="/".join(cell[key] for key in ("target", "runtime", "model", "precision") if key in cell),
    )
