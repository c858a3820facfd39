"""Disturbances of a timing: other processes, clocks, and the processors that a process may use."""

import os
import time
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

from superres.device.machine.facts import read_text, usable_cpus

# Fields of a processor's line in /proc/stat, after its name (proc(5)); user and nice include guests.
_IDLE, _WAITING, _STOLEN = 3, 4, 7
_FIELDS = 8
# Of /proc/PID/stat, after the name in brackets: utime and stime (proc(5)).
_USER, _SYSTEM = 11, 12


class Disturbance(NamedTuple):
    """The load of others, in processors.

    `others` were busy with other processes; `stolen` were taken by the host of a virtual machine.
    """

    others: float
    stolen: float


class OthersMeter:
    """Measures, from its creation on, the load of others on the processors that this process may use.

    Others are all but this process and `partners`, processes of the same measurement.
    """

    def __init__(self, partners: Sequence[int] = ()) -> None:
        self._own = (os.getpid(), *partners)
        self._started = time.monotonic()
        self._before = self._read()

    def read(self) -> Optional[Disturbance]:
        """Return the mean so far, None if unknown; with ticks of 10 ms it needs a second or more."""
        after = self._read()
        if self._before is None or after is None:
            return None
        ticks = max(1.0, (time.monotonic() - self._started) * os.sysconf("SC_CLK_TCK"))
        others, stolen = (max(0, now - then) for now, then in zip(after, self._before))
        return Disturbance(round(others / ticks, 3), round(stolen / ticks, 3))

    def _read(self) -> Optional[Tuple[int, int]]:
        ticks = _processor_ticks(_affinity())
        if ticks is None:
            return None
        busy, stolen = ticks
        return busy - sum(_process_ticks(process) for process in self._own), stolen


def describe_load() -> Dict[str, Any]:
    """Return load average, frequency governor, clocks in MHz, and the processors usable by this process."""
    return {
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "governor": read_text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "clocks_mhz": _clocks(),
        "affinity": sorted(_affinity() or ()) or None,
        "usable_cpus": usable_cpus(),
    }


def _affinity() -> Optional[Set[int]]:
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None


def _processor_ticks(cpus: Optional[Set[int]]) -> Optional[Tuple[int, int]]:
    """Ticks that some processors were busy and stolen since the machine started; None without /proc/stat."""
    busy = stolen = 0
    lines = (read_text("/proc/stat") or "").splitlines()
    for line in lines:
        name, *fields = line.split()
        if not name.startswith("cpu") or not name[3:].isdigit() or len(fields) < _FIELDS:
            continue
        if cpus is None or int(name[3:]) in cpus:
            ticks = [int(field) for field in fields[:_FIELDS]]
            stolen += ticks[_STOLEN]
            busy += sum(ticks) - ticks[_IDLE] - ticks[_WAITING] - ticks[_STOLEN]
    return (busy, stolen) if lines else None


def _process_ticks(process: int) -> int:
    """Ticks that a process has used; 0 for one that is gone."""
    text = read_text(f"/proc/{process}/stat")
    if text is None:
        return 0
    # The name may hold spaces and brackets; numbers follow its last bracket.
    fields = text.rpartition(")")[2].split()
    return int(fields[_USER]) + int(fields[_SYSTEM])


def _clocks() -> Optional[List[int]]:
    """Return each processor's clock in MHz, from the frequency driver or else /proc/cpuinfo."""
    files = sorted(
        Path("/sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_cur_freq"),
        key=lambda path: int(path.parents[1].name[3:]),
    )
    found = [read_text(str(path)) for path in files]
    if found and all(found):
        return [round(int(text or 0) / 1000) for text in found]
    lines = (read_text("/proc/cpuinfo") or "").splitlines()
    return [round(float(line.partition(":")[2])) for line in lines if line.startswith("cpu MHz")] or None
