"""Adopt an ONNX file of others: find what it takes and gives, and write it into the graph."""

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from math import ceil, isfinite
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from PIL import Image

from superres.device.base.conventions import INPUT, OUTPUT
from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs, read_json, sha256_file, write_json
from superres.device.machine.memory import within_free_memory
from superres.keys import SCALES
from superres.models.adoption.contract import with_contract
from superres.models.adoption.ends import Ends, find_ends
from superres.models.adoption.quantized import in_float
from superres.models.adoption.reach import Reach, measure_reach
from superres.models.adoption.reading import (
    ACTIVATIONS,
    Reading,
    Run,
    Tried,
    enlarge,
    fits,
    psnr_of,
    readings,
    try_reading,
)
from superres.models.adoption.rewriting import (
    add_activation,
    add_biases,
    normalised,
    read_foreign,
    rewrite_transposed,
    simplified,
    with_size,
)
from superres.models.adoption.sizes import Sizes, refusing_broken, runner, with_any_size
from superres.models.adoption.statements import Adoption, is_quantized
from superres.models.graphs.editor import GraphEditor
from superres.models.graphs.footprint import find_reach, write_reach
from superres.models.graphs.onnx_file import OPSET

NO_PICTURE_DB = 3.0
"""A reading this far below bicubic interpolation is no picture."""

CLEARLY_DB = 0.3
"""Another reading that is better by this is worth a line."""

# Far more than a network takes for a photograph of 192 pixels a side.
_MOST_BYTES = 6 << 30

_SIDE = 192
_REACHING = 64

_REWRITTEN = ("ConvTranspose", "BatchNormalization", "QuantizeLinear", "Dropout")


@dataclass(frozen=True)
class Choice:
    """The reading that is taken, all that were tried, bicubic interpolation's PSNR, and a doubt if any."""

    taken: Tried
    tried: Sequence[Tried]
    bicubic_db: float
    doubt: str

    @property
    def described(self) -> dict[str, Any]:
        """A record's part about it; None for a picture with NaN."""
        given = {
            str(one.reading): round(one.psnr_db, 4) if isfinite(one.psnr_db) else None for one in self.tried
        }
        figures = {"psnr_db": round(self.taken.psnr_db, 4), "bicubic_db": round(self.bicubic_db, 4)}
        return {**asdict(self.taken.reading), **figures, "readings": given}


@dataclass(frozen=True)
class Photograph:
    """A photograph, uint8 RGB, and its small twin, an integer number of times smaller."""

    hr: np.ndarray
    lr: np.ndarray


@within_free_memory(_MOST_BYTES)
def adopt_onnx(source: Path, out: Path, record: Path, stated: Adoption) -> None:
    """Write a foreign super-resolution network as `frame` to `upscaled`, float32 RGB in [0, 1], any size.

    `stated` is what the study says of it; the rest is found by running the network on a photograph, printed
    and written to `record`. Raises UserError for a file that is no such network, for one of another scale
    than the stated one, and if the reading taken gives no picture.
    """
    with refusing_broken(source):
        _adopt(source, out, record, stated)


def _adopt(source: Path, out: Path, record: Path, stated: Adoption) -> None:
    where, notes = str(source), []
    model = normalised(read_foreign(source), source, notes)
    ends = find_ends(model, stated, where)
    if stated.last_activation is not None:
        add_activation(model, ends.output, stated.last_activation)
    if is_quantized(source):
        model = in_float(model, where)
        notes.append("quantised already: fp32 is its float form, the precision as-is runs it as it is")
    model = _simplified(model, ends, notes)
    sizes = with_any_size(model, ends, where)
    _check_scale(sizes.scale, stated.scale, where)
    photograph = _photograph(sizes)
    choice = _choose(sizes, ends, stated, photograph, where)
    notes += [choice.doubt] if choice.doubt else []
    taken = choice.taken
    graph = with_contract(
        sizes.model, ends, taken.reading, scale=sizes.scale, multiple=sizes.multiple, own=sizes.own
    )
    if _is_the_same(original := read_foreign(source), ends, sizes, taken.reading):
        # As this package writes networks: engines have the same bytes too.
        graph = original
    _check_contract(graph, taken, photograph)
    if reach := _reach_of(graph, sizes, notes):
        write_reach(graph, reach.radius, reach.multiple)
    found = {
        "source": where,
        "source_sha256": sha256_file(source),
        "scale": sizes.scale,
        "multiple": sizes.multiple,
        "own_size": sizes.own,
        "reach": None if reach is None else asdict(reach),
        **{key: value for key, value in asdict(ends).items() if key not in ("channels", "size")},
        **choice.described,
        "notes": notes,
    }
    _say(found)
    onnx.checker.check_model(graph, full_check=True)
    with Outputs({"onnx": str(out), "record": str(record)}) as outputs:
        outputs["onnx"].write_bytes(graph.SerializeToString(deterministic=True))
        write_json(outputs["record"], found)


@within_free_memory(_MOST_BYTES)
def adopt_as_is(source: Path, adopted: Path, out: Path) -> None:
    """Write a network that is quantised already as `frame` to `upscaled`, with all of its nodes as they are.

    `adopted` is the record of `adopt_onnx`, which says how it is read. Raises UserError for a file that isn't
    quantised.
    """
    keys = ("input", "output", "layout", "colour", "range", "swing", "reach")
    where, found = str(source), read_json(adopted, keys)
    if not is_quantized(source):
        raise UserError(f"{where}: expected a graph that is quantised already, found none; take as-is out")
    model = normalised(read_foreign(source), source, [])
    ends = find_ends(model, Adoption(**{key: found[key] for key in ("input", "output", "layout")}), where)
    sizes = with_any_size(model, ends, where)
    reading = Reading(found["colour"], found["range"], found["swing"])
    graph = with_contract(
        sizes.model, ends, reading, scale=sizes.scale, multiple=sizes.multiple, own=sizes.own
    )
    if found["reach"] is not None:
        write_reach(graph, **found["reach"])
    onnx.checker.check_model(graph)
    with Outputs({"onnx": str(out)}) as outputs:
        outputs["onnx"].write_bytes(graph.SerializeToString(deterministic=True))


def _is_the_same(model: onnx.ModelProto, ends: Ends, sizes: Sizes, reading: Reading) -> bool:
    """Return whether a file has the pipeline's ends already, in its opset, and nothing that is rewritten."""
    last = model.graph.node[-1]
    limits = [GraphEditor(model).constant(name) for name in last.input[1:]]
    usual = Ends(INPUT, OUTPUT, "NCHW", 3, "float32", "float32", None)
    return (
        ends == usual
        and reading == Reading("rgb", "0..1")
        and (sizes.multiple, sizes.own) == (1, None)
        and [(entry.domain, entry.version) for entry in model.opset_import] == [("", OPSET)]
        and (last.op_type, list(last.output), limits) == ("Clip", [OUTPUT], [0.0, 1.0])
        and len(model.graph.input) == 1
        and not {node.op_type for node in model.graph.node} & {*_REWRITTEN}
    )


def _simplified(model: onnx.ModelProto, ends: Ends, notes: list[str]) -> onnx.ModelProto:
    """Fold constants and normalisation, and rewrite transposed convolutions."""
    dynamic = with_size(model, ends.input, ends.dims("height", "width"))
    try:
        dynamic = simplified(dynamic)
    except Exception:  # noqa: BLE001 - the sizes of the file itself may be needed; it is run as it is
        dynamic = model
    if count := rewrite_transposed(dynamic):
        notes.append(f"{count} transposed convolutions became convolutions and DepthToSpace, exactly")
    add_biases(dynamic)
    return dynamic


def _check_scale(found: int, stated: int | None, where: str) -> None:
    most = max(SCALES)
    if found not in SCALES:
        raise UserError(
            f"{where}: expected a network that makes a frame 1 to {most} times as wide, found x{found}"
        )
    if stated is not None and stated != found:
        raise UserError(
            f"{where}: expected a network of the scale {stated}, as the study states or by default, found "
            f"x{found}; write `scale: {found}` next to `onnx`"
        )


def _reach_of(graph: onnx.ModelProto, sizes: Sizes, notes: list[str]) -> Reach | None:
    """Return how far a network looks if that must be measured; None if its operators tell.

    Frames are cut by it: for a network of one size, and for any where a frame is too large for memory.
    """
    if sizes.own is None and find_reach(graph)[0] is not None:
        return None
    side = -(-_REACHING // sizes.multiple) * sizes.multiple
    reach = measure_reach(_of_frames(graph), sizes.own or (side, side), sizes.scale)
    if sizes.own is None:
        return reach
    height, width = sizes.own
    if reach.radius is None:
        how = "which can't be joined exactly: other frames are refused"
    else:
        how = f"in tiles that overlap by {2 * reach.radius} pixels"
    notes.append(f"takes pictures of {width}x{height} alone, {how}")
    return reach


def _photograph(sizes: Sizes) -> Photograph:
    """Return a detail of a photograph that a dependency carries, of a size that a network takes."""
    path = files("matplotlib") / "mpl-data" / "sample_data" / "grace_hopper.jpg"
    with path.open("rb") as file, Image.open(file) as image:
        side = max(_SIDE // sizes.scale // sizes.multiple, 1) * sizes.multiple
        height, width = sizes.own or (side, side)
        across, down = 160 + width * sizes.scale, 60 + height * sizes.scale
        whole = image.convert("RGB")
        if across > whole.width or down > whole.height:
            more = max(across / whole.width, down / whole.height)
            whole = whole.resize((ceil(more * whole.width), ceil(more * whole.height)))
        hr = whole.crop((160, 60, across, down))
        lr = hr.resize((width, height), Image.Resampling.BICUBIC)
    return Photograph(np.asarray(hr), np.asarray(lr))


def _choose(sizes: Sizes, ends: Ends, stated: Adoption, photograph: Photograph, where: str) -> Choice:
    """Return the reading to take; raises UserError if none gives a picture."""
    run = runner(sizes.model, ends)
    tried = [
        Tried(reading, psnr_of(try_reading(run, ends, reading, photograph.lr, sizes.scale), photograph.hr))
        for reading in readings(ends)
    ]
    bicubic = psnr_of(enlarge(photograph.lr / 255.0, sizes.scale), photograph.hr)
    taken, doubt = _taken(tried, [one for one in tried if fits(one.reading, stated, ends)], bicubic)
    if doubt and taken.psnr_db < bicubic - NO_PICTURE_DB:
        doubt += _lacking(run, ends, photograph, sizes.scale, bicubic)
    if doubt and taken.psnr_db < bicubic - NO_PICTURE_DB and (stated.colour is None or stated.range is None):
        raise UserError(f"{where}: {doubt}")
    return Choice(taken, tried, bicubic, doubt)


def _taken(tried: Sequence[Tried], possible: Sequence[Tried], bicubic: float) -> tuple[Tried, str]:
    """Return the reading to take, and a doubt about it, or an empty text."""
    best = max(tried, key=lambda one: one.psnr_db)
    enough = max(one.psnr_db for one in possible) - CLEARLY_DB
    # The usual ones come first: a network that is linear gives the same picture in every range.
    taken = next(one for one in possible if one.psnr_db >= enough)
    doubt = ""
    if taken.psnr_db < bicubic - NO_PICTURE_DB:
        each = "; ".join(f"{one.reading}: {one.psnr_db:.1f} dB" for one in tried)
        doubt = (
            f"expected a picture close to bicubic interpolation ({bicubic:.1f} dB), found none by "
            f"{taken.reading} ({taken.psnr_db:.1f} dB); each way gave: {each}; state colour, range or swing, "
            "or check the weights"
        )
    elif best.psnr_db > taken.psnr_db + CLEARLY_DB:
        doubt = (
            f"{best.reading} would give {best.psnr_db:.2f} dB, {taken.reading} gives {taken.psnr_db:.2f}: "
            "state colour, range or swing if that is meant"
        )
    return taken, doubt


def _lacking(run: Run, ends: Ends, photograph: Photograph, scale: int, bicubic: float) -> str:
    """Return which activation behind the network would make a picture of its output; empty if none does."""
    for name, activation in ACTIVATIONS.items():
        ended = _ended(run, activation)
        pictures = [try_reading(ended, ends, reading, photograph.lr, scale) for reading in readings(ends)]
        best = max(psnr_of(picture, photograph.hr) for picture in pictures)
        if best >= bicubic - NO_PICTURE_DB:
            return f"; with a last {name}, which the file lacks, {best:.1f} dB: state last_activation: {name}"
    return ""


def _ended(run: Run, activation: Run) -> Run:
    return lambda batch: activation(run(batch).astype(np.float64))


def _check_contract(graph: onnx.ModelProto, taken: Tried, photograph: Photograph) -> None:
    """Raise RuntimeError if the written graph gives another picture than the network read by hand."""
    frame = (photograph.lr.transpose(2, 0, 1)[None] / 255.0).astype(np.float32)
    picture = _of_frames(graph)(np.ascontiguousarray(frame))[0].transpose(1, 2, 0)
    found = psnr_of(picture.astype(np.float64), photograph.hr)
    if abs(found - taken.psnr_db) > 0.01:
        raise RuntimeError(f"the adopted graph gives {found} dB, the network itself {taken.psnr_db}")


def _of_frames(graph: onnx.ModelProto) -> Run:
    """Return a function that runs a written graph on float32 planes."""
    return runner(graph, Ends(INPUT, OUTPUT, "NCHW", 3, "float32", "float32", None))


def _say(found: dict[str, Any]) -> None:
    print(
        f"{found['source']}: x{found['scale']}, {found['colour']} in {found['range']}, {found['layout']}, "
        f"{found['input_type']}: {found['psnr_db']:.2f} dB on a photograph (bicubic "
        f"{found['bicubic_db']:.2f})",
        *found["notes"],
        sep="\n  ",
        file=sys.stderr,
    )
