"""What a study may state of a network of others; everything else is found. Light."""

import re
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field

from superres.keys import Keys, Maybe, Scale

Layout = Literal["NCHW", "NHWC"]
Colour = Literal["rgb", "bgr", "ycbcr", "luma"]
Range = Literal["0..1", "0..255", "-1..1"]
Swing = Literal["full", "studio"]
Activation = Literal["sigmoid", "tanh"]

INSTALL_SPANDREL = ".venv/bin/python -m pip install --no-deps -r envs/checkpoints.txt"
"""The command that installs what reads checkpoints; torchvision, which spandrel wants, isn't needed."""

_QUANTIZED = (
    "QuantizeLinear",
    "DequantizeLinear",
    "QLinearConv",
    "ConvInteger",
    "QLinearMatMul",
    "MatMulInteger",
)


def is_quantized(path: Path) -> bool:
    """Return whether an ONNX file is of a graph that is quantised already; False without a file.

    It works without the package `onnx`: a node's operator type is field 4 of its message, that is, a tag, a
    length and the name.
    """
    if not path.is_file():
        return False
    facts = path.stat()
    return _has_quantized_nodes(path, facts.st_mtime_ns, facts.st_size)


@cache
def _has_quantized_nodes(path: Path, changed: int, size: int) -> bool:
    content = path.read_bytes()
    return any(b"\x22" + bytes([len(name)]) + name.encode("ascii") in content for name in _QUANTIZED)


def external_files(path: Path) -> list[str]:
    """Return the files that an ONNX file keeps tensors in, as it names them, beside it; none without a file.

    It works without the package `onnx`: an entry of a tensor's external data is its key and its value, each a
    tag, a length and the text.
    """
    if not path.is_file():
        return []
    facts = path.stat()
    return [str(path.parent / name) for name in _external_names(path, facts.st_mtime_ns, facts.st_size)]


@cache
def _external_names(path: Path, changed: int, size: int) -> list[str]:
    content = path.read_bytes()
    names: dict[str, None] = {}
    for found in re.finditer(rb"\x0a\x08location\x12(?s:([\x80-\xff]?.))", content):
        # Seven bits of the length in each byte, the lowest first.
        length = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(found[1]))
        names[content[found.end() : found.end() + length].decode("utf-8", "replace")] = None
    return list(names)


class Adoption(Keys):
    """What is known of the network in an ONNX file. What is left out is found and written to a record."""

    input: Maybe[str] = Field(default=None, description="The name of the input for the picture.")
    output: Maybe[str] = Field(default=None, description="The name of the output with the larger picture.")
    scale: Maybe[Scale] = Field(
        default=None,
        description="How many times as wide and high the output is. In a study, a graph of another scale "
        "than 2 needs it, for clips are prepared by it; a wrong one is refused.",
    )
    layout: Maybe[Layout] = Field(default=None, description="Order of the input's dimensions.")
    colour: Maybe[Colour] = Field(
        default=None,
        description="Meaning of the channels; rgb for three channels and luma for one by default.",
    )
    range: Maybe[Range] = Field(
        default=None,
        description="Values from black to white, of the input, and of the output unless output_range states "
        "others.",
    )
    output_range: Maybe[Range] = Field(
        default=None, description="Values from black to white of the output, if they are others."
    )
    swing: Maybe[Swing] = Field(
        default=None,
        description="Range of luma and chroma: full, or studio (luma of 16 to 235 of 255) as in MATLAB.",
    )
    last_activation: Maybe[Activation] = Field(
        default=None,
        description="An activation behind the network that its file lacks: tensors alone don't tell of it.",
    )
