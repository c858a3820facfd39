"""Write the ranges of activations that a calibration gives: a small JSON, and TensorRT's cache beside it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from superres.device.errors import UserError
from superres.device.machine import sha256_file
from superres.device.outputs import Outputs
from superres.quantization.cache import format_cache, read_cache, select_ranges
from superres.quantization.calibration import CalibrationSettings
from superres.quantization.graph import find_convolutions, load_onnx, observed_tensors
from superres.quantization.levels import LEVELS
from superres.quantization.methods import METHODS
from superres.quantization.observation import Observed, read_observed

WITHOUT_IMAGES = ("fixed", "cache")
"""Methods that look at no image."""


@dataclass(frozen=True)
class Ranges:
    """What a calibration says: per tensor min, max (None where nothing was measured) and amax, and what it rests on."""

    tensors: Mapping[str, Mapping[str, float | None]]
    data: Mapping[str, Any]
    images: int
    notes: Mapping[str, str]


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
    """Write the range [-amax, amax] of what every convolution of an FP32 graph reads and writes.

    `observed` is the file of `observe_activations` that the methods of METHODS read, `cache` the TensorRT
    calibration cache that the method `cache` replays; `fixed` needs neither. Both outputs appear together.
    Raises UserError for an unknown method, statistics of another graph, tensors that are constant, and a
    cache that lacks a tensor.
    """
    if settings.method not in (*METHODS, *WITHOUT_IMAGES):
        raise UserError(
            f"calibration {settings.name}: expected a method among {', '.join((*METHODS, *WITHOUT_IMAGES))}, "
            f"found {settings.method}"
        )
    graph = load_onnx(onnx_path)
    names = observed_tensors(find_convolutions(graph))
    digest = sha256_file(onnx_path)
    if settings.method == "fixed":
        ranges = _fixed(graph, names, settings)
    elif settings.method == "cache":
        ranges = _replayed(_required(cache, settings), names)
    else:
        seen = read_observed(_required(observed, settings), settings.images)
        if seen.onnx_sha256 != digest or set(seen.tensors) != set(names):
            raise UserError(
                f"{observed}: expected statistics of {onnx_path}, found those of another graph; "
                "observe the activations again"
            )
        ranges = _measured(seen, names, settings)
    record = {
        "model": model,
        "calibration": settings.name,
        "method": settings.method,
        "settings": _method_settings(settings),
        "seed": ranges.data.get("seed"),
        "onnx_sha256": digest,
        **asdict(ranges),
    }
    _write(record, ranges, ranges_out, cache_out)


def _write(record: Mapping[str, Any], ranges: Ranges, ranges_out: Path, cache_out: Path) -> None:
    text = json.dumps(record, indent=2, sort_keys=True, allow_nan=False)
    amax = {name: float(entry["amax"] or 0) for name, entry in ranges.tensors.items()}
    with Outputs({"record": str(ranges_out), "cache": str(cache_out)}) as outputs:
        outputs["record"].write_text(text + "\n", encoding="utf-8")
        outputs["cache"].write_text(format_cache(amax), encoding="utf-8")


def _measured(seen: Observed, names: Sequence[str], settings: CalibrationSettings) -> Ranges:
    seen.require_spread(f"calibration {settings.name}")
    tensors, notes = {}, {}
    for name in names:
        statistics = seen.tensors[name]
        choice = METHODS[settings.method](statistics, settings)
        tensors[name] = {"min": statistics.low, "max": statistics.high, "amax": choice.amax}
        if statistics.low == statistics.high:
            notes[name] = f"{statistics.low} everywhere, as the data is"
        elif choice.note is not None:
            notes[name] = choice.note
        elif np.float32(choice.amax / LEVELS) == np.float32(1 / LEVELS):
            notes[name] = "the scale of 1.0, as for any images with a white pixel"
    return Ranges(tensors, seen.data, seen.images, notes)


def _fixed(graph: onnx.ModelProto, names: Sequence[str], settings: CalibrationSettings) -> Ranges:
    """What trtexec assumes without a calibration cache (TensorRT samples, sampleEngines.cpp, setTensorScales)."""
    inputs = {value.name for value in graph.graph.input}
    tensors = {
        name: _unmeasured(settings.input_range if name in inputs else settings.output_range) for name in names
    }
    return Ranges(tensors, {"type": "none"}, 0, {})


def _replayed(cache: Path, names: list[str]) -> Ranges:
    amax = select_ranges(read_cache(cache), names, cache)
    data = {"type": "cache", "name": cache.name, "sha256": sha256_file(cache)}
    return Ranges({name: _unmeasured(value) for name, value in amax.items()}, data, 0, {})


def _unmeasured(amax: float) -> dict[str, float | None]:
    return {"min": None, "max": None, "amax": amax}


def _method_settings(settings: CalibrationSettings) -> dict[str, float]:
    keys = {"percentile": ["percentile"], "fixed": ["input_range", "output_range"]}
    return {key: getattr(settings, key) for key in keys.get(settings.method, [])}


def _required(path: Path | None, settings: CalibrationSettings) -> Path:
    if path is None:
        raise UserError(
            f"calibration {settings.name}: expected a file for the method {settings.method}, found none"
        )
    return path
