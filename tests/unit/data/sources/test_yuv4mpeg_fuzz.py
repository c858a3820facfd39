"""y4m files at random: whole frames come out, or one line says what is wrong."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from superres.data.sources.registry import open_source
from superres.data.sources.source import Source
from superres.data.sources.y4m import Y4m
from superres.device.base.errors import UserError

HEADER = b"YUV4MPEG2 W8 H6 F50:1 Ip A1:1 C420jpeg\n"
FRAME = b"FRAME\n" + bytes(range(72))
WHOLE = HEADER + FRAME * 3
PIECES = st.sampled_from(
    (
        *(
            b"FRAME",
            b"FRAME\n",
            b"\n",
            b" ",
            b"W",
            b"W0",
            b"W99999999999",
            b"H-2",
            b"H4",
            b"C444",
            b"C422",
            b"C420p10",
        ),
        *(
            b"It",
            b"I?",
            b"I\x07",
            b"F0:0",
            b"F\xb2:1",
            b"X" * 5000,
            b"YUV4MPEG2 ",
            b"\x00",
            b"\xff\xfe",
            b"W1e3",
            FRAME,
        ),
    )
)


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """A y4m file with up to three pieces put in, written over, taken out or cut off, most of them in its header."""
    content = WHOLE
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(HEADER) + 8) | st.integers(0, len(content)))
        piece = draw(PIECES | st.binary(max_size=6))
        kind = draw(st.sampled_from(["insert", "overwrite", "remove", "cut"]))
        after = {"insert": at, "overwrite": at + len(piece), "remove": at + draw(st.integers(1, 90))}
        content = (
            content[:at]
            if kind == "cut"
            else content[:at] + piece * (kind != "remove") + content[after[kind] :]
        )
    return content


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "a.y4m"


@settings(
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=400,
)
@given(spoilt())
@example(WHOLE)
@example(HEADER.replace(b"F50:1", b"F" + b"9" * 4000 + b":1") + FRAME)
@example(HEADER.replace(b"W8", b"W" + b"8" * 4000) + FRAME)
def test_frames_or_one_line(path: Path, content: bytes):
    path.write_bytes(content)
    try:
        reader = open_source(Source(Y4m(path=str(path))), Path())
        frames = [reader.read(i) for i in range(len(reader))]
    except UserError as error:
        message = str(error)
        assert message.isprintable() and message.startswith(str(path)) and "expected" in message
        assert len(message) < 600
        return
    assert frames
    for frame, (height, width) in zip(frames, reader.shapes, strict=True):
        assert frame.dtype == np.uint8 and frame.shape == (height, width, 3) and height % 2 == width % 2 == 0
    # No more samples than the file holds.
    assert sum(height * width for height, width in reader.shapes) <= len(content)
