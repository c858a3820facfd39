"""When frames are shown: times of the input in the output's unit, and whether a video has one rate."""

import re
import sys
from fractions import Fraction
from pathlib import Path

import av

from superres.data.video.facts import AVI, Y4M, VideoFacts, opened
from superres.data.video.y4m import read_tags
from superres.device.base.errors import UserError

_RATE = re.compile(r"0*[1-9]\d*:0*[1-9]\d*")


class Clock:
    """Gives each frame its time in units of `time_base`: its own, or by the rate if it has none.

    Times rise. `numbered` frames are shown by the rate alone, as in a file of one rate.
    """

    def __init__(self, rate: Fraction, time_base: Fraction, *, numbered: bool = False):
        self._step, self._time_base = 1 / rate, time_base
        self._numbered = numbered
        self._last: Fraction | None = None
        self._ticks = -(2**62)
        self._said = False

    def time_of(self, frame: av.VideoFrame) -> int:
        """Return the time of the next frame."""
        seconds = Fraction(0) if self._last is None else self._last + self._step
        if frame.pts is not None and frame.time_base and not self._numbered:
            seconds = frame.pts * Fraction(frame.time_base)
        ticks = round(seconds / self._time_base)
        if ticks <= self._ticks:
            if not self._said:
                sys.stderr.write(f"two frames at {float(seconds):.3f} s: the later is shown right after\n")
            self._said, ticks = True, self._ticks + 1
        self._last, self._ticks = seconds, ticks
        return ticks


def rate_notes(facts: VideoFacts) -> list[str]:
    """Return a line if frames have no times, or a y4m file names no rate."""
    if facts.container == Y4M and not _RATE.fullmatch(read_tags(Path(facts.path)).get("F", "")):
        return [f"{facts.path}: no rate is named: {facts.rate} frames a second are taken"]
    if not facts.stamped:
        return [f"{facts.path}: frames have no times: {facts.rate} a second are taken"]
    return []


def constant_rate(facts: VideoFacts, wanted: str) -> Fraction:
    """Return the frames a second of a video that has one rate; decodes nothing.

    Raises UserError, which begins with `wanted`, if frames are off by more than the rounding of their times.
    """
    if facts.container == Y4M or not facts.stamped:
        return facts.rate
    with opened(facts.path) as (container, stream):
        packets = container.demux(stream)
        whole = (p for p in packets if p.size and not p.is_discard)
        # Packets of an .avi have a place, which FFmpeg calls dts, and no time.
        places = (p.dts if facts.container == AVI else p.pts for p in whole)
        times = sorted(place for place in places if place is not None)
        tick = stream.time_base
        candidates = [stream.average_rate, stream.guessed_rate, stream.base_rate]
    if len(times) > 1 and times[-1] > times[0]:
        mean = Fraction(len(times) - 1) / (tick * (times[-1] - times[0]))
        # Of frames as short as a tick, as in an .avi, a mean rate would hide gaps.
        candidates += [mean] if 2 * tick * mean <= 1 else []
    for rate in candidates:
        if rate and all(
            abs((time - times[0]) * tick - Fraction(n) / rate) < tick for n, time in enumerate(times)
        ):
            return Fraction(rate)
    raise UserError(
        f"{wanted}, found {facts.path} to have frames at uneven times; write .mkv or .mp4, which keep them"
    )
