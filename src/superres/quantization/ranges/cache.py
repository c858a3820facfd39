"""TensorRT calibration caches: text files with one scale a tensor, in TensorRT's own format.

The first line names version and calibrator (`TRT-8502-EntropyCalibration2`), each other one a tensor and its
scale, a big-endian float32 in hexadecimal: `frame: 3c010a14`. The range is 127 times the scale. Light: caches
are read while a study is checked.
"""

import math
import re
import struct
from collections.abc import Mapping
from pathlib import Path

from superres.device.base.conventions import INT8_MAX
from superres.device.base.errors import UserError

VERSION = "8502"
"""TensorRT of JetPack 5.1, the last for Xavier NX; TensorRT takes only caches of its own version."""

_HEADER = re.compile(r"TRT-[0-9A-Za-z]+-\w*Calibration\w*")
_ENTRY = re.compile(r"(?P<name>.+?)\s*:\s*(?P<scale>[0-9a-fA-F]{1,8})")


def read_cache(path: Path) -> dict[str, float]:
    """Return the largest magnitude (127 times the scale, exact in float64) of each tensor in a cache.

    Raises UserError for a file that is no cache, and for a tensor that is named twice.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: expected a TensorRT calibration cache, found: {error}") from error
    if not lines or not _HEADER.fullmatch(lines[0].strip()):
        found = repr(lines[0][:60]) if lines else "an empty file"
        raise UserError(
            f"{path}: expected a TensorRT calibration cache, whose first line is like "
            f"TRT-{VERSION}-EntropyCalibration2; found {found}"
        )
    ranges: dict[str, float] = {}
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        entry = _ENTRY.fullmatch(line.strip())
        if entry is None:
            raise UserError(
                f"{path}, line {number}: expected `tensor: hexadecimal scale`, found {line[:60]!r}"
            )
        if entry["name"] in ranges:
            raise UserError(f"{path}, line {number}: expected each tensor once, found {entry['name']} again")
        (scale,) = struct.unpack(">f", bytes.fromhex(entry["scale"].zfill(8)))
        ranges[entry["name"]] = INT8_MAX * scale
    return ranges


def select_ranges(ranges: Mapping[str, float], names: list[str], path: Path) -> dict[str, float]:
    """Return the ranges of a graph's tensors; the cache `path` may name others too, as TensorRT's do.

    Raises UserError if one is missing or not positive and finite.
    """
    if missing := [name for name in names if name not in ranges]:
        raise UserError(
            f"{path}: expected scales of {', '.join(names)}, found none of {', '.join(missing)} "
            f"(it has {_shorten(ranges)}); take the cache of this model's own ONNX file"
        )
    for name in names:
        if not 0 < ranges[name] < math.inf:
            raise UserError(
                f"{path}: expected a positive scale of tensor {name}, found {ranges[name] / INT8_MAX}; "
                "calibrate again on the device"
            )
    return {name: ranges[name] for name in names}


def format_cache(ranges: Mapping[str, float], version: str = VERSION) -> str:
    """Return the text of a cache with these largest magnitudes; scales are float32, as in a Q/DQ graph."""
    lines = [f"TRT-{version}-EntropyCalibration2"]
    lines += [f"{name}: {struct.pack('>f', amax / INT8_MAX).hex()}" for name, amax in ranges.items()]
    return "\n".join(lines) + "\n"


def _shorten(names: Mapping[str, float], most: int = 6) -> str:
    shown = list(names)[:most]
    return ", ".join(shown) + (f" and {len(names) - most} more" if len(names) > most else "")
