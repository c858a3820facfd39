"""Files with some bytes changed: what a broken disk, a cut-off download or a bad program makes of them."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from superres.data.sources.registry import open_source
from superres.data.sources.source import Source
from superres.device.base.errors import UserError

# Examples are the same at every run, unless this asks for so many times more.
_TIMES = int(os.environ.get("SUPERRES_FUZZ", "1"))


def fuzz(examples: int) -> settings:
    """Settings of a test that takes so many examples."""
    return settings(
        derandomize=_TIMES == 1,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        max_examples=examples * _TIMES,
    )


# Sizes, counts and offsets at which readers go wrong.
_NUMBERS = (0, 1, 2, 127, 128, 255, 256, 32767, 32768, 65535, 2**31 - 1, 2**31, 2**32 - 1)
_PIECES = [
    b"\0",
    b"\xff",
    *(
        n.to_bytes(size, order)
        for n in _NUMBERS
        for size in (2, 4)
        for order in ("big", "little")
        if n < 256**size
    ),
]


@st.composite
def spoilt(draw: st.DrawFn, seeds: Sequence[bytes]) -> tuple[int, bytes]:
    """One of the files, by its index, with one to four pieces overwritten, inserted, removed, doubled or cut.

    Half of the places are in the first 200 bytes, where headers are.
    """
    chosen = draw(st.integers(0, len(seeds) - 1))
    content = seeds[chosen]
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, min(200, len(content))) | st.integers(0, len(content)))
        piece = draw(st.sampled_from(_PIECES) | st.binary(min_size=1, max_size=8))
        length = draw(st.integers(1, 64))
        match draw(st.sampled_from(["overwrite", "overwrite", "flip", "insert", "remove", "double", "cut"])):
            case "overwrite":
                content = content[:at] + piece + content[at + len(piece) :]
            case "flip":
                flipped = bytes(value ^ (1 << length % 8) for value in content[at : at + 1])
                content = content[:at] + flipped + content[at + 1 :]
            case "insert":
                content = content[:at] + piece + content[at:]
            case "remove":
                content = content[:at] + content[at + length :]
            case "double":
                content = content[:at] + content[at : at + length] * 2 + content[at + length :]
            case _:
                content = content[:at]
    return chosen, content


def check_line(error: Exception, place: str) -> None:
    """Assert that a message is one line about a place that says what was expected."""
    message = str(error)
    assert message.isprintable() and message.startswith(place) and "expected" in message, message
    assert len(message) < 900, message


def frames_or_line(source: Source, place: str) -> list[np.ndarray]:
    """Check a source and read all of its frames; none if a line says what is wrong."""
    try:
        source.kind.check(source, 2)
        source.kind.notes(source)
        reader = open_source(source, Path())
        frames = [reader.read(i) for i in range(len(reader))]
    except UserError as error:
        check_line(error, place)
        return []
    for frame, shape in zip(frames, reader.shapes, strict=True):
        assert frame.dtype == np.uint8 and frame.shape == (*shape, 3)
    return frames
