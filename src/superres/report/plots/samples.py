"""A detail of a frame in HR, by bicubic and by arms, side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from superres.device.base.errors import UserError
from superres.device.base.outputs import read_json
from superres.device.frames.files import open_frames
from superres.device.frames.psnr import PAPER, PsnrProtocol, mean_squared_errors, psnr
from superres.models.settings import is_baseline
from superres.report import labels
from superres.report.plots import figures


@dataclass(frozen=True)
class Sample:
    """A frame by name: HR and the upscaled images of each arm (name -> image).

    All are uint8 H x W x 3, RGB, of one size. PSNR is measured by `protocol`.
    """

    name: str
    hr: np.ndarray
    upscaled: Mapping[str, np.ndarray]
    protocol: PsnrProtocol = PAPER


def plot_samples(
    hr: Path,
    clip: Path,
    samples: Sequence[Path],
    svg: Path,
    png: Path,
    *,
    arms: Sequence[tuple[str, str, int]],
    frame: int,
    quality: Mapping[int, Mapping[str, Any]],
) -> None:
    """Draw a row per model: the most detailed region of frame `frame`, in HR and in each precision.

    `hr` and `clip` are a clip's HR frames and index. `samples` hold the frame upscaled by each of `arms`
    (model, precision, scale). `quality` are the settings of `PsnrProtocol` at each scale.
    """
    upscaled = dict(zip(arms, samples, strict=True))
    protocols = {scale: PsnrProtocol(**settings) for scale, settings in quality.items()}
    draw_samples(read_samples(hr, clip, frame, upscaled, protocols), svg, png)


def draw_samples(
    samples: Sequence[Sample],
    svg: Path,
    png: Path,
    *,
    crop: tuple[int, int] = (160, 120),
) -> None:
    """Draw a row per sample, its name beside it: its most detailed region (`crop`: width, height), and PSNR.

    PSNR is that of the whole frame (Eq. 1, inside the border of its protocol), as in the tables.
    Pixels are enlarged without smoothing. Raises ValueError without samples or if images differ in size.
    """
    if not samples:
        raise ValueError("expected one sample or more, found none")
    columns = 1 + max(len(sample.upscaled) for sample in samples)
    width, height = crop
    with figures.style():
        figure = figures.new_figure(2.3 * columns, len(samples) * (2.3 * height / width + 0.5))
        panels = figure.subplots(len(samples), columns, squeeze=False)
        for line, sample in zip(panels, samples, strict=True):
            top, left = find_detail(sample.hr, crop)
            images = {"HR": sample.hr, **sample.upscaled}
            for axes in line:
                axes.set_axis_off()
            # Beside the row, not above HR, which no network made.
            line[0].text(-0.03, 0.5, sample.name, rotation=90, ha="right", va="center", fontsize=8,
                         transform=line[0].transAxes)  # fmt: skip
            for axes, (name, image) in zip(line, images.items(), strict=False):
                region = image[top : top + height, left : left + width]
                # An SVG holds each pixel once, and its viewer enlarges them.
                axes.imshow(region, interpolation="none")
                figure_db = "" if name == "HR" else f"{_psnr(sample.hr, image, sample.protocol):.2f} dB"
                axes.set_title(f"{name}\n{figure_db}", fontsize=8)
        figures.save(figure, svg, png)


def read_samples(
    hr: Path,
    index: Path,
    frame: int,
    upscaled: Mapping[tuple[str, str, int], Path],
    protocols: Mapping[int, PsnrProtocol],
) -> list[Sample]:
    """Read a sample for each model: frame `frame` (modulo the clip's length) in HR and upscaled by arms.

    `hr` and `index` are a clip's HR frames and index; `upscaled` has a `.npy` file for every (model,
    precision, scale). Every sample has bicubic at its scale. Arms that did not run, with empty files, are
    skipped.
    """
    clip = read_json(index, ("hr_shapes", "names"))
    number = frame % len(clip["names"])
    original = np.array(open_frames(hr, clip["hr_shapes"])[number])
    images = {arm: np.array(open_picture(path)) for arm, path in upscaled.items()}
    ran = {arm: image for arm, image in images.items() if image.size}
    models = labels.order_models(model for model, _, _ in ran if not is_baseline(model))
    order = labels.order_precisions((precision for _, precision, _ in ran), labels.UNCALIBRATED)
    samples = []
    for model in models:
        mine = {(precision, scale): image for (name, precision, scale), image in ran.items() if name == model}
        scales = {scale for _, scale in mine}
        shown = {
            labels.model_label(name): image
            for (name, _, scale), image in ran.items()
            if is_baseline(name) and scale in scales
        }
        for wanted in order:
            shown |= {labels.precision_label(wanted): image for (p, _), image in mine.items() if p == wanted}
        samples.append(Sample(labels.model_label(model), original, shown, protocols[min(scales)]))
    return samples


def open_picture(path: Path) -> np.ndarray:
    """Open an arm's picture of a frame (uint8 H x W x 3), memory-mapped; empty if the arm did not run.

    Raises UserError if the file is no array.
    """
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        found = "other bytes" if path.exists() else "none"
        raise UserError(
            f"{path}: expected an arm's picture (.npy), found {found}; the target repair makes it again"
        ) from error


def find_detail(image: np.ndarray, crop: tuple[int, int]) -> tuple[int, int]:
    """Return top and left of the region (`crop`: width, height) with the most squared luma gradients.

    `image` is uint8 H x W x 3; a larger crop gives (0, 0). Of equal regions the first in reading order wins.
    """
    luma = image.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    energy = np.zeros_like(luma)
    energy[:, 1:] += np.diff(luma, axis=1) ** 2
    energy[1:] += np.diff(luma, axis=0) ** 2
    # Rounded to whole numbers, the running sums below are exact.
    sums = np.zeros((luma.shape[0] + 1, luma.shape[1] + 1))
    sums[1:, 1:] = np.rint(energy).cumsum(axis=0).cumsum(axis=1)
    width, height = min(crop[0], luma.shape[1]), min(crop[1], luma.shape[0])
    total = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    top, left = np.unravel_index(int(total.argmax()), total.shape)
    return int(top), int(left)


def _psnr(hr: np.ndarray, image: np.ndarray, protocol: PsnrProtocol) -> float:
    return psnr(mean_squared_errors(hr, image, protocol)[0])
