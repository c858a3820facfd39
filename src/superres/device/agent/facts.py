"""A description of a device for people; no job needs it."""

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Sequence

from superres.device.machine.jetson import read_state, run_tool

# Modules, and the packages that may contain them.
_PACKAGES = {
    "numpy": ("numpy",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
    "openvino": ("openvino",),
    "torch": ("torch",),
    "cv2": ("opencv-python-headless", "opencv-python", "opencv-contrib-python"),
}
_PROBE_SECONDS = 120.0


def describe_device(
    work: Path, worker: Path, runtimes: Mapping[str, Sequence[str]], beat: Callable[[float], None]
) -> Dict[str, Any]:
    """Return facts of this machine, and for each runtime's precisions whether they will work.

    Runtimes are probed in processes of their own, as some can crash; `beat` is called meanwhile with the
    seconds to wait.
    """
    return {
        "machine": _machine(),
        "software": _software(),
        "disk": _disk(work),
        "state": read_state(),
        "runtimes": {name: _probe(worker, name, asked, beat) for name, asked in runtimes.items()},
    }


def _machine() -> Dict[str, Any]:
    return {
        "module": _text("/proc/device-tree/model") or None,
        "architecture": platform.machine(),
        "kernel": platform.release(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
    }


def _software() -> Dict[str, Any]:
    return {
        "python": f"{sys.version.split()[0]} ({sys.executable})",
        "l4t": read_l4t(_text("/etc/nv_tegra_release")),
        "jetpack": _package("nvidia-jetpack"),
        "tensorrt": _package("tensorrt") or _package("libnvinfer8") or _package("libnvinfer10"),
        "cuda": _cuda(),
        **{module: _python_package(module, names) for module, names in _PACKAGES.items()},
    }


def read_l4t(text: str) -> Any:
    """Return L4T's version from /etc/nv_tegra_release, None if there is none.

    `# R35 (release), REVISION: 3.1, ...` gives `35.3.1`.
    """
    head, _, rest = text.partition(" (release), REVISION: ")
    if not rest:
        return None
    return f"{head.replace('# R', '').strip()}.{rest.split(',')[0].strip()}"


def _package(name: str) -> Any:
    """Return the version of an installed Debian package."""
    return run_tool("dpkg-query", "-W", "-f=${Version}", name) or None


def _python_package(module: str, names: Sequence[str]) -> Any:
    """Return the version of a module without importing it; None if it isn't there."""
    if find_spec(module) is None:
        return None
    for name in names:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return "found, of unknown version"


def _cuda() -> Any:
    try:
        return json.loads(_text("/usr/local/cuda/version.json"))["cuda"]["version"]
    except (ValueError, KeyError, TypeError):
        return None


def _disk(work: Path) -> Dict[str, Any]:
    store = work / "store"
    used = sum(path.stat().st_size for path in store.iterdir()) if store.is_dir() else 0
    return {"workdir": str(work), "free_bytes": shutil.disk_usage(str(work)).free, "store_bytes": used}


def _probe(
    worker: Path, runtime: str, precisions: Sequence[str], beat: Callable[[float], None]
) -> Dict[str, str]:
    """Return `yes` for each precision, or the reason why it won't work."""
    command: List[str] = [sys.executable, str(worker), "probe", runtime, *precisions]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    end = time.monotonic() + _PROBE_SECONDS
    with process:
        while process.poll() is None:
            if time.monotonic() > end:
                process.kill()
            beat(0.05)
        text = process.stdout.read() if process.stdout else b""
    try:
        return json.loads(text.decode("utf-8"))
    except ValueError:
        return dict.fromkeys(precisions, f"asking {runtime} ended with {process.returncode}")


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip("\0\n ")
    except OSError:
        return ""
