"""Power mode, clocks, temperatures and throttling of a Jetson.

NVIDIA's tools are nvpmodel and jetson_clocks; all else is read from /sys, which needs no root. Formats are
those of L4T 32 to 39. Nothing here has been run on a Jetson.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Dict, Mapping, NamedTuple, Optional, Tuple

from superres.device.base.errors import UserError

SYS = Path("/sys")
SBIN = "/usr/sbin"
_TOOL_SECONDS = 15.0
# The clocks that jetson_clocks locks and that decide an arm's speed. DLA, PVA, memory and the video decoder
# (`gpu-nvd-0` of a Thor) have others.
_TELLING_CLOCK = re.compile(r"cpu\d+|GPU")
_THORS_GPU = "gpu-gpc-0"


class Clock(NamedTuple):
    """A clock's lowest, highest and current frequency, in the unit of its source."""

    lowest: int
    highest: int
    current: int

    @property
    def locked(self) -> bool:
        """Return whether its frequency is fixed."""
        return self.lowest == self.highest


def find_tool(name: str) -> Optional[str]:
    """Return the path of a program, also from /usr/sbin, which not every session searches."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), SBIN]))


def run_tool(name: str, *arguments: str) -> str:
    """Return the output of a program; empty if it is missing or fails."""
    path = find_tool(name)
    if path is None:
        return ""
    try:
        done = subprocess.run(
            [path, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TOOL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def read_power_mode(text: str) -> Optional[Tuple[int, str]]:
    """Return the mode's number and name from the output of `nvpmodel -q`, None if it has none.

    It prints `NV Power Mode: MODE_15W_6CORE`, with the number
    alone on the next line, and sometimes warnings before.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for line, following in zip(lines, lines[1:]):
        _, found, name = line.partition("NV Power Mode:")
        if found and following.isdigit():
            return int(following), name.strip()
    return None


def read_clocks(text: str) -> Dict[str, Clock]:
    """Return the clocks that are on by name (`cpu0`, ..., `GPU`, `EMC`) from `jetson_clocks --show`.

    The memory's clock has an override instead of a lower limit; with it, the clock counts as locked. Clocks
    of DLA and PVA have no lower limit, whatever jetson_clocks does.
    """
    clocks = {}
    for line in text.splitlines():
        fields = dict(part.split("=", 1) for part in line.split() if part.count("=") == 1)
        if not {"MinFreq", "MaxFreq", "CurrentFreq"} <= fields.keys() or fields.get("Online") == "0":
            continue
        low, high, now = (int(fields[key]) for key in ("MinFreq", "MaxFreq", "CurrentFreq"))
        if fields.get("FreqOverride") == "1":
            low = high = now
        name = line.split()[0].rstrip(":")
        clocks["GPU" if name == _THORS_GPU else name] = Clock(low, high, now)
    return clocks


def read_state() -> Dict[str, Any]:
    """Return the state that a measurement depends on, without unknown values.

    Keys: `power_mode` and `power_mode_name`; `clocks` with `lowest`, `highest` and
    `current` each; `clocks_locked`, whether those of the processors and the GPU are
    fixed; `temperatures_c`; `throttled`, events since boot that can slow the device down.
    """
    mode = read_power_mode(run_tool("nvpmodel", "-q"))
    # jetson_clocks answers only root; /sys has the limits for everybody.
    tool = find_tool("jetson_clocks")
    command = () if tool is None else (tool, "--show") if os.getuid() == 0 else ("sudo", "-n", tool, "--show")
    clocks = read_clocks(run_tool(*command) if command else "") or _sys_clocks()
    state: Dict[str, Any] = {}
    if mode is not None:
        state.update(power_mode=mode[0], power_mode_name=mode[1])
    if clocks:
        state["clocks"] = {name: clock._asdict() for name, clock in clocks.items()}
        telling = [clock for name, clock in clocks.items() if _TELLING_CLOCK.fullmatch(name)]
        state["clocks_locked"] = "GPU" in clocks and all(clock.locked for clock in telling)
    for name, values in (("temperatures_c", _temperatures()), ("throttled", _throttled())):
        if values:
            state[name] = values
    return state


def check_state(state: Mapping[str, Any], wanted: Mapping[str, Any], when: str) -> None:
    """Raise UserError, with the command to run, if power mode or clocks differ from the study's.

    `wanted` may have `power_mode`, a number, and `lock_clocks`.
    """
    mode = wanted.get("power_mode")
    if mode is not None and state.get("power_mode") != mode:
        found = (
            f"{state['power_mode']} ({state['power_mode_name']})"
            if "power_mode" in state
            else "no nvpmodel that says one (take power_mode out of the target if it is no Jetson)"
        )
        raise UserError(
            f"power mode {when}: expected {mode}, found {found}; run `sudo nvpmodel -m {mode}` on the device"
        )
    if wanted.get("lock_clocks") and not state.get("clocks_locked", False):
        free = [
            name
            for name, clock in state.get("clocks", {}).items()
            if _TELLING_CLOCK.fullmatch(name) and clock["lowest"] != clock["highest"]
        ]
        found = f"{', '.join(free)} free" if free else "no clock of the GPU that can be read"
        raise UserError(
            f"clocks {when}: expected them locked, found {found}; run `sudo jetson_clocks` on the device, "
            "after every change of the power mode"
        )


def throttling(before: Mapping[str, Any], after: Mapping[str, Any]) -> Dict[str, int]:
    """Return how often each limit was reached between two states."""
    earlier = before.get("throttled", {})
    grown = {name: count - earlier.get(name, 0) for name, count in after.get("throttled", {}).items()}
    return {name: count for name, count in grown.items() if count > 0}


def _sys_clocks() -> Dict[str, Clock]:
    clocks = {}
    for folder in sorted(SYS.glob("devices/system/cpu/cpu[0-9]*/cpufreq")):
        clock = _clock(folder, "scaling_{}_freq")
        if clock is not None:
            clocks[folder.parent.name] = clock
    for folder in sorted(SYS.glob("class/devfreq/*")):
        # gv11b on Xavier, ga10b or gpu on Orin, gp10b on TX2, gpu-gpc-0 and gpu-nvd-0 on Thor.
        if re.search(r"gpu(?!-nvd)|g[apv]\d+b", folder.name):
            clock = _clock(folder, "{}_freq")
            if clock is not None:
                clocks["GPU"] = clock
    return clocks


def _clock(folder: Path, name: str) -> Optional[Clock]:
    values = [_number(folder / name.format(part)) for part in ("min", "max", "cur")]
    known = [value for value in values if value is not None]
    return Clock(*known) if len(known) == 3 else None


def _temperatures() -> Dict[str, float]:
    """Return degrees Celsius by zone; a zone that is off gives an error or an absurd value."""
    found = {}
    for zone in sorted(SYS.glob("class/thermal/thermal_zone*")):
        value = _number(zone / "temp")
        if value is not None and value > -100_000:
            found[_read(zone / "type") or zone.name] = value / 1000
    return found


def _throttled() -> Dict[str, int]:
    """Return counters of over-current and under-voltage (Orin) and of thermal throttling.

    A counter whose `oc*_throt_en` is 0 only counts: its events slow nothing down.
    """
    found = {}
    for path in sorted(SYS.glob("class/hwmon/hwmon*/oc*_event_cnt")):
        value, name = _number(path), path.name.replace("_event_cnt", "")
        if value is not None and _number(path.with_name(f"{name}_throt_en")) != 0:
            found[name] = value
    for path in sorted(SYS.glob("devices/system/cpu/cpu0/thermal_throttle/*_throttle_count")):
        value = _number(path)
        if value is not None:
            found[path.name.replace("_throttle_count", "_thermal")] = value
    return found


def _number(path: Path) -> Optional[int]:
    text = _read(path)
    return int(text) if text is not None and text.lstrip("-").isdigit() else None


def _read(path: Path) -> Optional[str]:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
