"""The tasks of jobs, one module each.

A task's module has `INPUTS`, `OUTPUTS`, `SETTINGS`, `run` and `write_empty`
(see `Task`), and can be imported without numpy. To add one, write its module
here and add its line to `TASKS`.

worker.py    runs a job on this machine: the room's door
engine.py    what tasks share: the engine, the clip, the common part of a record
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Mapping, Protocol, cast

if TYPE_CHECKING:
    from superres.device.base.outputs import Outputs
    from superres.device.job import Job, Kind

TASKS: dict[str, str] = {
    "build_engine": "superres.device.tasks.build",
    "measure_quality": "superres.device.tasks.quality",
    "measure_latency": "superres.device.tasks.latency",
    "measure_roofline": "superres.device.tasks.roofline",
    "measure_profile": "superres.device.tasks.profile",
}


class Task(Protocol):
    """A task's module; names of inputs, outputs and settings in brackets are optional."""

    INPUTS: tuple[str, ...]
    OUTPUTS: tuple[str, ...]
    SETTINGS: Mapping[str, Kind]

    def run(self, job: Job, outputs: Outputs) -> dict[str, Any]:
        """Do the work and write the outputs; returns the task's part of the record."""
        ...

    def write_empty(self, outputs: Outputs) -> dict[str, Any]:
        """Write the outputs of an arm that this machine can't run; returns their part of the record."""
        ...


def load_task(name: str) -> Task:
    """Import a task by its name, one of `TASKS`."""
    return cast("Task", importlib.import_module(TASKS[name]))
