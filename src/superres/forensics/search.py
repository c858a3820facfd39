"""Bicubic upsampling by every combination of the settings that a publication may not have stated, in one pass over a video.

No frame file is written: each frame is read once for each matrix and range, and stays in memory until it has been through
all kernels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import cv2
import numpy as np

from superres.data.clips import frame_threads
from superres.data.resampling import downsample
from superres.data.sources.reading import FrameReader
from superres.data.sources.registry import open_source
from superres.data.sources.source import Source
from superres.device.base.progress import Progress
from superres.device.frames.bicubic import upscale_bicubic
from superres.device.frames.psnr import PsnrProtocol, psnr
from superres.device.tasks.quality import compare_frame
from superres.forensics.table import Combination, Measured, Published, rank, write_tables

AVERAGES = ("frames", "error")
"""How figures of frames become one: the mean of their PSNRs, or the PSNR of their mean squared error."""


@dataclass(frozen=True)
class Candidates:
    """Settings that may stand behind a figure."""

    matrices: Sequence[str]
    ranges: Sequence[str]
    downsampling: Sequence[str]
    upsampling: Sequence[str]

    def combinations(self, average: str) -> list[Combination]:
        """All of them, in the order in which errors are measured."""
        settings = product(self.matrices, self.ranges, self.downsampling, self.upsampling)
        return [Combination(down, up, matrix, span, average) for matrix, span, down, up in settings]


def search_protocol(
    source: Source,
    candidates: Candidates,
    published: Published,
    protocol: PsnrProtocol,
    *,
    clip: str,
    csv_out: Path,
    md_out: Path,
    threads: int = 1,
) -> None:
    """Measure all combinations on a y4m source, the clip `clip`, and write them by how close they come to what was published.

    Raises UserError as the source's reader does, and if the protocol's border leaves nothing of a frame.
    """
    measured = measure_candidates(source, candidates, protocol, threads=threads)
    write_tables(rank(measured, published), published, clip, csv_out=csv_out, md_out=md_out)


def measure_candidates(
    source: Source, candidates: Candidates, protocol: PsnrProtocol, *, threads: int = 1
) -> list[Measured]:
    """PSNR and PSNR of luma by every combination, over all frames of a y4m source; see `AVERAGES`."""
    readers = [
        _open_as(source, matrix, span) for matrix, span in product(candidates.matrices, candidates.ranges)
    ]
    count = len(readers[0])
    errors = np.empty((count, len(candidates.combinations(AVERAGES[0])), 2))
    with frame_threads(threads) as pool, Progress("search_protocol", total=count) as progress:
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


def _open_as(source: Source, matrix: str, span: str) -> FrameReader:
    """A reader of the source as if it had another matrix and range."""
    kind = source.kind.model_copy(update={"matrix": matrix, "range": span})
    return open_source(replace(source, kind=kind), Path())


def _frame_errors(
    readers: Sequence[FrameReader], index: int, candidates: Candidates, protocol: PsnrProtocol
) -> list[tuple[float, float]]:
    """Mean squared errors of one frame, of R, G, B and of luma, in the order of `Candidates.combinations`."""
    errors = []
    for reader in readers:
        hr = reader.read(index)
        for kernel in candidates.downsampling:
            lr = downsample(hr, kernel)
            for upsampling in candidates.upsampling:
                found = compare_frame(hr, _upscale(lr, upsampling), protocol, reader.names[index])
                errors.append((found[2], found[4]))
    return errors


def _upscale(frame: np.ndarray, kernel: str) -> np.ndarray:
    """Double a frame as the runtime opencv does by its `kernel`."""
    if kernel == "matlab":
        return upscale_bicubic(frame)
    height, width = frame.shape[:2]
    return cv2.resize(frame, (2 * width, 2 * height), interpolation=cv2.INTER_CUBIC)
