"""Stream images through an FP32 graph once, and keep statistics of its activations for all methods."""

import json
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import onnx
import onnxruntime as ort

from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs, sha256_file
from superres.device.base.progress import Progress
from superres.device.base.words import counted
from superres.device.machine.facts import usable_cpus
from superres.models.graphs.onnx_file import (
    find_layers,
    load_onnx,
    observed_tensors,
    own_size,
    with_outputs,
)
from superres.quantization.ranges.calibration import (
    FrameFile,
    Image,
    RandomImages,
    count_images,
    describe_data,
    read_images,
    tiles_of,
)
from superres.quantization.ranges.histogram import Statistics, measure, merge, widen

LADDER = (1, 2, 5, 10, 20, 40, 100)
"""Numbers of images whose statistics are always kept: a plot over them needs no second pass."""


@dataclass(frozen=True)
class Observed:
    """Statistics of a graph's tensors on the first `images` images of `data` (by `describe_data`)."""

    onnx_sha256: str
    data: Mapping[str, Any]
    images: int
    tensors: Mapping[str, Statistics]

    @property
    def is_random(self) -> bool:
        """Whether the data is a dummy, which no photograph need look like."""
        return self.data.get("type") == "random"

    @property
    def constant(self) -> bool:
        """Whether tensors may be constant, since the data is."""
        return self.data.get("kind") == "ones"

    def require_spread(self, where: str) -> None:
        """Raise UserError for a tensor that is zero or, on varying data, constant."""
        for name, seen in self.tensors.items():
            if seen.amax == 0 or (seen.low == seen.high and not self.constant):
                raise UserError(
                    f"tensor {name}: expected values that vary over {where}, found {seen.low} everywhere; "
                    "check the images and the weights of the model"
                )


def observe_activations(
    onnx_path: Path,
    data: RandomImages | FrameFile,
    out: Path,
    *,
    prefixes: Sequence[int] = (),
    model: str,
    threads: int = 0,
) -> None:
    """Write statistics of the input and output of each convolution, for the first images of the data.

    `onnx_path` is an FP32 graph with one image input (float32 1 x 3 x H x W in [0, 1]). The output of a
    layer is taken after its activation function. `prefixes` are numbers of images to keep statistics for,
    besides LADDER and all. Images stream one at a time: memory doesn't depend on their number. `threads` 0
    takes all CPUs. The file is an .npz without pickled objects; the same inputs and threads give the same
    bytes. Raises UserError for a graph without layers to quantise, an empty calibration set, activations that
    are not finite, and constant tensors.
    """
    graph = load_onnx(onnx_path)
    layers = find_layers(graph)
    names = observed_tensors(layers)
    # Those of products have their channels elsewhere, or none.
    flat = {name for layer in layers if layer.kind != "Conv" for name in observed_tensors([layer])}
    if not names:
        raise UserError(
            f"{onnx_path}: expected a graph with convolutions or products to calibrate, found none"
        )
    kept = _prefixes(data, prefixes)
    session = _open_observed(graph, names, threads)
    workers, size = threads or usable_cpus(), own_size(graph)
    parts: dict[str, list[Statistics]] = {name: [] for name in names}
    with ThreadPoolExecutor(workers) as pool, Progress(f"observe {model}", total=kept[-1]) as progress:
        for index, image in zip(range(kept[-1]), read_images(data), strict=False):
            label, whole = image
            for number, tile in enumerate(tiles_of(whole, size)):
                for name, values, lows, highs in _run(session, names, (label, tile), flat):
                    seen = measure(values, lows, highs, pool, workers)
                    # Free the values before the next tensor is taken.
                    del values
                    if number == 0 and (index == 0 or index in kept):
                        parts[name].append(seen)
                    else:
                        parts[name][-1] = merge(parts[name][-1], seen)
            progress.update()
    facts = {"onnx_sha256": sha256_file(onnx_path), "data": describe_data(data), "prefixes": kept}
    _join(facts, parts, kept[-1]).require_spread("the images")
    _write(out, facts, parts)


def read_observed(path: Path, images: int | None = None) -> Observed:
    """Return the statistics in a file of `observe_activations` for the first `images` images (None: all).

    Raises UserError for another file, and for a number of images that it doesn't hold.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            facts = json.loads(str(arrays["facts"]))
            kept = facts["prefixes"]
            count = kept[-1] if images is None else images
            if count not in kept:
                raise UserError(
                    f"{path}: expected statistics of {counted(count, 'image')}, found those of "
                    f"{', '.join(map(str, kept))}; observe the activations again"
                )
            parts = _read_parts(arrays, facts["names"], kept.index(count) + 1)
    except (OSError, ValueError, KeyError, TypeError, BadZipFile, zlib.error) as error:
        raise UserError(
            f"{path}: expected statistics of activations, found something else: {error!r}"
        ) from error
    return _join(facts, parts, count)


def _prefixes(data: RandomImages | FrameFile, asked: Sequence[int]) -> list[int]:
    """Return the numbers of images to keep, increasing; the last is that of all."""
    total = count_images(data)
    if surplus := [count for count in asked if not 1 <= count <= total]:
        raise UserError(
            f"calibration images: expected {surplus[0]}, as a calibration or sweep asks for, found {total}; "
            "lower its `images`, or add images to the set"
        )
    return sorted({total, *asked, *(count for count in LADDER if count < total)})


def _open_observed(graph: onnx.ModelProto, names: Sequence[str], threads: int) -> ort.InferenceSession:
    """Return a session with every observed tensor as an output."""
    observed = with_outputs(graph, names)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    return ort.InferenceSession(observed.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _run(
    session: ort.InferenceSession, names: Sequence[str], image: Image, flat: Collection[str]
) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield each observed tensor with its finite values and its channels' extremes, for one image.

    Those in `flat` count as one channel.
    """
    label, tensor = image
    entry = session.get_inputs()[0].name
    computed = [name for name in names if name != entry]
    values = dict(zip(computed, session.run(computed, {entry: tensor}), strict=True))
    values[entry] = tensor
    for name in names:
        array = np.asarray(values.pop(name))
        # numpy's min and max pass on a NaN: both are finite only if all values are.
        others = tuple(axis for axis in range(array.ndim) if axis != 1)
        if name in flat:
            lows, highs = array.min(keepdims=True).reshape(1), array.max(keepdims=True).reshape(1)
        else:
            lows, highs = array.min(axis=others), array.max(axis=others)
        if not (np.isfinite(lows).all() and np.isfinite(highs).all()):
            raise UserError(
                f"tensor {name}, image {label}: expected finite activations, found {lows.min()} to "
                f"{highs.max()}; check the weights of the model"
            )
        yield name, array, lows, highs


def _join(facts: Mapping[str, Any], parts: Mapping[str, Sequence[Statistics]], images: int) -> Observed:
    tensors = {}
    for name, pieces in parts.items():
        joined = pieces[0]
        for piece in pieces[1:]:
            joined = merge(joined, piece)
        tensors[name] = joined
    return Observed(facts["onnx_sha256"], {**facts["data"], "count": images}, images, tensors)


def _write(out: Path, facts: Mapping[str, Any], parts: Mapping[str, Sequence[Statistics]]) -> None:
    arrays: dict[str, np.ndarray] = {"facts": np.asarray(json.dumps({**facts, "names": list(parts)}))}
    for index, pieces in enumerate(parts.values()):
        exponent = max(piece.exponent for piece in pieces)
        counts = np.stack([widen(piece, exponent).counts for piece in pieces])
        # 60 large images can have more zeros than fit into 32 bits.
        fits = counts.max() <= np.iinfo(np.uint32).max
        arrays[f"counts_{index}"] = counts.astype(np.uint32) if fits else counts
        arrays[f"exponent_{index}"] = np.asarray(exponent)
        arrays[f"extremes_{index}"] = np.asarray([(piece.lows, piece.highs) for piece in pieces])
    with Outputs({"observed": str(out)}) as outputs, outputs["observed"].open("wb") as file:
        np.savez_compressed(file, **arrays)  # pyright: ignore[reportArgumentType]


def _read_parts(
    arrays: Mapping[str, np.ndarray], names: Sequence[str], number: int
) -> dict[str, list[Statistics]]:
    parts = {}
    for index, name in enumerate(names):
        counts = arrays[f"counts_{index}"][:number].astype(np.int64)
        extremes = arrays[f"extremes_{index}"][:number]
        exponent = int(arrays[f"exponent_{index}"])
        parts[name] = [
            Statistics(lows, highs, exponent, count)
            for (lows, highs), count in zip(extremes, counts, strict=True)
        ]
    return parts
