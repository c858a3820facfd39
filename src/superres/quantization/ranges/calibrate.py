"""Write the ranges of a calibration: a small JSON, and a TensorRT calibration cache."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from superres.device.base.conventions import INT8_MAX
from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs, sha256_file
from superres.device.base.words import counted
from superres.models.graphs.onnx_file import find_layers, load_onnx, observed_tensors
from superres.quantization.ranges import methods
from superres.quantization.ranges.cache import format_cache, read_cache, select_ranges
from superres.quantization.ranges.histogram import Statistics
from superres.quantization.ranges.observation import Observed, read_observed
from superres.quantization.ranges.record import Ranges, TensorRange, ranges_text
from superres.quantization.settings import METHODS, TOOLS, CalibrationSettings

_MANY_CLIPPED = 0.01
"""Share of a tensor's values beyond its range from which on there is a note."""
_TOO_MANY_CLIPPED = 0.1
"""Share of a tensor's values beyond its range from which on photographs are refused."""


def calibrate_ranges(
    onnx_path: Path,
    settings: CalibrationSettings,
    *,
    ranges_out: Path,
    cache_out: Path,
    model: str,
    observed: Path | None = None,
    cache: Path | None = None,
) -> None:
    """Write the range [-amax, amax] of the input and output of each convolution of an FP32 graph.

    Methods with images read `observed`, a file of `observe_activations`. The method `cache` replays `cache`,
    a TensorRT calibration cache; `fixed` needs neither. Both outputs appear together. Raises UserError for
    the method of a tool, statistics of another graph, constant tensors, and a cache that lacks a tensor.
    """
    if settings.method in TOOLS:
        raise UserError(
            f"calibration {settings.name}: expected a method that finds ranges, found {settings.method}, "
            "which makes a whole graph"
        )
    graph = load_onnx(onnx_path)
    names = observed_tensors(find_layers(graph))
    digest = sha256_file(onnx_path)
    if settings.method == "fixed":
        ranges = _fixed(graph, names, settings)
    elif settings.method == "cache":
        ranges = _replayed(_required(cache, settings), names, settings)
    else:
        seen = read_observed(_required(observed, settings), settings.images)
        if seen.onnx_sha256 != digest or set(seen.tensors) != set(names):
            raise UserError(
                f"{observed}: expected statistics of {onnx_path}, found those of another graph; "
                "observe the activations again"
            )
        ranges = measured_ranges(seen, settings)
    _write(replace(ranges, origin={"model": model, **ranges.origin}), digest, ranges_out, cache_out)


def _write(ranges: Ranges, digest: str, ranges_out: Path, cache_out: Path) -> None:
    amax = {name: tensor.amax for name, tensor in ranges.tensors.items()}
    with Outputs({"record": str(ranges_out), "cache": str(cache_out)}) as outputs:
        outputs["record"].write_text(ranges_text(ranges, digest), encoding="utf-8")
        outputs["cache"].write_text(format_cache(amax), encoding="utf-8")


def measured_ranges(seen: Observed, settings: CalibrationSettings) -> Ranges:
    """Return the ranges of a method with images.

    A tensor with many values beyond its range gets a note, also on the terminal. Raises UserError for
    constant tensors, and for photographs that a method clips nearly everywhere.
    """
    seen.require_spread(f"calibration {settings.name}")
    tensors, notes = {}, {}
    for name, statistics in seen.tensors.items():
        choice = getattr(methods, settings.method)(statistics, settings)
        tensors[name] = TensorRange(statistics.low, statistics.high, choice.amax)
        clipped = _clipped(statistics, choice.amax, f"calibration {settings.name}: tensor {name}", seen)
        if statistics.low == statistics.high:
            notes[name] = f"{statistics.low} everywhere, as the data is"
        elif clipped is not None:
            notes[name] = clipped
        elif choice.note is not None:
            notes[name] = choice.note
        elif np.float32(choice.amax / INT8_MAX) == np.float32(1 / INT8_MAX):
            notes[name] = "the scale of 1.0, as for any images with a white pixel"
    return Ranges(tensors, _origin(settings, seen.data, seen.images, notes))


def _clipped(statistics: Statistics, amax: float, where: str, seen: Observed) -> str | None:
    """Return a note on a range that many values exceed, None for others; see `measured_ranges`."""
    share = statistics.beyond(amax)
    if share <= _MANY_CLIPPED:
        return None
    found = f"{100 * share:.3g} % of the values other than zero are beyond {amax:.4g} and clipped"
    if share > _TOO_MANY_CLIPPED and not seen.is_random:
        raise UserError(
            f"{where}: expected a range for nearly all values of {counted(seen.images, 'image')}, found that "
            f"{found}; "
            "take more or other images, or another method, such as minmax"
        )
    print(f"note: {where}: {found}", file=sys.stderr)
    return found


def _fixed(graph: onnx.ModelProto, names: Sequence[str], settings: CalibrationSettings) -> Ranges:
    """Return trtexec's ranges without a cache (TensorRT samples, sampleEngines.cpp, setTensorScales)."""
    inputs = {value.name for value in graph.graph.input}
    tensors = {
        name: TensorRange(None, None, settings.input_range if name in inputs else settings.output_range)
        for name in names
    }
    return Ranges(tensors, _origin(settings, {"type": "none"}))


def _replayed(cache: Path, names: list[str], settings: CalibrationSettings) -> Ranges:
    amax = select_ranges(read_cache(cache), names, cache)
    data = {"type": "cache", "name": cache.name, "sha256": sha256_file(cache)}
    tensors = {name: TensorRange(None, None, value) for name, value in amax.items()}
    return Ranges(tensors, _origin(settings, data))


def _origin(
    settings: CalibrationSettings,
    data: Mapping[str, Any],
    images: int = 0,
    notes: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the entry of a calibration in the record."""
    return {
        "calibration": settings.name,
        "method": settings.method,
        "settings": _method_settings(settings),
        "seed": data.get("seed"),
        "data": data,
        "images": images,
        "notes": notes or {},
    }


def _method_settings(settings: CalibrationSettings) -> dict[str, float]:
    keys = METHODS[settings.method].keys
    return {key: getattr(settings, key) for key in keys if key not in ("data", "path")}


def _required(path: Path | None, settings: CalibrationSettings) -> Path:
    if path is None:
        raise UserError(
            f"calibration {settings.name}: expected a file for the method {settings.method}, found none"
        )
    return path
