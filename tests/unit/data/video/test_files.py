"""Files of every kind as clips: what is read, what is said, and what is refused in one line before work."""

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from superres.data.clips import prepare_clip
from superres.data.sources.registry import check_source, open_source
from superres.data.sources.source import FrameRange, Source
from superres.data.sources.video import Video
from superres.data.sources.y4m import Y4m
from superres.data.video.facts import video_facts
from superres.device.base.errors import UserError
from videos import picture, trim, write_video


def source(path: Path, first: int = 0, count: int | None = None, stride: int = 1, **keys: Any) -> Source:
    return Source(Video(path=str(path), frames=FrameRange(first=first, count=count, stride=stride), **keys))


def frames(path: Path, **keys: Any) -> list[np.ndarray]:
    checked = source(path, **keys)
    check_source(checked)
    reader = open_source(checked, Path())
    return [reader.read(i) for i in range(len(reader))]


def notes(path: Path, **keys: Any) -> str:
    checked = source(path, **keys)
    check_source(checked)
    return "\n".join(checked.kind.notes(checked))


def refused(path: Path, **keys: Any) -> str:
    """Return the message of the check, before any work."""
    with pytest.raises(UserError) as caught:
        check_source(source(path, **keys))
    message = str(caught.value)
    assert message.isprintable() and path.name in message and "expected" in message
    return message


KINDS: dict[str, tuple[str, str, str, float]] = {
    # Name: codec, pixels, file, and the mean error of compression that is allowed.
    "h264": ("libx264", "yuv420p", "a.mp4", 7),
    "h264 in AVI": ("libx264", "yuv420p", "a.avi", 7),
    "h264 in a transport stream": ("libx264", "yuv420p", "a.ts", 7),
    "raw h264": ("libx264", "yuv420p", "a.h264", 7),
    "raw hevc": ("libx265", "yuv420p", "a.h265", 7),
    "hevc 10": ("libx265", "yuv420p10le", "a.mkv", 7),
    "prores": ("prores_ks", "yuv422p10le", "a.mov", 7),
    "ffv1": ("ffv1", "yuv420p", "a.mkv", 4),
    "ffv1 16": ("ffv1", "yuv444p16le", "a.mkv", 1),
    "ffv1 rgb": ("ffv1", "bgr0", "a.mkv", 0),
    "av1": ("libsvtav1", "yuv420p", "a.mp4", 5),
    "vp9": ("libvpx-vp9", "yuv420p", "a.webm", 6),
    "vp8": ("libvpx", "yuv420p", "a.webm", 12),
    "mpeg2": ("mpeg2video", "yuv420p", "a.mpg", 12),
    "mpeg4": ("mpeg4", "yuv420p", "a.avi", 12),
    "mjpeg": ("mjpeg", "yuvj420p", "a.avi", 12),
    "dnxhd": ("dnxhd", "yuv422p", "a.mov", 7),
    "qtrle": ("qtrle", "argb", "a.mov", 0),
    "gif": ("gif", "rgb8", "a.gif", 25),
    "apng": ("apng", "rgba", "a.png", 0),
    "y4m": ("rawvideo", "yuv420p", "a.y4m", 4),
    "alpha": ("ffv1", "yuva420p", "a.mkv", 4),
    "4:1:1": ("ffv1", "yuv411p", "a.mkv", 7),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_gives_its_frames(tmp_path: Path, kind: str) -> None:
    codec, pixels, name, allowed = KINDS[kind]
    size = (1080, 1920) if codec == "dnxhd" else (144, 176)
    shown = [picture(i, *size) for i in range(2 if codec == "dnxhd" else 6)]
    options = {"profile": "dnxhr_hq"} if codec == "dnxhd" else {}
    path = write_video(tmp_path / name, codec, pixels, frames=shown, options=options)
    found = frames(path)
    assert len(found) == len(shown)
    for frame, expected in zip(found, shown, strict=True):
        assert frame.shape == expected.shape and frame.dtype == np.uint8
        difference = frame.astype(int) - expected
        # Means of colours survive compression; a wrong matrix or range moves them.
        assert np.abs(difference).mean() <= allowed
        assert allowed == 25 or np.abs(difference.mean((0, 1))).max() < 1.5


@pytest.mark.parametrize("name", ['it\'s a "film".mkv', "a:b.mkv", "%03d.mkv", "concat:x.mkv", "ü {x}.mkv"])
def test_names_of_any_kind(tmp_path: Path, name: str) -> None:
    path = write_video(tmp_path / name)
    assert len(frames(path)) == 8


def test_frames_of_2_by_2_pixels(tmp_path: Path) -> None:
    rgb = picture(0, 2, 2)
    np.testing.assert_array_equal(
        frames(write_video(tmp_path / "a.mkv", "ffv1", "bgr0", frames=[rgb]))[0], rgb
    )
    planes = bytes([81, 81, 81, 81, 90, 240])
    (tmp_path / "a.y4m").write_bytes(b"YUV4MPEG2 W2 H2 F25:1 Ip C420jpeg\nFRAME\n" + planes)
    assert (frames(tmp_path / "a.y4m")[0] == [254, 0, 0]).all()


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("a.y4m", "rawvideo", "yuv420p"),
        ("a.mkv", "ffv1", "yuv420p"),
        ("b.mkv", "ffv1", "bgr0"),
        ("a.mp4", "libx264", "yuv444p"),
    ],
)
def test_odd_frames_are_cropped_as_photographs_are(
    tmp_path: Path, capsys: Any, name: str, codec: str, pixels: str
) -> None:
    shown = [picture(i, 33, 47) for i in range(2)]
    path = write_video(tmp_path / name, codec, pixels, frames=shown)
    kinds = (Video, Y4m) if name == "a.y4m" else (Video,)
    made = []
    for kind in kinds:
        clip = Source(kind(path=str(path), width=47, height=33))
        check_source(clip)
        assert clip.size == Source(kind(path=str(path))).size == (33, 47)
        hr = tmp_path / f"{kind.__name__}.npy"
        prepare_clip("c", [clip], multiple=2, wheels=tmp_path, hr=hr, index=tmp_path / "c.json")
        said = "c: 2 of 2 frames cropped to multiples of 2 pixels: a-0000 from 47x33 to 46x32"
        assert said.replace("a-", f"{path.stem}-") in capsys.readouterr().err
        made.append(np.load(hr))
    np.testing.assert_array_equal(made[0], made[-1])
    np.testing.assert_array_equal(made[0], np.stack(frames(path))[:, :32, :46])
    assert np.abs(made[0].astype(int) - np.stack(shown)[:, :32, :46]).mean() < 8


def test_frames_by_index_in_any_order_and_by_range(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", options={"qp": "0"})
    every = frames(path)
    reader = open_source(source(path, 1, None, 2), tmp_path)
    assert reader.names == ["a-0001", "a-0003", "a-0005", "a-0007"] and reader.shapes == [(48, 64)] * 4
    for index in (0, 3, 1, 1, 2, 0):
        np.testing.assert_array_equal(reader.read(index), every[2 * index + 1])
    assert reader.origin(0).sha256 != reader.origin(1).sha256


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.avi", "a.h264", "a.y4m", "a.gif"])
def test_a_range_outside_is_found_before_work(tmp_path: Path, name: str, monkeypatch: Any) -> None:
    codec, pixels = {".y4m": ("rawvideo", "yuv420p"), ".gif": ("gif", "rgb8")}.get(
        Path(name).suffix, ("libx264", "yuv420p")
    )
    path = write_video(tmp_path / name, codec, pixels)
    check_source(source(path, 2, 3, 2))
    assert "first 2, count 4, stride 2), found 8 frames" in refused(path, first=2, count=4, stride=2)
    assert "index 8 (for first 8, count all, stride 1), found 8 frames" in refused(path, first=8)
    assert len(open_source(source(path, 3), Path())) == 5


@pytest.mark.parametrize("name", ["b.mp4", "b.mov"])
def test_frames_that_an_edit_list_leaves_out_do_not_count(tmp_path: Path, name: str) -> None:
    """A phone trims so. A key frame is every tenth; three frames before the cut stay in the file."""
    path = write_video(tmp_path / "a.mp4", frames=30, options={"qp": "0"})
    every, trimmed = frames(path), trim(path, tmp_path / name, 13 / 25)
    with av.open(str(trimmed)) as container:
        assert container.streams.video[0].frames == 20
    found = frames(trimmed)
    assert len(found) == 17
    np.testing.assert_array_equal(found, every[13:])
    assert "found 17 frames" in refused(trimmed, first=17)


def test_mistakes_are_named(tmp_path: Path) -> None:
    assert "found nothing" in refused(tmp_path / "gone.avi")
    (tmp_path / "text.avi").write_text("no video")
    assert "expected a video, found something else" in refused(tmp_path / "text.avi")
    with av.open(str(tmp_path / "sound.mkv"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        samples.sample_rate = 8000
        container.mux(stream.encode(samples))
        container.mux(stream.encode())
    assert "found no stream of pictures" in refused(tmp_path / "sound.mkv")
    for tags, said in (
        ("W64 H0", "a width and a height of 1 to 65536 in its header, found W64 H0"),
        ("W99999999999 H48", "found W99999999999 H48"),
        # FFmpeg reads no file in which each frame says whether it has fields.
        ("W64 H48 Im", "or fields of one order (It, Ib), found Im; deinterlace it first"),
    ):
        (tmp_path / "a.y4m").write_bytes(f"YUV4MPEG2 {tags} F25:1\nFRAME\n".encode() + bytes(64 * 72))
        assert said in refused(tmp_path / "a.y4m")
    small = tmp_path / "small.y4m"
    small.write_bytes(b"YUV4MPEG2 W9 H4 F25:1 Ip C444\nFRAME\n" + bytes(9 * 4 * 3))
    for kind in (Video, Y4m):
        with pytest.raises(UserError, match="expected frames of at least 6x6 pixels, found 9x4; leave"):
            check_source(Source(kind(path=str(small))), 6)


def test_an_animated_webp_is_refused_with_its_codec(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.webp", "libwebp_anim")
    assert "webp" in refused(path) and "convert it first" in refused(path)


def test_no_other_file_or_address_is_opened(tmp_path: Path) -> None:
    write_video(tmp_path / "a.ts")
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n"
    (tmp_path / "list.m3u8").write_text(playlist)
    refused(tmp_path / "list.m3u8")


@pytest.mark.parametrize(
    ("codec", "name", "options"),
    [
        ("libx264", "a.mkv", {"x264-params": "tff=1"}),
        ("libx264", "a.mp4", {"x264-params": "bff=1"}),
        ("mpeg2video", "a.mpg", {"flags": "+ildct+ilme"}),
        ("prores_ks", "a.mov", {"flags": "+ildct"}),
    ],
)
def test_interlaced_video_is_refused_unless_deinterlaced(
    tmp_path: Path, codec: str, name: str, options: dict[str, str]
) -> None:
    # Fields of two moments: rows in turn.
    moments = [picture(3 * i, 144, 176) for i in range(12)]
    shown = [
        np.where(np.arange(144)[:, None, None] % 2, b, a)
        for a, b in zip(moments[::2], moments[1::2], strict=True)
    ]

    def fields(stream: Any) -> None:
        stream.codec_context.field_order = 2

    pixels = "yuv422p10le" if codec == "prores_ks" else "yuv420p"
    path = write_video(tmp_path / name, codec, pixels, frames=shown, options=options, prepare=fields)
    message = refused(path)
    assert (
        "expected progressive frames, found interlaced frames" in message and "deinterlace: true" in message
    )
    found = frames(path, deinterlace=True)
    assert len(found) == len(shown)
    assert "frames are deinterlaced" in notes(path, deinterlace=True)
    # Rows of one moment: the comb is gone.
    comb = [np.abs(np.diff(f.astype(int), axis=0)).mean() for f in (shown[3], found[3], moments[6])]
    assert comb[0] > 2 * comb[2] and comb[1] < 1.3 * comb[2]


def test_an_interlaced_y4m_file_can_be_deinterlaced(tmp_path: Path) -> None:
    path = tmp_path / "a.y4m"
    planes = b"".join(b"FRAME\n" + bytes([60 + 20 * i]) * (64 * 48 * 3 // 2) for i in range(3))
    path.write_bytes(b"YUV4MPEG2 W64 H48 F25:1 It C420jpeg\n" + planes)
    with pytest.raises(UserError, match="type: video and deinterlace: true"):
        check_source(Source(Y4m(path=str(path))))
    assert "deinterlace: true" in refused(path)
    assert len(frames(path, deinterlace=True)) == 3


def test_a_frame_that_turns_out_interlaced_is_named(tmp_path: Path) -> None:
    first = write_video(tmp_path / "1.h264").read_bytes()
    second = write_video(tmp_path / "2.h264", options={"x264-params": "tff=1"}).read_bytes()
    (tmp_path / "a.h264").write_bytes(first + second)
    assert video_facts(tmp_path / "a.h264").interlaced is not True
    with pytest.raises(UserError, match="found frame 8 to be interlaced"):
        frames(tmp_path / "a.h264")


def test_a_change_of_size_is_named(tmp_path: Path) -> None:
    first = write_video(tmp_path / "1.h264").read_bytes()
    second = write_video(tmp_path / "2.h264", frames=[picture(i, 40, 56) for i in range(4)]).read_bytes()
    (tmp_path / "a.h264").write_bytes(first + second)
    with pytest.raises(UserError, match="expected all frames to be 64x48, found frame 8 to be 56x40"):
        frames(tmp_path / "a.h264")


@pytest.mark.parametrize(
    ("pixels", "matrix", "full", "said"),
    [
        ("yuv420p", 1, True, "yuv420p of bt709 in full range"),
        ("yuv420p", 9, False, "yuv420p of bt2020 in limited range"),
        ("yuv444p", 1, False, "yuv444p of bt709 in limited range"),
        ("yuv420p10le", 1, False, "yuv420p10le of bt709 in limited range"),
    ],
)
def test_a_change_of_colours_is_named(
    tmp_path: Path, pixels: str, matrix: int, full: bool, said: str
) -> None:
    def tagged(matrix: int, full: bool) -> Callable[[Any], None]:
        def tag(stream: Any) -> None:
            stream.codec_context.colorspace, stream.codec_context.color_range = matrix, 2 if full else 1

        return tag

    first = write_video(tmp_path / "1.h264", prepare=tagged(1, False)).read_bytes()
    second = write_video(tmp_path / "2.h264", "libx264", pixels, prepare=tagged(matrix, full)).read_bytes()
    (tmp_path / "a.h264").write_bytes(first + first)
    assert len(frames(tmp_path / "a.h264")) == 16
    (tmp_path / "b.h264").write_bytes(first + second)
    message = f"frames to be yuv420p of bt709 in limited range, found frame 8 to be {said}; cut the file"
    with pytest.raises(UserError, match=message):
        frames(tmp_path / "b.h264")


def test_what_is_lost_is_said(tmp_path: Path) -> None:
    def tagged(primaries: int, transfer: int) -> Callable[[Any], None]:
        def tag(stream: Any) -> None:
            context = stream.codec_context
            context.colorspace, context.color_primaries, context.color_trc = 9, primaries, transfer

        return tag

    def shaped(stream: Any) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(32, 27)

    deep = write_video(tmp_path / "deep.mkv", "libx265", "yuv420p10le")
    assert notes(deep).endswith("deep.mkv: 10 bits a sample are rounded to 8")
    assert "transparency (yuva420p)" in notes(write_video(tmp_path / "alpha.mkv", "ffv1", "yuva420p"))
    assert "HDR (PQ)" in notes(write_video(tmp_path / "pq.mp4", prepare=tagged(9, 16)))
    assert "HDR (HLG)" in notes(write_video(tmp_path / "hlg.mp4", prepare=tagged(9, 18)))
    assert "BT.2020 are taken" in notes(write_video(tmp_path / "wide.mp4", prepare=tagged(9, 14)))
    assert "pixels of 32:27 are taken as square" in notes(write_video(tmp_path / "sar.mp4", prepare=shaped))
    assert notes(write_video(tmp_path / "plain.mp4")) == ""
    assert "though the file says it is progressive" in notes(tmp_path / "plain.mp4", deinterlace=True)


@pytest.mark.parametrize(
    ("codec", "pixels", "name"),
    [
        ("libx264", "yuv420p", "a.mp4"),
        ("libx264", "yuv420p", "a.mkv"),
        ("libx264", "yuv420p", "a.ts"),
        ("mpeg4", "yuv420p", "a.avi"),
        ("mpeg2video", "yuv420p", "a.mpg"),
        ("prores_ks", "yuv422p10le", "a.mov"),
        ("mjpeg", "yuvj420p", "a.avi"),
    ],
)
@pytest.mark.parametrize("where", [0.35, 0.55, 0.75])
def test_damaged_bytes_are_never_painted_over(
    tmp_path: Path, codec: str, pixels: str, name: str, where: float
) -> None:
    rng = np.random.default_rng(1)
    noisy = [rng.integers(0, 256, (15, 20, 3), np.uint8).repeat(16, 0).repeat(16, 1) for _ in range(20)]
    path = write_video(tmp_path / name, codec, pixels, frames=noisy)
    content = bytearray(path.read_bytes())
    at = int(where * len(content))
    content[at : at + 400] = rng.bytes(400)
    path.write_bytes(content)
    with pytest.raises(
        UserError, match=r"expected a sound file, found damage near frame \d+|expected to decode"
    ):
        frames(path)


def test_a_header_comment_over_4_kb_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.y4m"
    for comment in ("X" + "c" * 5000, " ".join(["Xabc"] * 2000)):
        path.write_bytes(f"YUV4MPEG2 W2 H2 Ip C444 {comment}\nFRAME\n".encode() + bytes(12))
        assert "expected a header line of at most 4096 bytes" in refused(path)
        with pytest.raises(UserError, match="expected a header line of at most 4096 bytes"):
            check_source(Source(Y4m(path=str(path))))


def test_threads_make_the_same_clip(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", frames=[picture(i, 144, 176) for i in range(60)])
    made = []
    for threads in (1, 4):
        folder = tmp_path / str(threads)
        folder.mkdir()
        names = {key: folder / key for key in ("hr", "index")}
        prepare_clip(
            "c", [source(path, 3)], wheels=tmp_path, threads=threads, hr=names["hr"], index=names["index"]
        )
        made.append([name.read_bytes() for name in names.values()])
    assert made[0] == made[1] and len(json.loads(made[0][1])["names"]) == 57
