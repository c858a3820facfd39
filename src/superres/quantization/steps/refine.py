"""Take one step of a recipe: from an FP32 graph and its ranges to another graph and its ranges."""

import importlib
from dataclasses import replace
from pathlib import Path
from typing import cast

import onnx

from superres.device.base.hashes import sha256_file
from superres.device.base.outputs import Outputs
from superres.models.graphs.onnx_file import load_onnx
from superres.quantization.ranges.record import check_ranges, ranges_text, read_ranges
from superres.quantization.steps.base import State, Step, StepJob


def refine_onnx(
    onnx_path: Path, ranges_path: Path, step: str, job: StepJob, *, onnx_out: Path, ranges_out: Path
) -> None:
    """Write the graph and the ranges that a step, a module of `superres.quantization.steps`, makes of others.

    Both outputs appear together, and the step is written into the new record. The same inputs give the same
    bytes. Raises UserError if graph and ranges don't belong together, and where the step can't be taken.
    """
    module = cast(Step, importlib.import_module(f"superres.quantization.steps.{step}"))
    state = module.apply(State(load_onnx(onnx_path), read_ranges(ranges_path, onnx_path)), job)
    onnx.checker.check_model(state.graph, full_check=True)
    check_ranges(state.ranges, state.graph, ranges_out)
    taken = {"step": step, "settings": dict(job.settings), **state.facts}
    ranges = replace(state.ranges, steps=(*state.ranges.steps, taken))
    with Outputs({"onnx": str(onnx_out), "ranges": str(ranges_out)}) as outputs:
        outputs["onnx"].write_bytes(state.graph.SerializeToString(deterministic=True))
        digest = sha256_file(outputs["onnx"])
        outputs["ranges"].write_text(ranges_text(ranges, digest), encoding="utf-8")
