"""The task `measure_latency`: raw times of single frames, in turn with those of another arm."""

from __future__ import annotations

import math
import sys
import time
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple, Sequence, Tuple

from superres.device.base.errors import UnsupportedError
from superres.device.base.outputs import Outputs, write_csv
from superres.device.base.progress import Progress
from superres.device.frames.files import Frames, read_frame
from superres.device.job import MAPPING, NUMBER, Job
from superres.device.machine.disturbance import OthersMeter, describe_load
from superres.device.machine.facts import peak_memory_bytes
from superres.device.machine.power import PowerLog
from superres.device.runtimes.base import Session
from superres.device.tasks.engine import Engine, open_arm, open_clip_frames, read_clip, runtime_settings
from superres.device.timing.ratios import OWN, REFERENCE
from superres.device.timing.reference_process import Partner
from superres.device.timing.timing import (
    Timed,
    for_seconds,
    no_garbage_collection,
    rest,
    time_block,
    time_frame,
    time_rounds,
)

if TYPE_CHECKING:
    import numpy as np

HEADER = ("arm", "round", *Timed._fields)
LEAST_ITERATIONS = 5

Row = Tuple[str, int, Timed]


@dataclass(frozen=True)
class Plan:
    """The length of a measurement.

    Warm-up takes at least 2 frames. It ends after `warmup_seconds`, or once the median of
    `warmup_frames` frames is within `warmup_tolerance` of that of as many before.

    Timing ends once `min_iterations` frames took `min_seconds`, or after `max_seconds`, the
    reference's frames included. At least 5 frames are timed.

    A round is a block of `block_seconds` of each of the two arms. With a reference there are at least
    `rounds`. Nothing that ends timing looks at the ratios: an interval that timing ends for, as soon as it
    is narrow, holds the median less often than it says.
    """

    warmup_seconds: float
    warmup_frames: int
    warmup_tolerance: float
    min_seconds: float
    min_iterations: int
    max_seconds: float
    block_seconds: float
    rounds: int

    def settled(self, times: Sequence[float]) -> bool:
        """Return whether the last times are those of a warm arm."""
        count = self.warmup_frames
        if len(times) < 2 * count:
            return False
        earlier, later = median(times[-2 * count : -count]), median(times[-count:])
        return abs(later - earlier) <= self.warmup_tolerance * earlier

    def warmed_up(self, times: Sequence[float], seconds: float) -> bool:
        """Return whether the warm-up is over, given the frames' times and the seconds so far."""
        return len(times) >= 2 and (seconds >= self.warmup_seconds or self.settled(times))

    def finished(self, iterations: int, own_seconds: float, seconds: float) -> bool:
        """Return whether enough frames have been timed, given their seconds and all seconds so far."""
        if iterations < LEAST_ITERATIONS:
            return False
        if seconds >= self.max_seconds:
            return True
        return iterations >= self.min_iterations and own_seconds >= self.min_seconds

    def expected_iterations(self, seconds_each: float) -> int:
        """Return how many frames will be timed if each takes `seconds_each`."""
        wanted = max(self.min_iterations, self.min_seconds / seconds_each)
        return max(LEAST_ITERATIONS, math.ceil(min(wanted, self.max_seconds / seconds_each)))


INPUTS = ("engine", "engine_record", "[reference_engine]", "[reference_record]", "lr", "clip")
OUTPUTS = ("latency", "record")
SETTINGS = {
    **dict.fromkeys((field.name for field in fields(Plan)), NUMBER),
    "[reference]": MAPPING,
    "[options]": MAPPING,
}


class Warmup(NamedTuple):
    """Frames and seconds of a warm-up, and whether it ended because the times had settled."""

    frames: int
    seconds: float
    settled: bool


def run(job: Job, outputs: Outputs) -> dict[str, Any]:
    """Time the arm; returns the task's part of the record.

    `open_seconds` is the time to import the runtime and open
    the engine, while the reference does the same.
    """
    clip = read_clip(Path(job.inputs["clip"]))
    lr = open_clip_frames(Path(job.inputs["lr"]), clip.lr_shapes(runtime_settings(job).scale))
    plan = Plan(**{field.name: job.settings[field.name] for field in fields(Plan)})
    before = describe_load()
    facts, rows = _time_arm(job, lr, plan)
    write_csv(outputs["latency"], HEADER, [(arm, number, *timed) for arm, number, timed in rows])
    return {
        "clip": clip.name,
        "clip_sha256": clip.sha256,
        **facts,
        "load_before": before,
        "load_after": describe_load(),
    }


def _time_arm(job: Job, lr: Frames, plan: Plan) -> tuple[dict[str, Any], list[Row]]:
    """Open and time the job's arm and its reference; returns facts for the record and the frames."""
    with ExitStack() as stack:
        partner = _start_reference(job, stack)
        started = time.perf_counter()
        session, facts = open_arm(job, lr.shapes)
        open_seconds = time.perf_counter() - started
        if session.reference:
            raise UnsupportedError(f"{job.runtime} is a reference for PSNR, not made for speed")
        reference = _wait_for_reference(job, partner)
        if reference.get("status") != "ok":
            partner = None
        first = time_frame(session, read_frame(lr, 0))
        meter = OthersMeter([partner.process] if partner else [])
        power = stack.enter_context(PowerLog())
        warmup, rows = measure(session, lr, plan, f"measure_latency {job.label}", partner, power=power)
        disturbance = meter.read()
    _say_few_frames(job, len(lr), warmup)
    facts = {
        **facts,
        "open_seconds": round(open_seconds, 3),
        "first_frame_ms": first.end_to_end_ms,
        "iterations": sum(arm == OWN for arm, _, _ in rows),
        "distinct_frames": len(lr),
        "warmup": warmup._asdict(),
        "reference": reference or None,
        "peak_memory_bytes": peak_memory_bytes(),
        "device_memory_bytes": session.device_memory_bytes(),
        "session": session.facts(),
        "disturbance": disturbance._asdict() if disturbance else None,
        "power": power.summary,
    }
    return facts, rows


def write_empty(outputs: Outputs) -> dict[str, Any]:
    """Write the outputs of an arm that this machine can't run; returns their part of the record."""
    write_csv(outputs["latency"], HEADER, [])
    return {"iterations": 0}


def measure(
    session: Session,
    lr: Frames,
    plan: Plan,
    label: str,
    partner: Partner | None = None,
    *,
    power: PowerLog | None = None,
) -> tuple[Warmup, list[Row]]:
    """Time single frames through the clip, over and over, in blocks that alternate with a partner's.

    `power` learns when the session's own frames run, after the warm-up. Returns the warm-up, and the frames
    timed after it in their order.
    """
    with no_garbage_collection():
        started = time.perf_counter()
        frames = time_block(session, lr, 0, lambda timed, passed: plan.warmed_up(_times(timed), passed))
        seconds = time.perf_counter() - started
        warmup = Warmup(len(frames), round(seconds, 3), plan.settled(_times(frames)))
        if partner:
            rest()
            # Its first frame sets up its buffers.
            partner.block(0, min(seconds, plan.warmup_seconds) / 2)
        expected = plan.expected_iterations(seconds / len(frames))
        with Progress(label, expected) as progress:
            rows = _time_in_turn(session, lr, plan, partner, progress, power=power)
            progress.total = progress.done
    return warmup, rows


def _time_in_turn(
    session: Session,
    lr: Frames,
    plan: Plan,
    partner: Partner | None,
    progress: Progress,
    *,
    power: PowerLog | None,
) -> list[Row]:
    rows: list[Row] = []
    own = theirs = number = 0
    own_seconds = 0.0
    started = time.perf_counter()

    def goes_on() -> bool:
        seconds = time.perf_counter() - started
        too_few = partner is not None and number < plan.rounds
        return too_few or not plan.finished(own, own_seconds, seconds)

    while goes_on():
        # The first arm alternates, or one would always run with the other's traces in the caches.
        turns = (OWN, REFERENCE) if number % 2 == 0 else (REFERENCE, OWN)
        for arm in turns:
            if arm == OWN:
                with power.own() if power else nullcontext():
                    timed = time_block(session, lr, own, for_seconds(plan.block_seconds))
                own += len(timed)
                own_seconds += sum(each.interval_ms or each.end_to_end_ms for each in timed) / 1000
                if partner:
                    rest()
                progress.update(len(timed))
            elif partner:
                timed = partner.block(theirs, plan.block_seconds)
                theirs += len(timed)
            else:
                continue
            rows += [(arm, number, each) for each in timed]
        number += 1
    return rows


def measure_in_turn(
    sessions: Sequence[Session], lr: Sequence[np.ndarray], plan: Plan, label: str
) -> list[tuple[int, list[float]]]:
    """Time several sessions of one process against each
    other, as `time_rounds`; the plan is that of each session.
    """
    count = len(sessions)
    with no_garbage_collection():
        started = time.perf_counter()
        warmup: list[float] = []
        time_rounds(
            sessions,
            lr,
            lambda rounds, seconds: plan.warmed_up(warmup[:rounds], seconds / count),
            lambda: warmup.append(time.perf_counter() - started - sum(warmup)),
        )
        each = sum(warmup) / len(warmup) / count
        with Progress(label, count * plan.expected_iterations(each)) as progress:
            rows = time_rounds(
                sessions,
                lr,
                lambda rounds, seconds: plan.finished(rounds, seconds / count, seconds / count),
                lambda: progress.update(count),
            )
            progress.total = count * len(rows)
    return rows


def _times(timed: Sequence[Timed]) -> list[float]:
    return [each.end_to_end_ms for each in timed]


def _start_reference(job: Job, stack: ExitStack) -> Partner | None:
    """Start a process that opens the job's reference arm, if it has one."""
    if "reference" not in job.settings:
        return None
    reference = job.settings["reference"]
    engine = Engine(
        reference["runtime"],
        reference["precision"],
        job.threads,
        reference["options"],
        Path(job.inputs["reference_engine"]),
        Path(job.inputs["reference_record"]),
    )
    return stack.enter_context(Partner(engine, Path(job.inputs["lr"]), Path(job.inputs["clip"])))


def _wait_for_reference(job: Job, partner: Partner | None) -> dict[str, Any]:
    """Return the record's facts of the reference arm: none without one, the reason if it can't run here."""
    if partner is None:
        return {}
    label = {"label": job.settings["reference"]["label"]}
    try:
        return {**label, "status": "ok", **partner.wait()}
    except UnsupportedError as error:
        return {**label, "status": f"not run: {error}"}


def _say_few_frames(job: Job, frames: int, warmup: Warmup) -> None:
    if frames < warmup.frames:
        sys.stderr.write(
            f"measure_latency {job.label}: expected at least as many frames as the warm-up took "
            f"({warmup.frames}), found {frames} in the clip: the same frames are timed again and again\n"
        )
