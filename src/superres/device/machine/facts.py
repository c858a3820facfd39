"""This machine: facts for a record, memory of this process, the folder for caches."""

import ctypes
import os
import platform
import sys
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

# Instruction sets that decide the speed of a precision; the last four are ARM's.
_TELLING_FLAGS = (
    "avx2",
    "avx_vnni",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_int8",
    "amx_bf16",
    "asimd",
    "asimddp",
    "i8mm",
    "bf16",
)
INT8_FLAGS = frozenset(("avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"))
"""Of processors with instructions for INT8 products that are added in 32 bits."""

_CPUS = Path("/sys/devices/system/cpu")
# <malloc.h> of glibc
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT_BYTES = 1 << 30


def adds_in_16_bits(machine: Mapping[str, Any]) -> bool:
    """Return whether a described machine adds two INT8 products in 16 bits: x86 without VNNI.

    Sums beyond 32767 are limited to it, so INT8 convolutions can be wrong (`vpmaddubsw`).
    """
    return machine["architecture"] in ("x86_64", "AMD64") and not INT8_FLAGS & set(machine["flags"])


def usable_cpus() -> int:
    """Return the number of CPUs that this process may use; containers and schedulers limit it."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def describe_machine() -> Dict[str, Any]:
    """Return facts of this machine for a record: processor, memory, system, Python; never its name."""
    import numpy as np

    cpu = _cpu_fields()
    flags = set((cpu.get("flags") or cpu.get("Features") or "").split())
    return {
        # The board's name, such as NVIDIA Jetson Xavier NX Developer Kit.
        "module": (read_text("/proc/device-tree/model") or "").strip("\0") or None,
        "cpu": cpu.get("model name") or platform.processor() or platform.machine(),
        "architecture": platform.machine(),
        "flags": [flag for flag in _TELLING_FLAGS if flag in flags],
        "max_mhz": _max_mhz(cpu),
        "caches_kib": _caches_kib(),
        "cpus": os.cpu_count(),
        "usable_cpus": usable_cpus(),
        "memory_bytes": _memory_bytes(),
        "kernel": f"{platform.system()} {platform.release()}",
        "os": _os_name(),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def computes_bf16() -> bool:
    """Return whether this processor multiplies bf16 natively, not through float32."""
    return bool({"avx512_bf16", "amx_bf16", "bf16"} & set(describe_machine()["flags"]))


def keep_freed_memory() -> bool:
    """Make this process's malloc keep freed blocks of up to 1 GiB (`mallopt`); False if it can't.

    Each training step frees and allocates the same activations, and so does each frame
    of a network that PyTorch runs layer by layer. By default glibc returns blocks of
    several MB to the kernel and pays a page fault for each 4 KiB of the next, which
    halves PyTorch's speed on a CPU. Only glibc has this setting.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    results = [mallopt(M_MMAP_THRESHOLD, KEPT_BYTES), mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)]
    return all(results)


def peak_memory_bytes() -> Optional[int]:
    """Return the peak resident memory of this process; None if the system doesn't report it."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Kilobytes, but on macOS bytes.
    return peak if sys.platform == "darwin" else peak * 1024


def cache_folder() -> Path:
    """Return $SUPERRES_CACHE, or `superres` in the user's cache folder."""
    given = os.environ.get("SUPERRES_CACHE")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "superres"


def read_text(path: str) -> Optional[str]:
    """Return the stripped content of a small system file; None if it can't be read."""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return None


def _lines(path: str) -> List[str]:
    return (read_text(path) or "").splitlines()


def _cpu_fields() -> Dict[str, str]:
    found: Dict[str, str] = {}
    for line in _lines("/proc/cpuinfo"):
        key, separator, value = line.partition(":")
        if separator:
            found.setdefault(key.strip(), value.strip())
    return found


def _max_mhz(cpu: Dict[str, str]) -> Optional[float]:
    """Return the highest clock of any processor; without cpufreq, as on many hosts of others, the first's."""
    found = [read_text(str(path)) for path in _CPUS.glob("cpu[0-9]*/cpufreq/cpuinfo_max_freq")]
    clocks = [int(khz) / 1000 for khz in found if khz]
    return max(clocks) if clocks else float(cpu["cpu MHz"]) if "cpu MHz" in cpu else None


def _caches_kib() -> Dict[str, int]:
    """Return the sizes of the first processor's caches of data, such as L1d, L2 and L3."""
    sizes: Dict[str, int] = {}
    for folder in sorted(_CPUS.glob("cpu0/cache/index*")):
        level, kind, size = (read_text(str(folder / name)) for name in ("level", "type", "size"))
        if level and size and size.endswith("K") and kind in ("Data", "Unified"):
            sizes[f"L{level}{'d' if kind == 'Data' else ''}"] = int(size[:-1])
    return sizes


def _memory_bytes() -> Optional[int]:
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return None


def _os_name() -> Optional[str]:
    for line in _lines("/etc/os-release"):
        if line.startswith("PRETTY_NAME="):
            return line.split("=", 1)[1].strip('"')
    return None
