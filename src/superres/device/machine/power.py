"""The power of a Jetson's rails while an arm's own frames run.

NVIDIA's tegrastats prints it; where that prints no rails, as for a plain user of some modules, the sensors'
files in /sys are read. Formats are those of L4T 32 to 39. Nothing here has been run on a Jetson.
"""

import re
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple

from superres.device.machine.facts import read_text
from superres.device.machine.jetson import find_tool

SENSORS = Path("/sys/bus/i2c/drivers/ina3221")
# L4T 32 prints `VDD_IN 3902/3611`, 35 and 36 `VDD_IN 4541mW/4541mW`, 38 and later three values.
_RAIL = re.compile(r"(?<!\S)([A-Z][A-Z0-9_]*) (-?\d+)(?:mW)?(?:/-?\d+(?:mW)?){1,2}(?!\S)")
_MODULE = (
    ("VIN",),  # Thor
    ("VDD_IN",),  # TX2, Xavier NX, Orin NX, Orin Nano
    ("POM_5V_IN",),  # Nano
    ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"),  # AGX Orin; VDDQ_VDD2_1V8AO is fed by the last
    ("GPU", "CPU", "SOC", "CV", "VDDRQ", "SYS5V"),  # AGX Xavier
)
"""The rails whose sum feeds a whole module; others are parts of them."""


class Sample(NamedTuple):
    """The milliwatts of rails at a moment of `time.monotonic`."""

    moment: float
    rails: Dict[str, int]


def read_power(line: str) -> Dict[str, int]:
    """Return each rail's milliwatts now from a line of tegrastats: 4654 from `VDD_IN 4654mW/4700mW`."""
    return {name: int(value) for name, value in _RAIL.findall(line)}


def read_sensors() -> Dict[str, int]:
    """Return each rail's milliwatts from the sensors' files; empty where there are none that can be read."""
    found = {}
    for label in sorted(SENSORS.glob("*/hwmon/hwmon*/in*_label")):
        number = label.name[2 : -len("_label")]
        name = read_text(str(label))
        millivolts, milliamperes = (
            read_text(str(label.with_name(f"{kind}{number}_input"))) for kind in ("in", "curr")
        )
        if name and _is_number(millivolts) and _is_number(milliamperes):
            found[name] = round(int(millivolts or 0) * int(milliamperes or 0) / 1000)
    return found


def module_power(rails: Mapping[str, float]) -> Optional[float]:
    """Return the milliwatts of the whole module from those of its rails; None if they don't tell it."""
    for names in _MODULE:
        if all(name in rails for name in names):
            return sum(rails[name] for name in names)
    return None


class PowerLog:
    """Logs the power of each rail; a context manager.

    Only samples from the times inside `own` count: what else runs meanwhile, such as another arm, does not.
    """

    def __init__(self, interval_ms: int = 200):
        self._interval_ms = interval_ms
        self._samples: List[Sample] = []
        self._own: List[Tuple[float, float]] = []
        self._process: Optional[subprocess.Popen[str]] = None
        self._thread: Optional[threading.Thread] = None
        self._ended = threading.Event()

    def __enter__(self) -> "PowerLog":
        tool = find_tool("tegrastats")
        if tool is not None:
            self._process = subprocess.Popen(
                [tool, "--interval", str(self._interval_ms)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        if tool is not None or read_sensors():
            self._thread = threading.Thread(target=self._collect, daemon=True)
            self._thread.start()
        return self

    @contextmanager
    def own(self) -> Iterator[None]:
        """Let the samples from now to the end of the block count."""
        started = time.monotonic()
        try:
            yield
        finally:
            self._own.append((started, time.monotonic()))

    def _collect(self) -> None:
        for line in self._lines():
            rails = read_power(line) or read_sensors()
            if rails:
                self._samples.append(Sample(time.monotonic(), rails))

    def _lines(self) -> Iterator[str]:
        """Yield tegrastats' lines as they come, or nothing at its interval."""
        if self._process is not None and self._process.stdout is not None:
            yield from self._process.stdout
        while not self._ended.wait(self._interval_ms / 1000):
            yield ""

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
        if self._thread is not None:
            self._thread.join()
        if self._process is not None and self._process.stdout is not None:
            self._process.stdout.close()
        if self._thread is not None and not self._samples:
            sys.stderr.write(
                "warning: power: expected rails of this device, found none that this user may read; on some "
                "modules only root may\n"
            )

    @property
    def summary(self) -> Optional[Dict[str, Any]]:
        """Mean and highest milliwatts by rail, the module's mean, and the number of samples.

        None on a machine without rails; `module_mw` is None if the rails don't tell it.
        """
        if self._thread is None:
            return None
        counted = [
            sample.rails
            for sample in self._samples
            if any(start <= sample.moment <= end for start, end in self._own)
        ]
        names = sorted({name for rails in counted for name in rails})
        values = {name: [rails[name] for rails in counted if name in rails] for name in names}
        rails = {
            name: {"mean_mw": round(sum(each) / len(each), 1), "highest_mw": max(each)}
            for name, each in values.items()
        }
        module = module_power({name: sum(each) / len(each) for name, each in values.items()})
        return {
            "rails": rails,
            "module_mw": None if module is None else round(module, 1),
            "samples": len(counted),
        }


def _is_number(text: Optional[str]) -> bool:
    return text is not None and text.lstrip("-").isdigit()
