"""Adopt an ONNX file of others: find what it takes and gives, and write it into the graph."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from superres.device.base.conventions import INPUT, OUTPUT
from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs, read_json, sha256_file, write_json
from superres.device.base.words import counted
from superres.device.machine.memory import within_free_memory
from superres.keys import SCALES
from superres.models.adoption.choice import Photograph, choose, take_photograph
from superres.models.adoption.contract import CLIP, with_contract
from superres.models.adoption.ends import Ends, find_ends
from superres.models.adoption.faithful import check_faithful
from superres.models.adoption.quantized import in_float
from superres.models.adoption.reach import Reach, measure_reach
from superres.models.adoption.reading import Reading, Run, Tried, psnr_of
from superres.models.adoption.rewriting import (
    add_activation,
    add_biases,
    normalised,
    read_foreign,
    refuse_control_flow,
    rewrite_transposed,
    simplified,
    with_size,
)
from superres.models.adoption.sizes import Sizes, refusing_broken, runner, with_any_size
from superres.models.adoption.statements import Adoption, external_files, is_quantized
from superres.models.graphs.editor import GraphEditor
from superres.models.graphs.footprint import find_reach, write_reach
from superres.models.graphs.onnx_file import OPSET

# Far more than a network takes for a photograph of 192 pixels a side.
_MOST_BYTES = 6 << 30

_REACHING = 64

_REWRITTEN = ("ConvTranspose", "BatchNormalization", "QuantizeLinear", "Dropout")


@within_free_memory(_MOST_BYTES)
def adopt_onnx(source: Path, out: Path, record: Path, stated: Adoption, *, named: str = "") -> None:
    """Write a foreign super-resolution network as `frame` to `upscaled`, float32 RGB in [0, 1], any size.

    `stated` is what the study says of it; the rest is found by running the network on a photograph, printed
    and written to `record`. `named` is the user's file in messages, if `source` was made of another one.
    Raises UserError for a file that is no such network, for one of another scale than the stated one, and if
    the reading taken gives no picture.
    """
    where = named or str(source)
    with refusing_broken(source, where):
        _adopt(source, out, record, stated, where)


def _adopt(source: Path, out: Path, record: Path, stated: Adoption, where: str) -> None:
    notes: list[str] = []
    model = normalised(read_foreign(source), Path(where), notes)
    ends = find_ends(model, stated, where)
    if stated.last_activation is not None:
        add_activation(model, ends.output, stated.last_activation)
    converted = model if is_quantized(source) else None
    if converted is not None:
        model = in_float(model, where)
        notes.append("quantised already: fp32 is its float form, the precision as-is runs it as it is")
    model = _simplified(model, ends, notes)
    refuse_control_flow(model, where)
    sizes = with_any_size(model, ends, where)
    _check_scale(sizes.scale, stated.scale, where)
    check_faithful(
        source, converted or sizes.model, ends, sizes, activation=stated.last_activation, where=where
    )
    if sizes.multiple > 1:
        notes.append(f"frames are padded to multiples of {sizes.multiple} pixels, and its pictures cropped")
    photograph = take_photograph(sizes)
    choice = choose(sizes, ends, stated, photograph, where)
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
        "external_sha256": {path: sha256_file(Path(path)) for path in external_files(source)},
        "scale": sizes.scale,
        "multiple": sizes.multiple,
        "own_size": sizes.own,
        "reach": None if reach is None else asdict(reach),
        **{key: value for key, value in asdict(ends).items() if key not in ("channels", "size")},
        **choice.described,
        "clips_itself": graph.graph.node[-1].name != CLIP,
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
    keys = ("input", "output", "layout", "colour", "range", "swing", "output_range", "reach")
    where, found = str(source), read_json(adopted, keys)
    if not is_quantized(source):
        raise UserError(f"{where}: expected a graph that is quantised already, found none; take as-is out")
    model = normalised(read_foreign(source), source, [])
    ends = find_ends(model, Adoption(**{key: found[key] for key in ("input", "output", "layout")}), where)
    sizes = with_any_size(model, ends, where)
    graph = with_contract(
        sizes.model, ends, _reading(found), scale=sizes.scale, multiple=sizes.multiple, own=sizes.own
    )
    if found["reach"] is not None:
        write_reach(graph, **found["reach"])
    onnx.checker.check_model(graph)
    with Outputs({"onnx": str(out)}) as outputs:
        outputs["onnx"].write_bytes(graph.SerializeToString(deterministic=True))


def _reading(found: dict[str, Any]) -> Reading:
    """Return the reading that a record tells of."""
    return Reading(*(found[key] for key in ("colour", "range", "swing", "output_range")))


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
        words = counted(count, "transposed convolution")
        notes.append(f"{words}, now by a convolution and DepthToSpace, exactly")
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
            f"x{found}; write `scale: {found}` at this model"
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
    kinds = " to ".join(dict.fromkeys((found["input_type"], found["output_type"])))
    other = "bicubic" if found["scale"] > 1 else "with noise; without the network"
    print(
        f"{found['source']}: {found['input']} to {found['output']}, x{found['scale']}, {_reading(found)}, "
        f"{found['layout']}, {kinds}: {found['psnr_db']:.2f} dB on a photograph ({other} "
        f"{found['bicubic_db']:.2f})",
        *found["notes"],
        sep="\n  ",
        file=sys.stderr,
    )
