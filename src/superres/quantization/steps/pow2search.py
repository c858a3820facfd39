"""Fixed point by search: the power-of-two scales whose output comes closest to the float graph's."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

from superres.device.base.errors import UserError
from superres.device.base.progress import Progress
from superres.models.graphs.onnx_file import own_size
from superres.quantization.fraction_bits import FractionBits, bits_by_range, with_bits
from superres.quantization.qdq import quantize_graph
from superres.quantization.ranges.calibration import Image, first_images, read_images
from superres.quantization.state import State, StepJob

Choice = tuple[int, ...]
"""Fraction bits of each tensor, then of each layer's weights, as differences to those by range."""


def apply(state: State, job: StepJob) -> State:
    """Choose fraction bits as `pow2` does, then add or remove single bits while the output's error falls.

    This is the squared error of the graph's output against the float graph's, on the first `images`
    calibration images. The search is coordinate descent over the fraction bits of every tensor and of the
    weights of every layer, whose channels move together. It ends when no single change helps, at the latest
    after `sweeps` rounds. Raises UserError as `pow2` does, and for a calibration without images.
    """
    start = bits_by_range(state, "pow2search")
    chosen = first_images(job.images("pow2search"), job.settings.images)
    images = list(read_images(chosen, own_size(state.graph)))
    search = _Search(state, start, _references(state.graph, images, job.threads), job)
    best: Choice = (0,) * (len(start.tensors) + len(start.weights))
    first = search.error(best, None)
    if not np.isfinite(first):
        raise UserError(f"step pow2search: expected a finite output of {job.model}, found NaN or infinity")
    least = first
    moves = list(_single_moves(len(best)))
    with Progress(f"pow2search {job.model}", total=job.settings.sweeps * len(moves)) as progress:
        for _ in range(job.settings.sweeps):
            before = best
            for move in moves:
                moved = tuple(a + b for a, b in zip(best, move, strict=True))
                if (error := search.error(moved, least)) < least:
                    best, least = moved, error
                progress.update()
            if best == before:
                break
        progress.total = progress.done
    facts = {"mse": {"by_range": _round(first), "by_search": _round(least)}, "images": len(images)}
    return with_bits(state, search.bits(best), facts)


def _round(error: float) -> float:
    # The last bits of float sums depend on the number of threads.
    return float(f"{error:.6g}")


def _single_moves(count: int) -> Iterator[Choice]:
    """Yield one bit more, and one less, in each place."""
    for place in range(count):
        for move in (1, -1):
            yield tuple(move if place == other else 0 for other in range(count))


Reference = tuple[np.ndarray, np.ndarray]
"""An image, and the float graph's output for it."""


def _references(graph: onnx.ModelProto, images: list[Image], threads: int) -> list[Reference]:
    session = _open(graph, threads)
    return [(image, _run(session, image)) for _, image in images]


@dataclass
class _Search:
    """The errors of choices, each computed once."""

    state: State
    start: FractionBits
    references: list[Reference]
    job: StepJob
    known: dict[Choice, float] = field(default_factory=dict)

    def bits(self, choice: Choice) -> FractionBits:
        names = list(self.start.tensors)
        tensors = dict(zip(names, choice, strict=False))
        weights = dict(zip(self.start.weights, choice[len(names) :], strict=True))
        return self.start.moved(tensors, weights)

    def error(self, choice: Choice, enough: float | None) -> float:
        """Return the mean squared error of the output; may stop early at a value of `enough` or more."""
        if choice in self.known:
            return self.known[choice]
        moved = with_bits(self.state, self.bits(choice), {})
        session = _open(quantize_graph(moved.graph, moved.ranges, Path(self.job.model)), self.job.threads)
        values = sum(wanted.size for _, wanted in self.references)
        total = 0.0
        for image, wanted in self.references:
            difference = (_run(session, image) - wanted).ravel()
            total += float(np.square(difference, dtype=np.float64).sum()) / values
            if enough is not None and total >= enough:
                # Further images could only add to it.
                break
        self.known[choice] = total
        return total


def _open(graph: onnx.ModelProto, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # In float on rounded values: a processor's own INT8 sums may overflow.
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    return ort.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _run(session: ort.InferenceSession, image: np.ndarray) -> np.ndarray:
    (output,) = session.run(None, {session.get_inputs()[0].name: image})
    return np.asarray(output)
