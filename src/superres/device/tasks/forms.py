"""The task `choose_form`: which of several graphs, the same network in other forms, is the fastest here?"""

import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any, Dict, List, Tuple

from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs, read_json
from superres.device.job import FORM, Job
from superres.device.machine.load import describe_load
from superres.device.runtimes import load_runtime
from superres.device.runtimes.base import Session
from superres.device.tasks.build import build_settings
from superres.device.tasks.engine import open_clip_frames, read_clip, runtime_settings
from superres.device.tasks.latency import Plan, measure_in_turn

MARGIN = 0.03
"""A form further down the list has to be faster by this share: what is equally fast is chosen the same way each time."""


def run(job: Job, outputs: Outputs) -> Dict[str, Any]:
    """Time the forms in turn; returns what the record says besides the common part.

    `form` is the one that was chosen, `median_ms` has the milliseconds of each. Forms are the job's inputs
    whose names begin with `form_`, in their order.
    """
    clip = read_clip(Path(job.inputs["clip"]))
    lr = open_clip_frames(Path(job.inputs["lr"]), clip.lr_shapes)
    forms = {name[len(FORM) :]: Path(path) for name, path in job.inputs.items() if name.startswith(FORM)}
    if not forms:
        raise UserError(f"job {job.task}: expected one form of a graph or more, found none")
    seconds = job.settings["seconds"]
    plan = Plan(
        warmup_seconds=seconds / 4,
        warmup_frames=5,
        warmup_tolerance=0.05,
        min_seconds=seconds,
        min_iterations=5,
        max_seconds=3 * seconds,
        block_seconds=0,
        ratio_tolerance=0,
        extended_seconds=0,
    )
    before = describe_load()
    with tempfile.TemporaryDirectory(prefix="superres-") as folder:
        sessions = [_open_form(job, path, Path(folder, name)) for name, path in forms.items()]
        rows = measure_in_turn(
            sessions, [lr[i] for i in range(min(len(lr), 8))], plan, f"choose_form {job.label}"
        )
    times = {name: median(row[k] for _, row in rows) for k, name in enumerate(forms)}
    return {
        "form": choose(list(times.items())),
        "median_ms": {name: round(ms, 3) for name, ms in times.items()},
        "rounds": len(rows),
        "load_before": before,
        "load_after": describe_load(),
    }


def write_empty(outputs: Outputs) -> Dict[str, Any]:
    """The part of the record of a precision that this machine can't run."""
    return {"form": None, "median_ms": {}}


def choose(times: List[Tuple[str, float]]) -> str:
    """The first form, in their order, that none of the others beats by more than the margin."""
    least = min(ms for _, ms in times)
    return next(name for name, ms in times if ms * (1 - MARGIN) <= least)


def chosen_form(record: Path, forms: List[str]) -> str:
    """The form that a record of `choose_form` names, the first of all where none could be run.

    Raises UserError if it is another file's or names another form.
    """
    form = read_json(record, ("form", "median_ms"))["form"]
    if form is None:
        return forms[0]
    if form not in forms:
        raise UserError(f"{record}: expected one of the forms {', '.join(forms)}, found {form}; choose again")
    return form


def _open_form(job: Job, path: Path, engine: Path) -> Session:
    if not path.is_file():
        raise UserError(f"{path}: expected a graph, found no file")
    runtime, settings = load_runtime(job.runtime), runtime_settings(job)
    facts = runtime.build(path, engine, build_settings(job))
    return runtime.open_engine(engine, replace(settings, facts=facts))
