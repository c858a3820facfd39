"""The task `measure_profile`: each operation's time, type and ONNX nodes.

Profiling separates operations, which makes their sum longer than a frame takes.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from superres.device.base.outputs import Outputs, write_csv
from superres.device.frames.files import read_frame
from superres.device.job import MAPPING, NUMBER, Job
from superres.device.runtimes.base import LayerTime
from superres.device.tasks.engine import open_arm, open_clip_frames, read_clip, runtime_settings

INPUTS = ("engine", "engine_record", "lr", "clip")
OUTPUTS = ("profile", "record")
SETTINGS = {"runs": NUMBER, "[options]": MAPPING}

HEADER = LayerTime._fields


def run(job: Job, outputs: Outputs) -> dict[str, Any]:
    """Measure the layers on the clip's first frame; returns the task's part of the record.

    Names of nodes are joined by spaces, sizes by `x`; unknown multiply-adds are empty.
    Raises UnsupportedError for a runtime without profiles.
    """
    clip = read_clip(Path(job.inputs["clip"]))
    lr = open_clip_frames(Path(job.inputs["lr"]), clip.lr_shapes(runtime_settings(job).scale))
    session, facts = open_arm(job, lr.shapes[:1])
    times = session.profile(read_frame(lr, 0), int(job.settings["runs"]))
    write_csv(outputs["profile"], HEADER, [_text(time) for time in times])
    return {
        **facts,
        "clip": clip.name,
        "clip_sha256": clip.sha256,
        # Of a frame in tiles, one tile is measured.
        "pixels": math.prod(session.facts().get("tile", lr.shapes[0])),
        "layers": len({time.layer for time in times}),
    }


def _text(time: LayerTime) -> tuple[Any, ...]:
    columns = {**time._asdict(), "shape": "x".join(map(str, time.shape)), "nodes": " ".join(time.nodes)}
    return tuple(columns[name] for name in HEADER)


def write_empty(outputs: Outputs) -> dict[str, Any]:
    """Write the outputs of an arm that this machine can't run; returns their part of the record."""
    write_csv(outputs["profile"], HEADER, [])
    return {"layers": 0}
