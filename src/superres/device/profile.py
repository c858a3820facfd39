"""The task `profile_layers`: how long each layer of an engine takes, and which ONNX nodes it computes.

Layers are kept apart to be measured, so their times add up to more than a frame takes.
"""

from pathlib import Path
from typing import Any, Dict

import numpy as np

from superres.device.arm import open_arm, open_clip_frames, read_clip
from superres.device.job import Job
from superres.device.outputs import Outputs, write_csv

HEADER = ("run", "layer", "kind", "type", "nodes", "ms")


def run(job: Job, outputs: Outputs) -> Dict[str, Any]:
    """Measure the layers on the clip's first frame; returns what the record says besides the common part.

    Nodes are joined by spaces. Raises UnsupportedError for a runtime that doesn't tell.
    """
    clip = read_clip(Path(job.inputs["clip"]))
    lr = open_clip_frames(Path(job.inputs["lr"]), clip.lr_shapes)
    session, facts = open_arm(job)
    times = session.profile(np.array(lr[0]), int(job.settings["runs"]))
    write_csv(outputs["profile"], HEADER, [(*time[:4], " ".join(time.nodes), time.ms) for time in times])
    return {
        **facts,
        "clip": clip.name,
        "clip_sha256": clip.sha256,
        "layers": len({time.layer for time in times}),
    }


def write_empty(outputs: Outputs) -> Dict[str, Any]:
    """Write the outputs of an arm that this machine can't run; returns their part of the record."""
    write_csv(outputs["profile"], HEADER, [])
    return {"layers": 0}
