"""Collect the profiles of all arms in `profile.csv`, and sum the operations of each network.

A row is one operation of one arm; its time is the median over runs.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import fsum
from pathlib import Path
from typing import Any

import dataframely as dy
import polars as pl

from superres.csv_rows import Row, read_columns, read_rows, write_rows
from superres.device.base.outputs import read_json
from superres.device.runtimes.base import runs_int8
from superres.report import labels
from superres.report.manifest import ArmOnClip, scale_of
from superres.report.metrics.operations import macs_by_name

CONVOLUTION, INTERPOLATION, LAYOUT, POINTWISE = "convolution", "interpolation", "moving data", "pointwise"
GROUPS = (CONVOLUTION, INTERPOLATION, LAYOUT, POINTWISE)
"""Kinds of operations, in the same words for all runtimes."""

TIMED_APART = (
    "Operations are timed one by one, with counters: their sum exceeds the time per frame. Figures 3 to 6 "
    "of the paper show the same for TensorRT."
)
"""Note for every table or plot of their times."""

_MOVES = (
    *("transpose", "reorder", "reshape", "concat", "split", "slice", "gather", "pad", "depthtospace"),
    *("depth_to_space", "pixel_shuffle", "permute", "contiguous", "copy", "stack", "squeeze", "reformat"),
    *("shuffle", "select", "index", "narrow", "chunk", "tile", "expand", "unbind"),
)
_KINDS = (
    (POINTWISE, ("convert",)),
    (CONVOLUTION, ("conv", "correlation", "deconv", "matmul", "gemm", "fullyconnected")),
    (INTERPOLATION, ("resize", "interpolate", "upsample")),
    (LAYOUT, _MOVES),
)
_COLUMNS = {
    "run": pl.Int64,
    "layer": pl.String,
    "kind": pl.String,
    "type": pl.String,
    "shape": pl.String,
    "macs": pl.Int64,
    "nodes": pl.String,
    "ms": pl.Float64,
}
_INT8_TYPES = {"i8", "u8", "int8", "uint8", "Int8", "UInt8"}
# Suffixes that ONNX Runtime appends to names of nodes whose layout it changes.
_SUFFIX = re.compile(r"(_nchwc|_token_\d+|_quant)$")


class Profile(dy.Schema):
    """Operations of all arms of a study; the columns' order is the file's."""

    target = dy.String(primary_key=True, description="machine that ran the arm")
    runtime = dy.String(primary_key=True, description="what executed the engine")
    model = dy.String(primary_key=True, description="architecture with weights, or bicubic")
    precision = dy.String(primary_key=True, description="precision of the arm")
    clip = dy.String(primary_key=True, description="clip whose first frame was run")
    scale = dy.Int64(min=1, max=8, description="how many times as wide and high the model makes a frame")
    position = dy.Int64(primary_key=True, min=0, description="place among the arm's operations")
    layer = dy.String(description="the runtime's name for the operation")
    kind = dy.String(description="the runtime's word for what it does")
    group = dy.String(
        regex=f"^({'|'.join(GROUPS)})$", description="the same, in the same words for all runtimes"
    )
    type = dy.String(nullable=True, description="type of its first input")
    shape = dy.String(nullable=True, description="shape of its first input")
    macs = dy.Float64(nullable=True, min=0.0, description="multiply-adds, of convolutions")
    ms = dy.Float64(min=0.0, description="median over runs, timed one by one")
    share = dy.Float64(min=0.0, max=1.0, description="share of the sum over all operations")
    gops = dy.Float64(nullable=True, min=0.0, description="2 x macs / time, 10^9 operations a second")
    nodes = dy.String(nullable=True, description="nodes of the ONNX file that it computes")


@dataclass(frozen=True)
class ProfileFiles:
    """The files of one arm's profile, and the ONNX file to count multiply-adds in."""

    arm: ArmOnClip
    profile: Path
    record: Path
    operations: Path | None


@dataclass(frozen=True)
class FloatLayer:
    """A layer that runs in float: its share of the network's multiply-adds (0: unknown) and of its time."""

    layer: str
    macs_share: float
    time_share: float


@dataclass(frozen=True)
class Network:
    """A network in one runtime and precision: number and milliseconds of its operations by group.

    `place` is clip, target and scale.
    """

    place: tuple[str, str, int]
    runtime: str
    precision: str
    model: str
    counts: dict[str, int]
    ms: dict[str, float]
    conv_gops: float | None
    int8: int
    float_layers: tuple["FloatLayer", ...] = ()

    @property
    def operations(self) -> int:
        """The number of operations."""
        return sum(self.counts.values())

    @property
    def total_ms(self) -> float:
        """The sum of their times [ms]."""
        return sum(self.ms.values())


def collect_profiles(arms: Sequence[ProfileFiles], out: Path) -> None:
    """Write `profile.csv`, without arms that did not run; raises UserError if a file is damaged."""
    write_rows(Profile, [row for files in arms for row in _rows(files)], out)


def read_profile(path: Path) -> dy.DataFrame[Profile]:
    """Read and check `profile.csv`; raises UserError for any other file."""
    return read_rows(Profile, path, "the profile of a study")


def read_networks(path: Path) -> list[Network]:
    """Read the networks of `profile.csv`, in the order of runtimes, precisions and models."""
    return _networks(read_profile(path).to_dicts())


def networks_of(arms: Sequence[ProfileFiles]) -> list[Network]:
    """Return the networks of some arms in that order, without arms that did not run."""
    return _networks([row for files in arms for row in _rows(files)])


def _networks(rows: Sequence[Row]) -> list[Network]:
    arms: dict[tuple, list[Row]] = {}
    for row in rows:
        key = (row["clip"], row["target"], row["scale"], row["runtime"], row["precision"], row["model"])
        arms.setdefault(key, []).append(row)
    runtimes = labels.order_runtimes(row["runtime"] for row in rows)
    models = labels.order_models(row["model"] for row in rows)
    precisions = labels.order_precisions((row["precision"] for row in rows), "")
    ordered = sorted(
        arms, key=lambda a: (a[:3], runtimes.index(a[3]), precisions.index(a[4]), models.index(a[5]))
    )
    return [_network(arm, arms[arm]) for arm in ordered]


def group_of(kind: str) -> str:
    """Return the group of an operation, by a runtime's word for it."""
    for group, words in _KINDS:
        if any(word in kind.lower() for word in words):
            return group
    return POINTWISE


def _rows(files: ProfileFiles) -> list[dict[str, Any]]:
    record = read_json(files.record, ("status",))
    if record["status"] != "ok":
        return []
    layers = _medians(files.profile)
    total = sum(layer["ms"] for layer in layers)
    known = macs_by_name(files.operations) if files.operations else {}
    return [
        {
            **asdict(files.arm),
            "scale": scale_of(record, files.record),
            "position": position,
            **{key: layer[key] for key in ("layer", "kind", "type", "shape", "ms", "nodes")},
            "group": group_of(layer["kind"]),
            "share": layer["ms"] / total if total else 0.0,
            **_rate(_macs(layer, known, record["pixels"]), layer["ms"]),
        }
        for position, layer in enumerate(layers)
    ]


def _medians(path: Path) -> list[dict[str, Any]]:
    frame = read_columns(_COLUMNS, path, may_be_empty=("type", "shape", "macs", "nodes"))
    first = [pl.col(name).first() for name in ("kind", "type", "shape", "macs", "nodes")]
    return frame.group_by("layer", maintain_order=True).agg(*first, pl.col("ms").median()).to_dicts()


def _macs(layer: Mapping[str, Any], known: Mapping[str, float], pixels: int) -> float | None:
    """Return the runtime's multiply-adds, or those of the convolution of that name; None without any."""
    if layer["macs"] is not None:
        return layer["macs"] or None
    count = known.get(_SUFFIX.sub("", layer["layer"]))
    return None if count is None else count * pixels


def _rate(macs: float | None, ms: float) -> dict[str, float | None]:
    return {"macs": macs, "gops": 2 * macs / ms / 1e6 if macs and ms else None}


def _network(arm: tuple, rows: Sequence[Row]) -> Network:
    clip, target, scale, runtime, precision, model = arm
    convolutions = [row for row in rows if row["group"] == CONVOLUTION]
    macs = sum(row["macs"] or 0.0 for row in convolutions)
    ms = {group: fsum(row["ms"] for row in rows if row["group"] == group) for group in GROUPS}
    return Network(
        (clip, target, scale),
        runtime,
        precision,
        model,
        {group: sum(row["group"] == group for row in rows) for group in GROUPS},
        ms,
        2 * macs / ms[CONVOLUTION] / 1e6 if macs and ms[CONVOLUTION] else None,
        sum(row["type"] in _INT8_TYPES for row in convolutions),
        _float_layers(rows) if runs_int8(precision) else (),
    )


def _float_layers(rows: Sequence[Row]) -> tuple[FloatLayer, ...]:
    """Return the convolutions and products that run in float, the slowest first."""
    macs = fsum(row["macs"] or 0.0 for row in rows)
    layers = [
        FloatLayer(row["layer"], (row["macs"] or 0.0) / macs if macs else 0.0, row["share"])
        for row in rows
        if (row["group"] == CONVOLUTION or row["macs"]) and row["type"] not in _INT8_TYPES
    ]
    return tuple(sorted(layers, key=lambda layer: -layer.time_share))
