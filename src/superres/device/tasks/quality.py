"""The task `measure_quality`: squared errors, PSNR and SSIM of every frame of a clip."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterator

from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs, write_csv
from superres.device.base.progress import Progress
from superres.device.frames.chroma import UPSCALED, with_chroma
from superres.device.frames.faults import Faults, find_faults
from superres.device.frames.files import Frames
from superres.device.frames.psnr import PsnrProtocol, mean_squared_errors, psnr
from superres.device.frames.ssim import ssim_y
from superres.device.job import MAPPING, NUMBER, TEXT, Job
from superres.device.machine.facts import keep_freed_memory
from superres.device.runtimes.base import Session
from superres.device.tasks.engine import open_arm, open_clip_frames, read_clip, runtime_settings

if TYPE_CHECKING:
    import numpy as np

INPUTS = ("engine", "engine_record", "hr", "lr", "clip")
OUTPUTS = ("quality", "record", "[sample]")
SETTINGS = {
    "luma": TEXT,
    "border": NUMBER,
    "[chroma]": TEXT,
    "[sample_frame]": NUMBER,
    "[options]": MAPPING,
    "[first]": NUMBER,
    "[end]": NUMBER,
}

HEADER = (
    *("frame", "name", "height", "width", "mse", "psnr_db", "mse_y", "psnr_y_db", "ssim_y"),
    *("darkest", "brightest"),
    *Faults._fields,
)


def run(job: Job, outputs: Outputs) -> dict[str, Any]:
    """Measure all frames; returns the task's part of the record.

    `total_seconds` covers reading, upscaling and comparing frames and writing the results;
    `runtime_seconds` is the runtime's part of it. `open_seconds`, not included, is the time to import
    the runtime and open the engine. The settings `luma` and `border` are those of `PsnrProtocol`.
    With `chroma`, one of `superres.device.frames.chroma.CHROMAS`, frames get it before they are compared.
    `sample_frame` is the upscaled frame that the output `sample` keeps; a shard without it keeps an empty
    one. A shard measures the frames from `first` up to, not including, `end`. SSIM is empty for frames that
    are smaller than its window. `darkest` and `brightest` are the least and the largest level of the picture.
    The other columns are those of `Faults`.
    """
    protocol = PsnrProtocol(job.settings["luma"], int(job.settings["border"]))
    clip = read_clip(Path(job.inputs["clip"]))
    hr = open_clip_frames(Path(job.inputs["hr"]), clip.hr_shapes)
    scale = runtime_settings(job).scale
    lr = open_clip_frames(Path(job.inputs["lr"]), clip.lr_shapes(scale))
    # Faster, and the same pictures: what an arm needs as it comes, its timing shows.
    keep_freed_memory()
    opened = time.perf_counter()
    session, facts = open_arm(job, lr.shapes)
    started = time.perf_counter()
    chroma = str(job.settings.get("chroma", UPSCALED))
    kept = int(job.settings.get("sample_frame", 0)) % len(lr) if "sample" in outputs else -1
    frames = range(int(job.settings.get("first", 0)), int(job.settings.get("end", len(lr))))
    if "sample" in outputs and kept not in frames:
        _write_no_sample(outputs)
    rows: list[tuple[Any, ...]] = []
    runtime_seconds = 0.0
    for index, made, seconds in _upscale(session, lr, frames, f"measure_quality {job.label}"):
        runtime_seconds += seconds
        name = clip.names[index]
        where = f"clip {clip.name}, frame {name}"
        upscaled = with_chroma(made, hr[index], chroma)
        compared = compare_frame(hr[index], upscaled, protocol, where)
        levels = int(upscaled.min()), int(upscaled.max())
        faults = find_faults(hr[index], upscaled, scale)
        rows.append((index, name, *compared, ssim_y(hr[index], upscaled, protocol), *levels, *faults))
        hr.forget()
        if index == kept:
            _write_sample(outputs["sample"], upscaled)
    write_csv(outputs["quality"], HEADER, rows)
    return {
        **facts,
        "clip": clip.name,
        "clip_sha256": clip.sha256,
        "frames": len(rows),
        "session": session.facts(),
        "open_seconds": round(started - opened, 3),
        "runtime_seconds": round(runtime_seconds, 6),
        "total_seconds": round(time.perf_counter() - started, 6),
    }


def write_empty(outputs: Outputs) -> dict[str, Any]:
    """Write the outputs of an arm that this machine can't run; returns their part of the record."""
    write_csv(outputs["quality"], HEADER, [])
    if "sample" in outputs:
        _write_no_sample(outputs)
    return {"frames": 0}


def _upscale(
    session: Session, lr: Frames, frames: range, label: str
) -> Iterator[tuple[int, np.ndarray, float]]:
    """Yield each frame's index, the upscaled frame and the seconds that it took."""
    with Progress(label, len(frames)) as progress:
        for index in frames:
            started = time.perf_counter()
            upscaled = session.run(lr[index])
            yield index, upscaled, time.perf_counter() - started
            # Old frames of a long clip would fill the memory.
            lr.forget()
            progress.update()


def _write_no_sample(outputs: Outputs) -> None:
    import numpy as np

    _write_sample(outputs["sample"], np.zeros((0, 0, 3), np.uint8))


def _write_sample(path: Path, upscaled: np.ndarray) -> None:
    """Keep one upscaled frame, uint8 H x W x 3, for people to look at."""
    import numpy as np

    with path.open("wb") as file:
        np.save(file, upscaled)


def compare_frame(
    hr: np.ndarray, upscaled: np.ndarray, protocol: PsnrProtocol, where: str
) -> tuple[int, int, float, float, float, float]:
    """Height and width of the frame, and the mean squared error and PSNR of R, G, B and of luma.

    Raises UserError, which begins with `where`, if the
    engine gave another size, or the border leaves nothing.
    """
    if hr.shape != upscaled.shape:
        raise UserError(f"{where}: expected {hr.shape} from the engine, found {upscaled.shape}")
    try:
        mse, mse_y = mean_squared_errors(hr, upscaled, protocol)
    except ValueError as error:
        raise UserError(f"{where}: {error}; lower the study's quality.border") from error
    return hr.shape[0], hr.shape[1], mse, psnr(mse), mse_y, psnr(mse_y)
