"""Frames of every pixel format as RGB, against float64; what a file says, else HD or SD, else the study."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from superres.data.sources.registry import check_source, open_source
from superres.data.sources.source import Source
from superres.data.sources.video import Video
from superres.data.sources.y4m import Y4m
from superres.data.video.facts import video_facts
from superres.device.base.errors import UserError
from videos import picture, write_planes, write_video

RNG = np.random.default_rng(3)
WEIGHTS = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}
NUMBERS = {"bt709": 1, "bt601": 6, "bt2020": 9}


def read(path: Path, **keys: Any) -> np.ndarray:
    return open_source(Source(Video(path=str(path), **keys)), Path()).read(0)


def to_rgb(planes: Any, matrix: str, limited: bool, bits: int) -> np.ndarray:
    """Return RGB of three planes of one size in float64 (ITU-R BT.601, BT.709, BT.2100)."""
    red, blue = WEIGHTS[matrix]
    y, cb, cr = (plane.astype(np.float64) for plane in planes)
    unit = 2 ** (bits - 8)
    if limited:
        y, cb, cr = (
            (y - 16 * unit) / (219 * unit),
            (cb - 128 * unit) / (224 * unit),
            (cr - 128 * unit) / (224 * unit),
        )
    else:
        top = 2**bits - 1
        y, cb, cr = y / top, (cb - 128 * unit) / top, (cr - 128 * unit) / top
    r, b = y + 2 * (1 - red) * cr, y + 2 * (1 - blue) * cb
    g = (y - red * r - blue * b) / (1 - red - blue)
    return np.clip(np.stack([r, g, b], 2), 0, 1) * 255


def planes_of(
    bits: int, chroma: tuple[int, int] = (1, 1), size: tuple[int, int] = (32, 48)
) -> list[np.ndarray]:
    kind = np.uint8 if bits == 8 else np.uint16
    shapes = [size, *[(size[0] // chroma[1], size[1] // chroma[0])] * 2]
    return [RNG.integers(0, 2**bits, shape, kind) for shape in shapes]


@pytest.mark.parametrize("matrix", NUMBERS)
@pytest.mark.parametrize("limited", [True, False])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_every_depth_is_rounded_once(tmp_path: Path, matrix: str, limited: bool, bits: int) -> None:
    pixels = "yuv444p" if bits == 8 else f"yuv444p{bits}le"
    planes = planes_of(bits)
    tags = {"colorspace": NUMBERS[matrix], "color_range": 1 if limited else 2}
    path = write_planes(tmp_path / "a.mkv", "ffv1", pixels, planes, **tags)
    exact = to_rgb(planes, matrix, limited, bits)
    # Half a level, and the error of float32.
    assert np.abs(read(path) - exact).max() < 0.5 + 2e-4


@pytest.mark.parametrize(("chroma", "name"), [((2, 2), "420"), ((2, 1), "422"), ((1, 1), "444")])
@pytest.mark.parametrize("codec", ["ffv1", "libx264", "rawvideo"])
def test_a_y4m_file_and_any_lossless_codec_give_the_same_rgb(
    tmp_path: Path, chroma: tuple[int, int], name: str, codec: str
) -> None:
    planes = planes_of(8, chroma)
    tag = "420mpeg2" if name == "420" else name
    content = b"".join(plane.tobytes() for plane in planes)
    y4m = tmp_path / "a.y4m"
    y4m.write_bytes(f"YUV4MPEG2 W48 H32 F25:1 Ip C{tag}\nFRAME\n".encode() + content)
    other = y4m
    if codec != "rawvideo":
        options = {"qp": "0"} if codec == "libx264" else {}
        other = write_planes(tmp_path / "a.mkv", codec, f"yuv{name}p", planes, options=options)
    expected = open_source(Source(Y4m(path=str(y4m))), Path()).read(0)
    np.testing.assert_array_equal(read(other), expected)


def test_other_layouts_of_the_same_samples(tmp_path: Path) -> None:
    planes = planes_of(8, (2, 1))
    packed = np.stack([planes[0][:, 0::2], planes[1], planes[0][:, 1::2], planes[2]], 2).reshape(32, 96)
    plain = write_planes(tmp_path / "a.mkv", "ffv1", "yuv422p", planes)
    mixed = write_planes(tmp_path / "b.mov", "rawvideo", "yuyv422", [packed], size=(32, 48))
    np.testing.assert_array_equal(read(mixed), read(plain))


@pytest.mark.parametrize("bits", [8, 10])
def test_grey_is_full_unless_the_study_says(tmp_path: Path, bits: int) -> None:
    levels = np.linspace(0, 2**bits - 1, 32 * 48).astype(np.uint8 if bits == 8 else np.uint16).reshape(32, 48)
    path = write_planes(tmp_path / "a.mkv", "ffv1", "gray" if bits == 8 else "gray10le", [levels])
    exact = levels.astype(float) * 255 / (2**bits - 1)
    assert np.abs(read(path) - exact[..., None]).max() < 0.501
    limited = np.clip((levels.astype(float) / 2 ** (bits - 8) - 16) * 255 / 219, 0, 255)
    assert np.abs(read(path, range="limited") - limited[..., None]).max() < 0.501


def test_rgb_of_8_and_10_bits(tmp_path: Path) -> None:
    rgb = picture(0)
    np.testing.assert_array_equal(read(write_video(tmp_path / "a.mkv", "ffv1", "bgr0", frames=[rgb])), rgb)
    levels = RNG.integers(0, 1024, (3, 32, 48), np.uint16)
    path = write_planes(tmp_path / "b.mkv", "ffv1", "gbrp10le", [levels[1], levels[2], levels[0]])
    assert np.abs(read(path) - np.moveaxis(levels, 0, 2) * 255.0 / 1023).max() < 0.501


@pytest.mark.parametrize("codec", ["libx264", "rawvideo"])
@pytest.mark.parametrize(
    ("height", "width", "matrix"),
    [(48, 64, "bt601"), (720, 64, "bt709"), (48, 1280, "bt709"), (718, 1278, "bt601")],
)
def test_an_untagged_file_is_sd_or_hd(
    tmp_path: Path, codec: str, height: int, width: int, matrix: str
) -> None:
    path = tmp_path / ("a.mkv" if codec == "libx264" else "a.y4m")
    write_video(
        path, codec, frames=[picture(0, height, width)], options={"qp": "0"} if codec == "libx264" else {}
    )
    np.testing.assert_array_equal(read(path), read(path, matrix=matrix))
    other = {"bt601": "bt709", "bt709": "bt601"}[matrix]
    assert np.abs(read(path).astype(int) - read(path, matrix=other)).max() > 3
    if codec == "rawvideo":
        frame = open_source(Source(Y4m(path=str(path))), Path()).read(0)
        np.testing.assert_array_equal(frame, read(path))


@pytest.mark.parametrize("tag", ["left", "center", "topleft"])
def test_the_siting_of_the_file_is_used(tmp_path: Path, tag: str) -> None:
    number = {"left": 0, "center": 1, "topleft": 2}[tag]
    options = {"x264-params": f"qp=0:chromaloc={number}"}
    path = write_video(tmp_path / "a.mp4", frames=1, options=options)
    assert video_facts(path).said.siting == tag
    np.testing.assert_array_equal(read(path), read(path, siting=tag))
    others = {"left", "center", "topleft"} - {tag}
    assert not any(np.array_equal(read(path), read(path, siting=other)) for other in others)


def notes(kind: Video | Y4m) -> str:
    source = Source(kind)
    check_source(source)
    return "\n".join(kind.notes(source))


def test_the_study_overrides_and_a_contradiction_is_said(tmp_path: Path) -> None:
    planes = planes_of(8)
    path = write_planes(tmp_path / "a.mkv", "ffv1", "yuv444p", planes, colorspace=1, color_range=1)
    asked = {"matrix": "bt601", "range": "full"}
    exact = to_rgb(planes, "bt601", limited=False, bits=8)
    assert np.abs(read(path, **asked) - exact).max() < 0.501
    said = notes(Video.model_validate({"path": str(path), **asked}))
    assert "matrix bt601 is used, as the study says; the file says bt709" in said
    assert "range full is used, as the study says; the file says limited" in said
    assert notes(Video(path=str(path), matrix="bt709")) == ""


def write_y4m(
    path: Path, tags: str = "C444 XYSCSS=444 XCOLORRANGE=FULL", planes: Any = None
) -> list[np.ndarray]:
    planes = planes_of(8) if planes is None else planes
    content = b"".join(plane.tobytes() for plane in planes)
    path.write_bytes(f"YUV4MPEG2 W48 H32 F25:1 Ip {tags}\nFRAME\n".encode() + content)
    return planes


@pytest.mark.parametrize(
    "tags",
    [
        "C444 XCOLORRANGE=FULL",
        "XCOLORRANGE=FULL C444 Xother",
        "C444 XA XCOLORRANGE=FULL",
        "C444 Xcolorrange=full",
    ],
)
def test_a_y4m_file_tagged_full(tmp_path: Path, tags: str) -> None:
    path = tmp_path / "a.y4m"
    exact = to_rgb(write_y4m(path, tags), "bt601", limited=False, bits=8)
    frame = open_source(Source(Y4m(path=str(path))), Path()).read(0)
    assert np.abs(frame - exact).max() < 0.501
    np.testing.assert_array_equal(read(path), frame)
    said = notes(Y4m(path=str(path), range="limited"))
    assert said.endswith("a.y4m: range limited is used, as the study says; the file says full")
    assert notes(Y4m(path=str(path))) == ""


@pytest.mark.parametrize(("tag", "said"), [("A32:27", True), ("A1:1", False), ("A0:0", False), ("", False)])
def test_the_shape_of_pixels_of_a_y4m_file_is_said(tmp_path: Path, tag: str, said: bool) -> None:
    path = tmp_path / "a.y4m"
    write_y4m(path, f"C444 {tag}")
    for kind in (Y4m(path=str(path)), Video(path=str(path))):
        assert ("a.y4m: pixels of 32:27 are taken as square" in notes(kind)) == said


def test_a_y4m_file_tagged_limited(tmp_path: Path) -> None:
    path = tmp_path / "a.y4m"
    exact = to_rgb(write_y4m(path, "C444 XCOLORRANGE=LIMITED"), "bt601", limited=True, bits=8)
    assert np.abs(open_source(Source(Y4m(path=str(path))), Path()).read(0) - exact).max() < 0.501
    assert "the file says limited" in notes(Y4m(path=str(path), range="full"))


def test_colours_that_no_matrix_describes_are_refused(tmp_path: Path) -> None:
    # 10 is BT.2020 with constant luminance.
    path = write_planes(tmp_path / "a.mkv", "ffv1", "yuv444p", planes_of(8), colorspace=10)
    with pytest.raises(UserError, match=r"a\.mkv: expected a matrix of BT\.601.* found number 10"):
        check_source(Source(Video(path=str(path))))
