"""Compare the throughput of a whole video with that of the engine alone.

    .venv/bin/python benchmarks/upscale_video.py results/default openvino espcn_anchor int8-entropy

The engine alone upscales frames in memory, before and after the video. All runs use all CPUs.
"""

import argparse
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from superres.device.base.conventions import DEFAULT_SCALE
from superres.device.base.outputs import read_json
from superres.device.frames.files import open_frames
from superres.device.machine.facts import usable_cpus
from superres.device.runtimes.base import Session, Settings
from superres.device.tasks.engine import open_engine
from superres.upscale.pipeline import UpscaleSettings, upscale_video

RATE = 25


def frames_per_second(session: Session, frames: list[np.ndarray], count: int) -> float:
    """Return frames per second of the engine alone."""
    started = time.perf_counter()
    for i in range(count):
        session.run(frames[i % len(frames)])
    return count / (time.perf_counter() - started)


def write_y4m(path: Path, frames: list[np.ndarray], count: int) -> None:
    """Write the frames in a loop, as 4:2:0 video."""
    with av.open(str(path), "w", format="yuv4mpegpipe") as container:
        stream = container.add_stream("rawvideo", rate=RATE)
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], "yuv420p"
        for i in range(count):
            frame = av.VideoFrame.from_ndarray(frames[i % len(frames)], format="rgb24").reformat(
                format="yuv420p"
            )
            frame.pts, frame.time_base = i, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def main() -> None:
    parser = argparse.ArgumentParser(description="Time an arm on a whole video, against its engine alone.")
    parser.add_argument("results", type=Path, help="a study's folder, such as results/default")
    parser.add_argument("arm", nargs=3, metavar="PART", help="runtime, model and precision of the arm")
    parser.add_argument("--clip", default="park")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--kind", choices=("y4m", "mkv", "mp4"), default="y4m", help="format of the output")
    chosen = parser.parse_args()
    runtime, model, precision = chosen.arm
    arm = chosen.results / "arms/local" / runtime / model / precision
    options = read_json(arm / "engine.json", ("settings",))["settings"].get("options", {})
    settings = Settings(precision, usable_cpus(), options)
    stored = open_frames(chosen.results / f"frames/{chosen.clip}.x{DEFAULT_SCALE}.npy")
    files = (arm / "engine.bin", arm / "engine.json")
    session, _ = open_engine(*files, runtime, settings, stored.shapes)
    frames = [np.array(stored[i]) for i in range(min(len(stored), 24))]
    frames_per_second(session, frames, 5)
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "in.y4m"), Path(folder, f"out.{chosen.kind}")
        write_y4m(source, frames, chosen.frames)
        before = frames_per_second(session, frames, chosen.frames // 2)
        started = time.perf_counter()
        upscale_video(session, source, out, UpscaleSettings(), "video")
        video = chosen.frames / (time.perf_counter() - started)
        after = frames_per_second(session, frames, chosen.frames // 2)
    alone = 2 / (1 / before + 1 / after)
    print(f"engine alone {alone:.2f} frames/s, y4m to {chosen.kind} {video:.2f}: {100 * video / alone:.0f} %")


if __name__ == "__main__":
    main()
