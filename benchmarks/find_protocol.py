"""Find the unstated settings of a published PSNR of bicubic upsampling.

    .venv/bin/python benchmarks/find_protocol.py crowd_run_1080p50.y4m
    .venv/bin/python benchmarks/find_protocol.py clip.y4m --psnr 28.9282 --psnr-y 29.4030 --stride 25

Measures every combination of downsampling kernel, bicubic kernel, colour matrix, range and average in one
pass over a y4m file, and prints the closest first. The defaults are the figures of the paper's Table 1 and
all known settings. `--stride 25` reads every 25th frame, which takes seconds. No frame file is written.
"""

import argparse
import csv
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from superres.data.clips import frame_threads
from superres.data.resampling import KERNELS, downsample, keys_cubic, reduce_by_filter
from superres.data.sources.reading import FrameReader
from superres.data.sources.registry import open_source
from superres.data.sources.source import FrameRange, Source
from superres.data.sources.y4m import Y4m
from superres.device.base.errors import UserError
from superres.device.base.progress import Progress
from superres.device.frames.pixels import enlarge_bicubic
from superres.device.frames.psnr import LUMAS, PsnrProtocol, psnr
from superres.device.tasks.quality import compare_frame

# The kernel of FFmpeg's swscale: a is -0.6, 8 taps, antialiased.
SWSCALE = np.array([keys_cubic((i - 3.5) / 2, -0.6) for i in range(8)])
# Libraries' own 8-bit kernels. At half the size, OpenCV's INTER_LINEAR equals its INTER_AREA.
OPENCV = {"opencv-area": cv2.INTER_AREA, "opencv-cubic": cv2.INTER_CUBIC}
PILLOW = {"pillow-bicubic": Image.Resampling.BICUBIC, "pillow-lanczos": Image.Resampling.LANCZOS}
DOWNSAMPLING = (*KERNELS, "bicubic-swscale", *OPENCV, *PILLOW)
UPSAMPLING = ("opencv", "matlab")
MATRICES, RANGES = ("bt601", "bt709"), ("limited", "full")
# Averages over frames: the mean of their PSNRs, or the PSNR of their mean squared error.
AVERAGES = {"frames": "mean of the frames' PSNRs", "error": "PSNR of the mean error"}

# Published figures have four decimals.
_SAME_DB = 0.0001
_ROWS = 15


@dataclass(frozen=True)
class Published:
    """The published figures, in dB."""

    psnr_db: float
    psnr_y_db: float


@dataclass(frozen=True)
class Combination:
    """Settings that a publication may not state; `average` is one of AVERAGES."""

    downsampling: str
    upsampling: str
    matrix: str
    range: str
    average: str


@dataclass(frozen=True)
class Candidates:
    """Settings that may have been used for a figure."""

    matrices: Sequence[str] = MATRICES
    ranges: Sequence[str] = RANGES
    downsampling: Sequence[str] = DOWNSAMPLING
    upsampling: Sequence[str] = UPSAMPLING

    def combinations(self, average: str) -> list[Combination]:
        """Return all combinations, in the order of the measured errors."""
        settings = product(self.matrices, self.ranges, self.downsampling, self.upsampling)
        return [Combination(down, up, matrix, span, average) for matrix, span, down, up in settings]


@dataclass(frozen=True)
class Measured:
    """The figures of a combination."""

    combination: Combination
    psnr_db: float
    psnr_y_db: float


@dataclass(frozen=True)
class Ranked:
    """A combination and its distance; `distance_db` is the larger of both absolute differences."""

    measured: Measured
    off_db: float
    off_y_db: float
    distance_db: float

    @property
    def words(self) -> str:
        """The settings in one line."""
        settings = self.measured.combination
        return (
            f"{settings.downsampling} downsampling, {settings.upsampling} upsampling, {settings.matrix}, "
            f"{settings.range} range, {AVERAGES[settings.average]}"
        )


def halve(frame: np.ndarray, kernel: str) -> np.ndarray:
    """Downsample a frame (uint8 H x W x 3) by two with one of DOWNSAMPLING, to 8 bits.

    The kernels of libraries round as the libraries do. `opencv-cubic` has a = -0.75 and no antialiasing.
    """
    half = (frame.shape[1] // 2, frame.shape[0] // 2)
    if kernel in OPENCV:
        return cv2.resize(frame, half, interpolation=OPENCV[kernel])
    if kernel in PILLOW:
        return np.asarray(Image.fromarray(frame).resize(half, PILLOW[kernel]))
    if kernel == "bicubic-swscale":
        taps = SWSCALE / SWSCALE.sum()
        return np.clip(np.rint(reduce_by_filter(frame, taps, 2)), 0, 255).astype(np.uint8)
    return downsample(frame, kernel, 2)


def double(frame: np.ndarray, kernel: str) -> np.ndarray:
    """Upsample a frame by two with one of UPSAMPLING, as the runtime `opencv` does."""
    if kernel == "matlab":
        return enlarge_bicubic(frame, 2)
    height, width = frame.shape[:2]
    return cv2.resize(frame, (2 * width, 2 * height), interpolation=cv2.INTER_CUBIC)


def measure_candidates(
    video: Path, candidates: Candidates, protocol: PsnrProtocol, *, stride: int = 1, threads: int = 1
) -> list[Measured]:
    """Measure PSNR and PSNR of luma of every combination, over every `stride`-th frame of a y4m file.

    Each frame is read once for each matrix and range, then goes through all kernels. Raises UserError for an
    unreadable file, and if the protocol's border leaves nothing of a frame.
    """
    settings = product(candidates.matrices, candidates.ranges)
    readers = [_open_as(video, matrix, span, stride) for matrix, span in settings]
    count = len(readers[0])
    errors = np.empty((count, len(candidates.combinations("frames")), 2))
    with frame_threads(threads) as pool, Progress("find_protocol", total=count) as progress:
        made = pool.map(lambda i: _frame_errors(readers, i, candidates, protocol), range(count))
        for i, found in enumerate(made):
            errors[i] = found
            progress.update()
    psnrs = np.vectorize(psnr)
    figures = {"frames": psnrs(errors).mean(axis=0), "error": psnrs(errors.mean(axis=0))}
    return [
        Measured(combination, float(rgb), float(luma))
        for average in AVERAGES
        for combination, (rgb, luma) in zip(candidates.combinations(average), figures[average], strict=True)
    ]


def _open_as(video: Path, matrix: str, span: str, stride: int) -> FrameReader:
    keys = {"path": str(video), "matrix": matrix, "range": span, "frames": FrameRange(stride=stride)}
    return open_source(Source(Y4m.model_validate(keys)), Path())


def _frame_errors(
    readers: Sequence[FrameReader], index: int, candidates: Candidates, protocol: PsnrProtocol
) -> list[tuple[float, float]]:
    """Return mean squared errors of one frame, of R, G, B and of luma, for each combination."""
    errors = []
    for reader in readers:
        hr = reader.read(index)
        for kernel in candidates.downsampling:
            lr = halve(hr, kernel)
            for upsampling in candidates.upsampling:
                found = compare_frame(hr, double(lr, upsampling), protocol, reader.names[index])
                errors.append((found[2], found[4]))
    return errors


def rank(measured: Sequence[Measured], published: Published) -> list[Ranked]:
    """Sort the combinations, closest first; ties keep their order."""
    ranked = []
    for one in measured:
        off, off_y = one.psnr_db - published.psnr_db, one.psnr_y_db - published.psnr_y_db
        ranked.append(Ranked(one, off, off_y, max(abs(off), abs(off_y))))
    return sorted(ranked, key=lambda one: one.distance_db)


def conclude(ranked: Sequence[Ranked], published: Published, clip: str) -> list[str]:
    """Return lines that name the closest combination, its distance, and equally close ones."""
    first = ranked[0]
    figures = f"{first.measured.psnr_db:.4f} dB PSNR and {first.measured.psnr_y_db:.4f} dB PSNR_Y"
    wanted = f"{published.psnr_db:.4f} and {published.psnr_y_db:.4f} dB"
    lines = [
        f"Bicubic upsampling of {clip} in {len(ranked)} combinations; wanted: {wanted}.",
        f"Closest: {first.words}: {figures}, {first.distance_db:.4f} dB off.",
    ]
    equal = [one for one in ranked[1:] if one.distance_db - first.distance_db < _SAME_DB]
    if first.distance_db > 10 * _SAME_DB:
        lines.append("None matches the published figures: other settings differ too.")
    elif equal:
        lines.append("Equally close within 0.0001 dB: " + "; ".join(one.words for one in equal) + ".")
    return lines


def to_markdown(ranked: Sequence[Ranked]) -> str:
    """Return a table of combinations, one per line."""
    lines = [
        "| downsampling | upsampling | matrix | range | averaged | PSNR [dB] | PSNR_Y [dB] | off | off, Y |",
        "| --- | --- | --- | --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for one in ranked:
        settings = " | ".join(asdict(one.measured.combination).values())
        figures = f"{one.measured.psnr_db:.4f} | {one.measured.psnr_y_db:.4f}"
        lines.append(f"| {settings} | {figures} | {one.off_db:+.4f} | {one.off_y_db:+.4f} |")
    return "\n".join(lines)


def write_csv(ranked: Sequence[Ranked], path: Path) -> None:
    """Write all combinations, closest first."""
    names = ("psnr_db", "psnr_y_db", "off_db", "off_y_db", "distance_db")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((*asdict(ranked[0].measured.combination), *names))
        for one in ranked:
            figures = (
                one.measured.psnr_db,
                one.measured.psnr_y_db,
                one.off_db,
                one.off_y_db,
                one.distance_db,
            )
            writer.writerow((*asdict(one.measured.combination).values(), *figures))


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line; its help is this module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("video", type=Path, help="an 8-bit .y4m file, 4:2:0, 4:2:2 or 4:4:4")
    parser.add_argument("--psnr", type=float, default=28.9282, help="published PSNR in dB (%(default)s)")
    parser.add_argument("--psnr-y", type=float, default=29.4030, help="published PSNR of luma (%(default)s)")
    for name, known in (
        ("downsampling", DOWNSAMPLING),
        ("upsampling", UPSAMPLING),
        ("matrices", MATRICES),
        ("ranges", RANGES),
    ):
        words = f"any of {', '.join(known)} (all)"
        parser.add_argument(f"--{name}", nargs="+", choices=known, default=known, metavar="NAME", help=words)
    parser.add_argument("--luma", choices=LUMAS, default="full-range", help="which luma (%(default)s)")
    parser.add_argument("--border", type=int, default=0, help="pixels left out at each side (%(default)s)")
    parser.add_argument("--stride", type=int, default=1, help="take every n-th frame (%(default)s)")
    parser.add_argument("--threads", type=int, default=4, help="frames in parallel (%(default)s)")
    parser.add_argument("--csv", type=Path, help="write all combinations here")
    parser.add_argument("--markdown", type=Path, help="write what is printed here")
    found = parser.parse_args(arguments)
    if found.stride < 1 or found.threads < 1:
        parser.error("expected --stride and --threads of 1 or more")
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, rank and print; a user's mistake gives a one-line error."""
    given = parse_arguments(arguments)
    candidates = Candidates(given.matrices, given.ranges, given.downsampling, given.upsampling)
    published = Published(given.psnr, given.psnr_y)
    try:
        protocol = PsnrProtocol(given.luma, given.border)
        measured = measure_candidates(
            given.video, candidates, protocol, stride=given.stride, threads=given.threads
        )
    except UserError as error:
        sys.exit(f"error: {error}")
    ranked = rank(measured, published)
    page = "\n\n".join([*conclude(ranked, published, given.video.name), to_markdown(ranked[:_ROWS])]) + "\n"
    print(page, end="")
    if given.csv is not None:
        write_csv(ranked, given.csv)
    if given.markdown is not None:
        given.markdown.write_text(f"# Settings of the published figures\n\n{page}", encoding="utf-8")


if __name__ == "__main__":
    main()
