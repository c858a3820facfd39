"""Measure frames per second from a video to HR and LR frame files by kind and threads, and each step.

    .venv/bin/python benchmarks/prepare_video.py --folder /a/fast/disk --threads 1 2 --rounds 3

Writes a synthetic 1080p video of --frames frames as y4m (3.1 MB a frame) and as H.264, and frame files
(7.8 MB a frame) into the folder, and deletes them. H.264 is decoded by FFmpeg's threads beside. The second
table times each step for one frame on one thread.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np

from superres.data.clips import downsample_clip, prepare_clip
from superres.data.resampling import downsample
from superres.data.sources.reading import picture_digest
from superres.data.sources.source import Source
from superres.data.sources.video import Video
from superres.data.sources.y4m import Y4m
from superres.data.video.y4m import read_header, read_planes
from superres.data.video.yuv import yuv_to_rgb
from superres.device.frames.files import FrameWriter

WIDTH, HEIGHT = 1920, 1080


def write_video(path: Path, frames: int) -> None:
    """Write a video of a smooth moving texture."""
    rng = np.random.default_rng(0)
    texture = cv2.resize(
        rng.integers(16, 236, (300, 520), np.uint8), (2400, 1400), interpolation=cv2.INTER_CUBIC
    )
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F50:1 Ip A1:1\n".encode())
        for k in range(frames):
            x, y = 2 * k % 400, k % 300
            luma = texture[y : y + HEIGHT, x : x + WIDTH]
            chroma = [texture[y + c : y + c + HEIGHT // 2, x : x + WIDTH // 2] for c in (10, 90)]
            file.write(
                b"FRAME\n" + b"".join(np.ascontiguousarray(plane).tobytes() for plane in (luma, *chroma))
            )


def encode(y4m: Path, path: Path) -> None:
    """Encode a y4m file as H.264 at 20 Mbit/s."""
    with av.open(str(y4m)) as source, av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=50, options={"preset": "veryfast"})
        stream.bit_rate = 20_000_000
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for frame in source.decode(video=0):
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def time_clip(folder: Path, path: Path, threads: int) -> tuple[float, float]:
    """Return seconds of wall clock and of CPU time."""
    source = Source((Y4m if path.suffix == ".y4m" else Video)(path=str(path)))
    hr, index = folder / "c.hr.npy", folder / "c.json"
    twin = {"lr": folder / "c.x2.npy", "lr_index": folder / "c.x2.json"}
    clock, processors = time.perf_counter(), time.process_time()
    prepare_clip("c", [source], wheels=folder, threads=threads, hr=hr, index=index)
    downsample_clip(hr, index, "bicubic", 2, threads=threads, **twin)
    taken = time.perf_counter() - clock, time.process_time() - processors
    for made in (hr, index, *twin.values()):
        made.unlink()
    return taken


def step_times(folder: Path, path: Path) -> dict[str, float]:
    """Return milliseconds per frame of each step on one thread."""
    cv2.setNumThreads(1)
    header = read_header(path)
    planes = read_planes(path, header, 0)
    frame = yuv_to_rgb(planes, "bt709", True, "left")
    twin = downsample(frame, "bicubic", 2)
    shape = (frame.shape[0], frame.shape[1])
    with FrameWriter(folder / "steps.npy", [shape] * 8) as high:
        places, decoded = iter(range(10**9)), decode_forever(path.with_suffix(".mp4"))
        steps: dict[str, Callable[[], object]] = {
            "read planes": lambda: [
                plane.copy() for plane in read_planes(path, header, next(places) % header.frames)
            ],
            "decode H.264": lambda: next(decoded),
            "YUV to RGB": lambda: yuv_to_rgb(planes, "bt709", True, "left"),
            "downsample": lambda: downsample(frame, "bicubic", 2),
            "hash HR and LR": lambda: (picture_digest(frame), picture_digest(twin)),
            "write HR": lambda: high.__setitem__(next(places) % 8, frame),
        }
        times = {name: median_ms(step) for name, step in steps.items()}
        for k in range(8):
            high[k] = frame
    (folder / "steps.npy").unlink()
    return times


def decode_forever(path: Path) -> Iterator[av.VideoFrame]:
    """Yield frames of a video again and again, decoded on one thread."""
    while True:
        with av.open(str(path)) as container:
            container.streams.video[0].thread_type = "NONE"
            yield from container.decode(video=0)


def median_ms(step: Callable[[], object]) -> float:
    taken = []
    for _ in range(15):
        started = time.perf_counter()
        step()
        taken.append((time.perf_counter() - started) * 1000)
    return statistics.median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as place:
        folder = Path(place)
        write_video(folder / "a.y4m", arguments.frames)
        encode(folder / "a.y4m", folder / "a.mp4")
        runs = [(name, threads) for name in ("a.y4m", "a.mp4") for threads in arguments.threads]
        taken: dict[tuple[str, int], list[tuple[float, float]]] = {run: [] for run in runs}
        for _ in range(arguments.rounds):
            for name, threads in runs:
                taken[name, threads].append(time_clip(folder, folder / name, threads))
        print(f"{'file':>6} {'threads':>7} {'frames/s':>9} {'best':>6} {'CPU ms per frame':>17}")
        for (name, threads), pairs in taken.items():
            rates = [arguments.frames / clock for clock, _ in pairs]
            busy = statistics.median(processors for _, processors in pairs) / arguments.frames * 1000
            print(f"{name:>6} {threads:>7} {statistics.median(rates):>9.1f} {max(rates):>6.1f} {busy:>17.1f}")
        for step, milliseconds in step_times(folder, folder / "a.y4m").items():
            print(f"{step:>16}: {milliseconds:5.1f} ms")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
