"""y4m files: headers and layout byte by byte, then random damage: whole frames or a one-line error."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spoilt import fuzz
from superres.data.sources.registry import open_source
from superres.data.sources.source import Source
from superres.data.sources.y4m import Y4m
from superres.data.video.y4m import read_header, read_planes
from superres.device.base.errors import UserError

CHROMA_SAMPLES = {"420": 2 * 4 * 3, "422": 2 * 4 * 6, "444": 2 * 8 * 6}


def _write(
    path, tags="W8 H6 F30000:1001 Ip A1:1 C420jpeg", *, frames=3, size=8 * 6 + 24, line=b"FRAME\n", end=b""
):
    payload = b"".join(line + bytes([k] * size) for k in range(frames))
    path.write_bytes(b"YUV4MPEG2 " + tags.encode() + b"\n" + payload + end)
    return path


@pytest.mark.parametrize(
    ("tag", "chroma", "siting"),
    [
        (" C420jpeg", "420", "center"),
        (" C420mpeg2", "420", "left"),
        (" C420paldv", "420", "topleft"),
        (" C420", "420", "center"),
        ("", "420", "center"),
        (" C422", "422", "left"),
        (" C444", "444", "center"),
    ],
)
def test_header_of_each_colour_space(tmp_path, tag, chroma, siting):
    path = _write(tmp_path / "a.y4m", f"W8 H6 F30000:1001 Ip{tag} Xnote", size=48 + CHROMA_SAMPLES[chroma])
    header = read_header(path)
    assert (header.width, header.height, header.frames) == (8, 6, 3)
    assert (header.chroma, header.siting) == (chroma, siting)


def test_untagged_hd_is_sited_left(tmp_path):
    path = _write(tmp_path / "a.y4m", "W2 H720 F50:1 Ip A1:1", frames=1, size=2 * 720 * 3 // 2)
    assert read_header(path).siting == "left"


def test_frame_lines_with_parameters(tmp_path):
    path = _write(tmp_path / "a.y4m", line=b"FRAME Ip Xhello\n")
    header = read_header(path)
    assert header.frames == 3
    assert [int(read_planes(path, header, k)[2].max()) for k in range(3)] == [0, 1, 2]


@pytest.mark.parametrize("chroma", ["420", "422", "444"])
@pytest.mark.parametrize(("height", "width"), [(6, 8), (5, 7), (1, 1)])
def test_planes_follow_each_other(tmp_path, chroma, height, width):
    """A last odd row or column has chroma samples of its own."""
    rows = -(-height // 2) if chroma == "420" else height
    columns = width if chroma == "444" else -(-width // 2)
    payload = np.arange(height * width + 2 * rows * columns, dtype=np.uint8)
    path = tmp_path / "a.y4m"
    path.write_bytes(f"YUV4MPEG2 W{width} H{height} C{chroma}\nFRAME\n".encode() + payload.tobytes())
    luma, blue, red = read_planes(path, read_header(path), 0)
    assert luma.shape == (height, width)
    assert blue.shape == red.shape == (rows, columns)
    assert np.array_equal(np.concatenate([p.ravel() for p in (luma, blue, red)]), payload)


@pytest.mark.parametrize(
    ("end", "missing"),
    [(b"FRAME\n" + b"x" * 50, 22), (b"FRAME\n", 72), (b"FRAM", 73), (b"FRAME Xlong", 73)],
)
def test_a_truncated_file_is_named_with_its_whole_frames_and_missing_bytes(tmp_path, end, missing):
    path = _write(tmp_path / "a.y4m", end=end)
    with pytest.raises(UserError, match=rf"a\.y4m.* found 3 .*lacks {missing} bytes"):
        read_header(path)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ("W8 H6 Ip C420p10", "8-bit colour space.*found C420p10"),
        ("W8 H6 Ip Cmono", "found Cmono"),
        ("W8 H6 It C420", "progressive file.*found It"),
        ("W8 H6 Im C420", r"fields of one order \(It, Ib\), found Im; deinterlace it first$"),
        ("W8 Ip C420", "found W8 H"),
        ("W8 Hsix Ip C420", "found W8 Hsix"),
    ],
)
def test_unreadable_files_are_named(tmp_path, tags, message):
    with pytest.raises(UserError, match=message):
        read_header(_write(tmp_path / "a.y4m", tags))


def test_damage_between_frames_is_found(tmp_path):
    path = _write(tmp_path / "a.y4m", end=b"JUNK and more\n")
    with pytest.raises(UserError, match=r"word FRAME at byte .* after 3 whole frames, found b'JUNK"):
        read_header(path)


def test_no_y4m_at_all(tmp_path):
    path = tmp_path / "a.y4m"
    path.write_bytes(b"\x00\x00\x00\x18ftypmp42 and so on")
    with pytest.raises(UserError, match="begins with YUV4MPEG2, found"):
        read_header(path)
    with pytest.raises(UserError, match="at least one frame, found none"):
        read_header(_write(path, frames=0))


def test_the_workflow_can_check_without_numpy():
    code = (
        "import sys, superres.data.sources.registry, superres.study.check.files;"
        "sys.exit(', '.join({'numpy', 'cv2', 'PIL', 'torch', 'requests', 'tqdm'} & set(sys.modules)) or None)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


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
    """Return a y4m file with up to three pieces inserted, overwritten, removed or cut, most in its header."""
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
def spoilt_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "a.y4m"


@fuzz(400)
@given(spoilt())
@example(WHOLE)
@example(HEADER.replace(b"F50:1", b"F" + b"9" * 4000 + b":1") + FRAME)
@example(HEADER.replace(b"W8", b"W" + b"8" * 4000) + FRAME)
def test_fuzzed_frames_or_one_line(spoilt_path: Path, content: bytes):
    spoilt_path.write_bytes(content)
    try:
        reader = open_source(Source(Y4m(path=str(spoilt_path))), Path())
        frames = [reader.read(i) for i in range(len(reader))]
    except UserError as error:
        message = str(error)
        assert message.isprintable() and message.startswith(str(spoilt_path)) and "expected" in message
        assert len(message) < 600
        return
    assert frames
    for frame, (height, width) in zip(frames, reader.shapes, strict=True):
        assert frame.dtype == np.uint8 and frame.shape == (height, width, 3) and height % 2 == width % 2 == 0
    # No more samples than the file holds.
    assert sum(height * width for height, width in reader.shapes) <= len(content)
