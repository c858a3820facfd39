"""Compare the speeds of arms that a study has built, timed frame by frame in turn.

    .venv/bin/python benchmarks/compare_latency.py results/default \\
        local/openvino/{espcn_rgb,espcn_ycbcr}/int8-minmax

The first arm is the reference. Each round upscales one frame with every arm in random order: a busy machine
slows all equally. The ratio is the median of the rounds' ratios, with its quartiles.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import median, quantiles

import numpy as np

from superres.device.base.conventions import DEFAULT_SCALE
from superres.device.base.errors import UnsupportedError
from superres.device.base.outputs import read_json
from superres.device.frames.files import open_frames
from superres.device.machine.facts import usable_cpus
from superres.device.runtimes.base import Session, Size
from superres.device.tasks.engine import Engine
from superres.device.timing.timing import time_rounds

WARMUP_ROUNDS = 2


def open_arm(results: Path, arm: str, threads: int, sizes: Sequence[Size]) -> Session:
    """Open the engine of an arm, `target/runtime/model/precision`, for frames of some sizes."""
    folder = results / "arms" / arm
    record = read_json(folder / "engine.json", ("runtime", "precision", "settings"))
    options = record["settings"].get("options", {})
    files = (folder / "engine.bin", folder / "engine.json")
    try:
        session, _ = Engine(record["runtime"], record["precision"], threads, options, *files).open(sizes)
    except UnsupportedError as error:
        raise SystemExit(f"{folder}: expected an engine, found: not run: {error}") from error
    return session


def main() -> None:
    parser = argparse.ArgumentParser(description="Time arms of a study against the first of them.")
    parser.add_argument("results", type=Path, help="a study's folder, such as results/default")
    parser.add_argument("arms", nargs="+", help="target/runtime/model/precision, the reference first")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--clip", default="park")
    chosen = parser.parse_args()
    frames = open_frames(chosen.results / f"frames/{chosen.clip}.x{DEFAULT_SCALE}.npy")
    sessions = [open_arm(chosen.results, arm, usable_cpus(), frames.shapes) for arm in chosen.arms]
    time_rounds(sessions, frames, lambda done, _: done >= WARMUP_ROUNDS)
    times = np.array([row for _, row in time_rounds(sessions, frames, lambda done, _: done >= chosen.rounds)])
    print(f"{'arm':58} {'ms':>8} {'times as fast':>14} {'quartiles':>13}")
    for arm, column in zip(chosen.arms, times.T, strict=True):
        ratios = (times[:, 0] / column).tolist()
        low, _, high = quantiles(ratios, n=4)
        print(f"{arm:58} {median(column.tolist()):8.1f} {median(ratios):14.2f} {low:6.2f}-{high:.2f}")


if __name__ == "__main__":
    main()
