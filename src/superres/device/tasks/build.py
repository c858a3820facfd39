"""The task `build_engine`: make a runtime's engine from a model, for this machine."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict

from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs, sha256_file
from superres.device.job import MAPPING, TEXT, Job
from superres.device.runtimes import load_runtime
from superres.device.runtimes.base import Settings
from superres.device.tasks.engine import runtime_settings

INPUTS = ("[model]", "[calibration]")
OUTPUTS = ("engine", "record")
SETTINGS = {
    "[options]": MAPPING,
    "[sizes]": MAPPING,
    "[calibration]": MAPPING,
    "[form]": TEXT,
    "[footprint]": MAPPING,
}


def run(job: Job, outputs: Outputs) -> Dict[str, Any]:
    """Build the engine; returns the task's part of the record."""
    model = Path(job.inputs["model"]) if "model" in job.inputs else None
    if model is not None and not model.is_file():
        raise UserError(f"{model}: expected a model, found no file")
    runtime = load_runtime(job.runtime)
    started = time.perf_counter()
    facts = runtime.build(model, outputs["engine"], build_settings(job))
    return {
        "build_seconds": round(time.perf_counter() - started, 3),
        "model_sha256": sha256_file(model) if model else None,
        "engine_sha256": sha256_file(outputs["engine"]),
        "engine_bytes": outputs["engine"].stat().st_size,
        "facts": facts,
    }


def build_settings(job: Job) -> Settings:
    """Return the runtime's settings with those of a build: frame sizes and the calibration."""
    settings = runtime_settings(job)
    options = dict(settings.options)
    if "sizes" in job.settings:
        options["sizes"] = job.settings["sizes"]
    if "calibration" in job.settings:
        options["calibration"] = {**job.settings["calibration"], "frames": job.inputs.get("calibration")}
    return replace(settings, options=options)


def write_empty(outputs: Outputs) -> Dict[str, Any]:
    """Write the outputs of an arm that this machine can't run; returns their part of the record."""
    outputs["engine"].write_bytes(b"")
    return {"model_sha256": None, "engine_sha256": None, "engine_bytes": 0, "facts": {}}
