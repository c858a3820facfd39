"""Round weights up or down by the effect on a layer's output, instead of to the nearest level."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx

from superres.device.base.progress import Progress
from superres.models.graphs.onnx_file import Convolution, attributes, own_size
from superres.quantization.grids import weight_grid
from superres.quantization.qdq import quantize_graph, quantized_convolutions
from superres.quantization.ranges.calibration import (
    FrameFile,
    RandomImages,
    count_images,
    first_images,
    read_images,
)
from superres.quantization.state import (
    State,
    StepJob,
    Taps,
    read_initializers,
    replace_initializers,
    with_biases,
    writer,
)
from superres.quantization.steps.bias import bias_name, refuse_after

_RIDGE = 1e-2
"""Weight of the distance from the float weights, as a share of the inputs' mean variance."""


def apply(state: State, job: StepJob) -> State:
    """Choose the levels of each quantised convolution's weights, and its bias, layer by layer.

    This minimises the mean squared difference between the float result of a convolution and its INT8 result,
    at `pixels` pixels of each of the first `images` calibration images. Its input is INT8, after the layers
    that are rounded already: M. Nagel and others, "Up or Down? Adaptive Rounding for Post-Training
    Quantization", arXiv:2004.10568, equations 20 and 21 without the activation function. There the choice is
    relaxed and trained. Here the levels of each output channel descend the quadratic form one level at a
    time, from the nearest ones and from those rounded in turn; the better end wins. Only the pixels are
    random (`seed`). Convolutions with dilations or groups keep the nearest levels. Raises UserError after a
    step that has rounded weights.
    """
    refuse_after(state, "adaround", ("adaround", "qat"))
    images = first_images(job.images("adaround"), job.settings.images)
    graph = with_biases(state.graph)
    ranges = state.ranges
    path = Path(job.model)
    found = quantized_convolutions(graph, ranges)
    convolutions = [convolution for convolution in found if _is_plain(graph, convolution)]
    # Check all biases before any work.
    windows = {convolution.result: _Window.of(graph, convolution) for convolution in convolutions}
    biases = {convolution.result: bias_name(graph, convolution) for convolution in convolutions}
    gains: dict[str, float] = {}
    total = (1 + len(convolutions)) * count_images(images)
    with Progress(f"adaround {job.model}", total=total) as progress:
        wanted = _wanted(state.graph, convolutions, images, job, progress)
        for convolution, drawn in zip(convolutions, wanted, strict=True):
            normal = _Normal()
            quantized = quantize_graph(graph, ranges, path)
            reads = writer(quantized, convolution.result).input[0]
            taps = Taps(quantized, [reads], job.threads)
            for (_, image), (where, results) in zip(read_images(images, own_size(graph)), drawn, strict=True):
                normal.add(windows[convolution.result].patches(taps.run(image)[reads][0], where), results)
                progress.update()
            weights = read_initializers(graph)[convolution.weights]
            grid = weight_grid(weights, ranges, convolution.weights)
            scale = np.broadcast_to(grid.scale, weights.shape[:1]).astype(np.float64)
            levels, gains[convolution.layer] = normal.round(
                weights.reshape(len(weights), -1).astype(np.float64), scale, ranges.weight_levels
            )
            rounded = levels * scale[:, None]
            values = {
                convolution.weights: rounded.reshape(weights.shape),
                biases[convolution.result]: normal.bias(rounded),
            }
            replace_initializers(graph, values)
            amax = [float(value) * ranges.weight_levels for value in grid.scale.reshape(-1)]
            ranges = replace(ranges, weight_amax={**ranges.weight_amax, convolution.weights: amax})
    left = [convolution.layer for convolution in found if convolution.layer not in gains]
    return State(graph, ranges, {"error_against_nearest": gains, "nearest": left})


def _is_plain(graph: onnx.ModelProto, convolution: Convolution) -> bool:
    """Return whether a convolution reads a window of adjacent pixels of all channels."""
    found = attributes(writer(graph, convolution.result))
    plain = {"dilations": [1, 1], "group": 1, "auto_pad": b"NOTSET"}
    return all(found.get(name, value) == value for name, value in plain.items())


Pixels = tuple[np.ndarray, np.ndarray]
"""Rows and columns of some pixels."""


def _wanted(
    graph: onnx.ModelProto,
    convolutions: Sequence[Convolution],
    images: RandomImages | FrameFile,
    job: StepJob,
    progress: Progress,
) -> list[list[tuple[Pixels, np.ndarray]]]:
    """Return each convolution's float results (N x O) at random pixels, by image; one pass for all."""
    drawn: list[list[tuple[Pixels, np.ndarray]]] = [[] for _ in convolutions]
    randoms = [np.random.default_rng([job.settings.seed, index]) for index in range(len(convolutions))]
    taps = Taps(graph, [convolution.result for convolution in convolutions], job.threads)
    for _, image in read_images(images, own_size(graph)):
        results = taps.run(image)
        for convolution, random, found in zip(convolutions, randoms, drawn, strict=True):
            values = results.pop(convolution.result)[0]
            where = _draw(random, values.shape[1:], job.settings.pixels)
            found.append((where, values[:, where[0], where[1]].T))
        progress.update()
    return drawn


def _draw(random: np.random.Generator, size: tuple[int, ...], pixels: int) -> Pixels:
    """Return rows and columns of some pixels, each at most once, sorted for fast reading."""
    height, width = size
    count = min(pixels, height * width)
    flat = np.sort(random.choice(height * width, count, replace=False, shuffle=False))
    return flat // width, flat % width


@dataclass(frozen=True)
class _Window:
    """The window of its input that a convolution reads for one pixel, `down` and `across` from the next."""

    down: int
    across: int
    height: int
    width: int
    top: int
    left: int

    @classmethod
    def of(cls, graph: onnx.ModelProto, convolution: Convolution) -> "_Window":
        """Return the window of a plain convolution."""
        found = attributes(writer(graph, convolution.result))
        kernel = read_initializers(graph)[convolution.weights].shape[2:]
        return cls(*found.get("strides", [1, 1]), *kernel, *found.get("pads", [0, 0, 0, 0])[:2])

    def patches(self, data: np.ndarray, where: Pixels) -> np.ndarray:
        """Return the windows of I x H x W at some output pixels, N x (I * kh * kw), float64."""
        found = np.zeros((len(where[0]), len(data), self.height, self.width))
        rows = where[0][:, None] * self.down - self.top + np.arange(self.height)
        columns = where[1][:, None] * self.across - self.left + np.arange(self.width)
        at = np.broadcast_arrays(rows[:, :, None], columns[:, None, :])
        # Beyond the border are zeros.
        inside = (at[0] >= 0) & (at[0] < data.shape[1]) & (at[1] >= 0) & (at[1] < data.shape[2])
        pixel, row, column = np.nonzero(inside)
        found[pixel, :, row, column] = data[:, at[0][inside], at[1][inside]].T
        return found.reshape(len(found), -1)


class _Normal:
    """Sums for the quadratic form: of inputs x (D of them), wanted outputs y (O) and their products."""

    def __init__(self) -> None:
        self._count = 0
        self._sums: Mapping[str, np.ndarray] = {}

    def add(self, x: np.ndarray, y: np.ndarray) -> None:
        """Add pixels: x N x D, y N x O."""
        y = y.astype(np.float64)
        new = {"x": x.sum(axis=0), "y": y.sum(axis=0), "xx": x.T @ x, "xy": x.T @ y}
        self._sums = {key: self._sums.get(key, 0) + value for key, value in new.items()}
        self._count += len(x)

    def bias(self, weights: np.ndarray) -> np.ndarray:
        """Return the best biases for weights O x D: the mean difference is zero."""
        return (self._sums["y"] - weights @ self._sums["x"]) / self._count

    def round(self, weights: np.ndarray, scale: np.ndarray, most: int) -> tuple[np.ndarray, float]:
        """Return levels O x D for weights O x D, and their error as a share of that of the nearest levels.

        `scale` O is the width of a level of each output channel, `most` the largest level.
        """
        mean_x, mean_y = self._sums["x"] / self._count, self._sums["y"] / self._count
        variance = self._sums["xx"] / self._count - np.outer(mean_x, mean_x)
        covariance = (self._sums["xy"] / self._count - np.outer(mean_x, mean_y)).T
        # Directions that the images hardly have keep the float weights.
        ridge = _RIDGE * np.trace(variance) / len(variance)
        variance[np.diag_indices_from(variance)] += ridge
        form = _Form(variance, covariance + ridge * weights, scale, most)
        nearest = np.clip(np.rint(weights / scale[:, None]), -most, most)
        starts = (nearest, form.round_in_turn())
        ends = [form.descend(levels) for levels in starts]
        errors = [form.excess(levels) for levels in ends]
        better = errors[1] < errors[0]
        chosen = np.where(better[:, None], ends[1], ends[0])
        return chosen, float(form.excess(chosen).sum() / form.excess(nearest).sum())


@dataclass(frozen=True)
class _Form:
    """The error of levels l: w^T V w - 2 c^T w for w = scale * l, a row for each output channel.

    `variance` D x D is positive definite, `covariance` O x D, `scale` O. No level is beyond `most`.
    """

    variance: np.ndarray
    covariance: np.ndarray
    scale: np.ndarray
    most: int

    def excess(self, levels: np.ndarray) -> np.ndarray:
        """Return the error of levels O x D above that of the best real numbers, O."""
        off = levels * self.scale[:, None] - self._best()
        return np.einsum("od,de,oe->o", off, self.variance, off, optimize=True)

    def _best(self) -> np.ndarray:
        return np.linalg.solve(self.variance, self.covariance.T).T

    def round_in_turn(self) -> np.ndarray:
        """Round levels one after the other; later ones compensate the error of earlier ones.

        Babai's nearest plane with the inverse's Cholesky factor, as in E. Frantar and others, "GPTQ",
        arXiv:2210.17323, equations 2 and 3. Inputs that vary most come first: their error is the hardest to
        compensate.
        """
        order = np.argsort(-np.diag(self.variance), kind="stable")
        inverse = np.linalg.inv(self.variance[np.ix_(order, order)])
        upper = np.linalg.cholesky(inverse).T
        left = self._best()[:, order]
        levels = np.empty_like(left)
        for i in range(left.shape[1]):
            level = np.clip(np.rint(left[:, i] / self.scale), -self.most, self.most)
            missed = (left[:, i] - level * self.scale) / upper[i, i]
            left[:, i + 1 :] -= missed[:, None] * upper[i, i + 1 :]
            levels[:, order[i]] = level
        return levels

    def descend(self, levels: np.ndarray) -> np.ndarray:
        """Change single levels by one, the best change first, until none improves the error."""
        levels = levels.copy()
        rows = np.arange(len(levels))
        slope = (levels @ self.variance) * self.scale[:, None] - self.covariance
        curvature = np.diag(self.variance) * self.scale[:, None] ** 2
        for _ in range(8 * levels.shape[1]):
            direction = -np.sign(slope)
            gain = 2 * np.abs(slope) * self.scale[:, None] - curvature
            gain[np.abs(levels + direction) > self.most] = 0
            best = gain.argmax(axis=1)
            moving = gain[rows, best] > 1e-9 * curvature[rows, best]
            if not moving.any():
                break
            steps = np.where(moving, direction[rows, best], 0)
            levels[rows, best] += steps
            slope += (steps * self.scale)[:, None] * self.variance[best]
        return levels
