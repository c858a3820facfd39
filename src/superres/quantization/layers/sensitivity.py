"""Sensitivity: the loss in PSNR of each layer's weights and activations, quantised alone or kept in float."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

import onnx

from superres.csv_rows import write_rows
from superres.device.base.outputs import sha256_file
from superres.device.base.progress import Progress
from superres.device.frames.files import Frames
from superres.device.frames.psnr import PsnrProtocol
from superres.device.runtimes.base import Session
from superres.device.tasks.engine import Clip, open_clip_frames, read_clip
from superres.device.tasks.quality import compare_frame
from superres.models.graphs.onnx_file import load_onnx
from superres.quantization.layers.executor import Executor, open_graph
from superres.quantization.layers.schema import ALL, NONE, PARTS, Sensitivity
from superres.quantization.qdq import BOTH, Part, quantize_graph, quantized_layers
from superres.quantization.ranges.record import read_ranges


@dataclass(frozen=True)
class ClipFiles:
    """A clip: its frames, their LR twins, its index."""

    hr: Path
    lr: Path
    index: Path


@dataclass(frozen=True)
class Variant:
    """A graph in which a part of a layer is quantised `alone`, or everything `all_but` it.

    `parts` names the quantised parts of each convolution, by its result.
    """

    layer: str
    part: str
    quantized: Literal["alone", "all_but"]
    parts: Mapping[str, Collection[Part]]

    @property
    def simulated(self) -> bool:
        """Whether a convolution would multiply INT8 data by float weights, which no runtime does."""
        return any(set(parts) == {"activations"} for parts in self.parts.values())


@dataclass(frozen=True)
class _Measured:
    """PSNR in dB and mean squared error, a value a clip, and the number of convolutions in INT8."""

    psnrs: Sequence[float]
    errors: Sequence[float]
    int8_convolutions: int


def measure_sensitivity(
    fp32: Path,
    onnx_path: Path,
    ranges_path: Path,
    clips: Sequence[ClipFiles],
    out: Path,
    *,
    model: str,
    recipe: str,
    float_layers: Collection[str] = (),
    executor: Executor,
    protocol: PsnrProtocol,
    frames: int | None = None,
) -> None:
    """Write `sensitivity.csv` of a model under a recipe: a row a clip, layer and part (see `Sensitivity`).

    `onnx_path` and `ranges_path` are the quantised state; losses are against the model's graph `fp32`. A
    runtime executes each graph, and its 8-bit frames are compared with HR, as an arm's. `frames` is their
    number in each clip, evenly spread (None: all). Raises UserError for files that don't belong together.
    """
    graph, ranges = load_onnx(onnx_path), read_ranges(ranges_path, onnx_path)
    variants = sensitivity_variants(quantized_layers(graph, ranges, onnx_path, float_layers))
    graphs = [quantize_graph(graph, ranges, onnx_path, parts=variant.parts) for variant in variants]
    opened = [_Clip(files, protocol, frames, executor.scale) for files in clips]
    label = f"measure_sensitivity {model} {recipe}"
    pairs = list(zip(graphs, variants, strict=True))
    reference, measured = _measure(load_onnx(fp32), pairs, opened, executor, label)
    facts: dict[str, Any] = {
        "model": model,
        "recipe": recipe,
        "runtime": executor.runtime,
        "border": protocol.border,
        "threads": executor.threads,
        "runtime_version": executor.version,
        "onnx_sha256": sha256_file(onnx_path),
        "ranges_sha256": sha256_file(ranges_path),
    }
    rows = [
        {
            **facts,
            "clip": clip.index.name,
            "frames": len(clip.chosen),
            "layer": variant.layer,
            "part": variant.part,
            "quantized": variant.quantized,
            "psnr_db": found.psnrs[i],
            "fp32_psnr_db": reference.psnrs[i],
            "loss_db": reference.psnrs[i] - found.psnrs[i],
            "added_mse": found.errors[i] - reference.errors[i],
            "int8_convolutions": found.int8_convolutions,
        }
        for i, clip in enumerate(opened)
        for variant, found in zip(variants, measured, strict=True)
    ]
    write_rows(Sensitivity, rows, out)


def sensitivity_variants(layers: Mapping[str, str]) -> list[Variant]:
    """Return the graphs that the sensitivity of some layers is measured on.

    These are: nothing quantised; all weights, all activations, everything; and of each layer the weights, the
    activations and both, alone and as the only part in float.
    """
    everything = dict.fromkeys(layers.values(), BOTH)
    variants = [Variant(NONE, "both", "alone", {})]
    variants += [Variant(ALL, name, "alone", dict.fromkeys(everything, part)) for name, part in PARTS.items()]
    for layer, result in layers.items():
        for name, part in PARTS.items():
            variants.append(Variant(layer, name, "alone", {result: part}))
            variants.append(Variant(layer, name, "all_but", {**everything, result: BOTH - part}))
    return variants


class _Clip:
    """An opened clip, with its protocol of PSNR."""

    def __init__(self, files: ClipFiles, protocol: PsnrProtocol, frames: int | None, scale: int):
        self._protocol = protocol
        self.index: Clip = read_clip(files.index)
        self.hr: Frames = open_clip_frames(files.hr, self.index.hr_shapes)
        self.lr: Frames = open_clip_frames(files.lr, self.index.lr_shapes(scale))
        count = len(self.lr) if frames is None else min(frames, len(self.lr))
        self.chosen = [i * len(self.lr) // count for i in range(count)]

    def quality(self, session: Session, progress: Progress) -> tuple[float, float]:
        """Return the mean PSNR of the chosen frames, in dB, and their mean squared error."""
        psnrs, errors = [], []
        for i in self.chosen:
            where = f"clip {self.index.name}, frame {self.index.names[i]}"
            compared = compare_frame(self.hr[i], session.run(self.lr[i]), self._protocol, where)
            errors.append(compared[2])
            psnrs.append(compared[3])
            self.hr.forget()
            self.lr.forget()
            progress.update()
        return fmean(psnrs), fmean(errors)


def _measure(
    fp32: onnx.ModelProto,
    variants: Sequence[tuple[onnx.ModelProto, Variant]],
    clips: Sequence[_Clip],
    executor: Executor,
    label: str,
) -> tuple[_Measured, list[_Measured]]:
    """Measure the model and each variant on each clip; equal graphs only once."""
    keys = [graph.SerializeToString(deterministic=True) for graph, _ in variants]
    reference = fp32.SerializeToString(deterministic=True)
    different = {reference: (fp32, False)}
    different |= {
        key: (graph, variant.simulated) for key, (graph, variant) in zip(keys, variants, strict=True)
    }
    found: dict[bytes, _Measured] = {}
    with Progress(label, len(different) * sum(len(clip.chosen) for clip in clips)) as progress:
        for key, (graph, simulated) in different.items():
            opened = open_graph(graph, executor, simulated=simulated)
            psnrs, errors = zip(*(clip.quality(opened.session, progress) for clip in clips), strict=True)
            found[key] = _Measured(psnrs, errors, opened.int8_convolutions)
    return found[reference], [found[key] for key in keys]
