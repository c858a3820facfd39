"""How long the jobs of a run take: by their own past times, else by a guess that those of others correct."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from graphlib import TopologicalSorter

# Seconds that a guess weighs against measured ones: of all jobs, and of a rule's.
_WEIGHT_OF_ALL, _WEIGHT_OF_RULE = 5.0, 2.0
# A job's own progress tells its end once it has run this long, and has done this share.
_LEAST_SECONDS, _LEAST_SHARE = 5.0, 0.02


@dataclass(frozen=True)
class PlannedJob:
    """A job of the DAG.

    `threads` are those that it keeps from others, `device` is the one that it has alone. `guess_s` is
    expected without knowing this machine, `past_s` what it took last time, if ever. `runs` tells whether this
    run makes it; `needs` are the jobs before it.
    """

    number: int
    rule: str
    wildcards: Mapping[str, str] = field(default_factory=dict)
    log: tuple[str, ...] = ()
    threads: int = 1
    device: str | None = None
    needs: frozenset[int] = frozenset()
    guess_s: float = 1.0
    past_s: float | None = None
    runs: bool = True

    @property
    def name(self) -> str:
        """The rule and what the job is for, such as `build_engine local openvino espcn_rgb fp32`."""
        return " ".join([self.rule, *(value.lstrip(".") for value in self.wildcards.values() if value)])


@dataclass
class _Started:
    at: float
    done: int = 0
    total: int = 0


class Plan:
    """The jobs of one run, those that have ended, and the time left. Times are seconds of one clock."""

    def __init__(self, jobs: Iterable[PlannedJob], cores: int):
        jobs = list(jobs)
        self.jobs = {job.number: job for job in jobs if job.runs}
        self.cores = max(1, cores)
        self.running: dict[int, _Started] = {}
        self.ended: set[int] = set()
        # Seconds of jobs that ended, as guessed and as measured, by rule.
        self._guessed: dict[str, float] = defaultdict(float)
        self._measured: dict[str, float] = defaultdict(float)
        for job in jobs:
            if job.past_s is not None:
                self._learn(job, job.past_s)
        self._before = {job.number: job.needs & self.jobs.keys() for job in self.jobs.values()}
        self._order = tuple(TopologicalSorter(self._before).static_order())

    def start(self, number: int, now: float) -> None:
        """Note that a job has begun."""
        if number in self.jobs:
            self.running[number] = _Started(now)

    def progress(self, number: int, done: int, total: int) -> None:
        """Note what a running job says of its own progress."""
        if number in self.running:
            self.running[number].done, self.running[number].total = done, total

    def end(self, number: int, now: float, *, failed: bool = False) -> None:
        """Note that a job has ended; one that failed says nothing of the time that others take."""
        started, job = self.running.pop(number, None), self.jobs.get(number)
        if job is None or number in self.ended:
            return
        self.ended.add(number)
        if started is not None and not failed and job.past_s is None:
            self._learn(job, now - started.at)

    def expected_s(self, job: PlannedJob) -> float:
        """Return the seconds of a job: as last time, else its guess, corrected by others of its rule."""
        if job.past_s is not None:
            return job.past_s
        guessed, measured = self._guessed.values(), self._measured.values()
        ratio = _corrected(sum(guessed), sum(measured), 1.0, _WEIGHT_OF_ALL)
        own = self._guessed[job.rule], self._measured[job.rule]
        return job.guess_s * _corrected(*own, ratio, _WEIGHT_OF_RULE)

    def left_s(self, now: float = 0.0) -> float:
        """Return the seconds until all jobs have ended.

        At least those of the longest chain, of all jobs on one device, and of all work shared evenly by the
        cores.
        """
        left = {number: self._left_of(job, now) for number, job in self.jobs.items()}
        work = sum(seconds * min(self.jobs[n].threads, self.cores) for n, seconds in left.items())
        on_devices: dict[str, float] = defaultdict(float)
        for number, seconds in left.items():
            if (device := self.jobs[number].device) is not None:
                on_devices[device] += seconds
        ends: dict[int, float] = {}
        for number in self._order:
            ends[number] = left[number] + max((ends[other] for other in self._before[number]), default=0.0)
        return max([work / self.cores, *ends.values(), *on_devices.values()])

    def _left_of(self, job: PlannedJob, now: float) -> float:
        if job.number in self.ended:
            return 0.0
        started = self.running.get(job.number)
        if started is None:
            return self.expected_s(job)
        passed = now - started.at
        if passed >= _LEAST_SECONDS and started.done > _LEAST_SHARE * started.total:
            return passed * (started.total - started.done) / started.done
        # One that takes longer than expected takes a tenth longer still.
        return max(self.expected_s(job) - passed, passed / 10)

    def _learn(self, job: PlannedJob, seconds: float) -> None:
        self._guessed[job.rule] += job.guess_s
        self._measured[job.rule] += seconds


def _corrected(guessed: float, measured: float, ratio: float, weight: float) -> float:
    """Return measured by guessed seconds, as if `weight` guessed ones more took `ratio` times as long."""
    return (measured + ratio * weight) / (guessed + weight)


def describe_seconds(seconds: float) -> str:
    """Return a time for people: `40 s`, `6 min`, `2 h 10 min`."""
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"
