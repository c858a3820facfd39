"""The record of how a graph is quantised: ranges of its tensors, and further choices."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx

from superres.device.base.conventions import INT8_MAX
from superres.device.base.errors import UserError
from superres.device.base.outputs import sha256_file
from superres.models.graphs.onnx_file import find_layers, load_onnx, observed_tensors

Activation = Literal["symmetric", "asymmetric"]
Weights = Literal["per-channel", "per-tensor"]


@dataclass(frozen=True)
class TensorRange:
    """The extremes of a tensor (None if not measured), and the largest magnitude that is quantised."""

    min: float | None
    max: float | None
    amax: float


@dataclass(frozen=True)
class Ranges:
    """How the convolutions of one FP32 graph are quantised.

    `tensors` has the range of the input and output of each convolution. `origin` is where the ranges come
    from: the calibration, its method, its images. `activation` symmetric is int8 around 0, asymmetric uint8
    with a zero-point. `weights` have one scale per output channel or per tensor: max |w| over
    `weight_levels`, or `weight_amax` of the initializer over it, a value a channel. Convolutions in
    `float_convolutions`, by the name of their output, stay in float. `sums` has the range of tensors that are
    rounded before they are added to another. `steps` are those taken since the calibration.
    """

    tensors: Mapping[str, TensorRange]
    origin: Mapping[str, Any]
    activation: Activation = "symmetric"
    weights: Weights = "per-channel"
    weight_amax: Mapping[str, Sequence[float]] = field(default_factory=dict)
    weight_levels: int = INT8_MAX
    float_convolutions: Sequence[str] = ()
    sums: Mapping[str, TensorRange] = field(default_factory=dict)
    steps: Sequence[Mapping[str, Any]] = ()


def ranges_text(ranges: Ranges, onnx_sha256: str) -> str:
    """Return the record of the graph with this hash as JSON text."""
    record = asdict(ranges)
    record = {**record.pop("origin"), **record, "onnx_sha256": onnx_sha256}
    return json.dumps(record, indent=2, sort_keys=True, allow_nan=False) + "\n"


def read_ranges(path: Path, onnx_path: Path) -> Ranges:
    """Return the record of a graph from a file.

    Raises UserError for another file or the record of another graph, for missing or surplus tensors, and
    for ranges that are not positive and finite.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        made_for = record.pop("onnx_sha256")
        named = {item.name: record.pop(item.name) for item in fields(Ranges) if item.name in record}
        tensors, sums = (
            {
                name: TensorRange(entry["min"], entry["max"], float(entry["amax"]))
                for name, entry in named.pop(key).items()
            }
            for key in ("tensors", "sums")
        )
        ranges = Ranges(tensors, origin=record, sums=sums, **named)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: expected a ranges file, found something else: {error!r}") from error
    found = sha256_file(onnx_path)
    if made_for != found:
        raise UserError(
            f"{path}: expected ranges of {onnx_path} (sha256 {found[:12]}), "
            f"found those of another graph ({str(made_for)[:12]}); calibrate again"
        )
    check_ranges(ranges, load_onnx(onnx_path), path)
    return ranges


def check_ranges(ranges: Ranges, graph: onnx.ModelProto, path: Path) -> None:
    """Raise UserError if these can't be the ranges of the graph; `path` is their file, for the message."""
    convolutions = find_layers(graph)
    names = observed_tensors(convolutions)
    if set(ranges.tensors) != set(names):
        odd = sorted(set(ranges.tensors) ^ set(names))
        raise UserError(
            f"{path}: expected ranges of {', '.join(names)}, "
            f"found unknown or missing: {', '.join(odd)}; calibrate again"
        )
    for name, tensor in ranges.tensors.items():
        _check_positive(tensor.amax, f"tensor {name}", path)
    for name, magnitudes in ranges.weight_amax.items():
        for value in magnitudes:
            _check_positive(value, f"weights {name}", path)
    levels = ranges.weight_levels
    if type(levels) is not int or not 1 <= levels <= INT8_MAX:
        raise UserError(f"{path}: expected weight_levels from 1 to {INT8_MAX}, found {levels!r}")
    known = {name for convolution in convolutions for name in (convolution.result, convolution.output)}
    for name in ranges.float_convolutions:
        if name not in known:
            raise UserError(
                f"{path}: expected the output of a convolution to keep in float, found no tensor {name}"
            )


def _check_positive(value: float, what: str, path: Path) -> None:
    if not np.finfo(np.float32).tiny <= np.float32(value / INT8_MAX) < np.inf:
        raise UserError(f"{path}: expected a positive range for {what}, found {value}; calibrate again")
