"""Adopt an ONNX file of others: find what it takes and gives, and write it into the graph."""

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from PIL import Image

from superres.device.base.conventions import INPUT, OUTPUT
from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs, sha256_file, write_json
from superres.keys import SCALES
from superres.models.adoption.contract import with_contract
from superres.models.adoption.ends import Ends, find_ends
from superres.models.adoption.reading import (
    Tried,
    enlarge,
    fits,
    psnr_of,
    readings,
    try_reading,
)
from superres.models.adoption.rewriting import (
    normalised,
    read_foreign,
    rewrite_transposed,
    simplified,
    with_size,
)
from superres.models.adoption.sizes import runner, with_any_size
from superres.models.adoption.statements import Adoption

NO_PICTURE_DB = 3.0
"""A reading this far below bicubic interpolation is no picture."""

CLEARLY_DB = 0.3
"""Another reading that is better by this is worth a line."""

_SIDE = 192


@dataclass(frozen=True)
class Photograph:
    """A photograph, uint8 RGB, and its small twin, an integer number of times smaller."""

    hr: np.ndarray
    lr: np.ndarray


def adopt_onnx(source: Path, out: Path, record: Path, stated: Adoption) -> None:
    """Write a foreign super-resolution network as `frame` to `upscaled`, float32 RGB in [0, 1], any size.

    `stated` is what the study says of it; the rest is found by running the network on a photograph, printed
    and written to `record`. Raises UserError for a file that is no such network, for one of another scale
    than the stated one, and if the reading taken gives no picture.
    """
    where, notes = str(source), []
    model = normalised(read_foreign(source), source, notes)
    ends = find_ends(model, stated, where)
    model = _simplified(model, ends, notes)
    sizes = with_any_size(model, ends, where)
    _check_scale(sizes.scale, stated.scale, where)
    photograph = _photograph(sizes.scale, sizes.multiple)
    run = runner(sizes.model, ends)
    tried = [
        Tried(reading, psnr_of(try_reading(run, ends, reading, photograph.lr, sizes.scale), photograph.hr))
        for reading in readings(ends)
    ]
    bicubic = psnr_of(enlarge(photograph.lr / 255.0, sizes.scale), photograph.hr)
    taken, doubt = _taken(tried, [one for one in tried if fits(one.reading, stated, ends)], bicubic)
    if doubt and taken.psnr_db < bicubic - NO_PICTURE_DB and (stated.colour is None or stated.range is None):
        raise UserError(f"{where}: {doubt}")
    notes += [doubt] if doubt else []
    graph = with_contract(sizes.model, ends, taken.reading, scale=sizes.scale, multiple=sizes.multiple)
    _check_contract(graph, taken, photograph)
    found = {
        "source": where,
        "source_sha256": sha256_file(source),
        "scale": sizes.scale,
        "multiple": sizes.multiple,
        **{key: value for key, value in asdict(ends).items() if key not in ("channels", "size")},
        **asdict(taken.reading),
        "psnr_db": round(taken.psnr_db, 4),
        "bicubic_db": round(bicubic, 4),
        "readings": {str(one.reading): round(one.psnr_db, 4) for one in tried},
        "notes": notes,
    }
    _say(found)
    onnx.checker.check_model(graph, full_check=True)
    with Outputs({"onnx": str(out), "record": str(record)}) as outputs:
        outputs["onnx"].write_bytes(graph.SerializeToString(deterministic=True))
        write_json(outputs["record"], found)


def _simplified(model: onnx.ModelProto, ends: Ends, notes: list[str]) -> onnx.ModelProto:
    """Fold constants and normalisation, and rewrite transposed convolutions."""
    dynamic = with_size(model, ends.input, ends.dims("height", "width"))
    try:
        dynamic = simplified(dynamic)
    except Exception:  # noqa: BLE001 - the sizes of the file itself may be needed; it is run as it is
        dynamic = model
    if count := rewrite_transposed(dynamic):
        notes.append(f"{count} transposed convolutions became convolutions and DepthToSpace, exactly")
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


def _photograph(scale: int, multiple: int) -> Photograph:
    """Return a detail of a photograph that a dependency carries."""
    path = files("matplotlib") / "mpl-data" / "sample_data" / "grace_hopper.jpg"
    with path.open("rb") as file, Image.open(file) as image:
        side = max(_SIDE // scale // multiple, 1) * multiple
        hr = image.convert("RGB").crop((160, 60, 160 + side * scale, 60 + side * scale))
        lr = hr.resize((side, side), Image.Resampling.BICUBIC)
    return Photograph(np.asarray(hr), np.asarray(lr))


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


def _check_contract(graph: onnx.ModelProto, taken: Tried, photograph: Photograph) -> None:
    """Raise RuntimeError if the written graph gives another picture than the network read by hand."""
    ends = Ends(INPUT, OUTPUT, "NCHW", 3, "float32", "float32", None)
    frame = (photograph.lr.transpose(2, 0, 1)[None] / 255.0).astype(np.float32)
    picture = runner(graph, ends)(np.ascontiguousarray(frame))[0].transpose(1, 2, 0)
    found = psnr_of(picture.astype(np.float64), photograph.hr)
    if abs(found - taken.psnr_db) > 0.01:
        raise RuntimeError(f"the adopted graph gives {found} dB, the network itself {taken.psnr_db}")


def _say(found: dict[str, Any]) -> None:
    print(
        f"{found['source']}: x{found['scale']}, {found['colour']} in {found['range']}, {found['layout']}, "
        f"{found['input_type']}: {found['psnr_db']:.2f} dB on a photograph (bicubic "
        f"{found['bicubic_db']:.2f})",
        *found["notes"],
        sep="\n  ",
        file=sys.stderr,
    )
