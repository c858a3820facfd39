"""Videos upscaled by repetition: every property of the file as the input had it, and every pixel four "
"times."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from superres.data.video.convert import rgb_of
from superres.data.video.reader import VideoReader
from superres.device.base.errors import UserError
from superres.device.runtimes.base import Session
from superres.upscale.pipeline import UpscaleSettings, upscale_video
from videos import picture, trim, write_sound, write_video, write_with_tracks


class Repetition(Session):
    """A network that repeats every pixel."""

    def __init__(self, scale: int = 2):
        self.scale = scale

    def preprocess(self, frame: np.ndarray) -> np.ndarray:
        return frame

    def execute(self, inputs: np.ndarray) -> np.ndarray:
        return inputs.repeat(self.scale, 0).repeat(self.scale, 1)

    def postprocess(self, outputs: np.ndarray) -> np.ndarray:
        return outputs


def doubled(path: Path, out: Path, **settings: Any) -> Path:
    count = upscale_video(Repetition(), path, out, UpscaleSettings(**settings), "test")
    assert count == len(pictures(out))
    return out


def pictures(path: Path, *, deinterlace: bool = False) -> list[np.ndarray]:
    with VideoReader(path, deinterlace=deinterlace) as reader:
        facts = reader.facts
        return [
            rgb_of(item, facts.colour(), facts.turn) for item in reader if isinstance(item, av.VideoFrame)
        ]


def seconds(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]  # pyright: ignore


def stream_of(path: Path, name: str) -> Any:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        next(container.decode(stream))
        context = stream.codec_context
        return {
            "rate": stream.average_rate,
            "size": (context.width, context.height),
            "aspect": stream.sample_aspect_ratio or context.sample_aspect_ratio or Fraction(1),
            "colours": (
                int(context.colorspace),
                int(context.color_range),
                int(context.color_primaries),
                int(context.color_trc),
            ),
        }[name]


def tag(stream: Any) -> None:
    """Tag a stream with BT.709 in everything, limited."""
    context = stream.codec_context
    context.colorspace, context.color_range, context.color_primaries, context.color_trc = 1, 1, 1, 1


LOSSLESS = {"crf": "0", "preset": "ultrafast"}


@pytest.mark.parametrize("source", ["a.mp4", "a.mkv", "a.mov", "a.y4m", "a.h264", "a.ts", "a.avi"])
@pytest.mark.parametrize("out", ["b.mkv", "b.mp4", "b.mov", "b.avi", "b.y4m"])
def test_rate_times_and_pictures(tmp_path: Path, source: str, out: str) -> None:
    rate = Fraction(30000, 1001)
    codec = {".y4m": "rawvideo"}.get(Path(source).suffix, "libx264")
    options = LOSSLESS if codec == "libx264" else {}
    path = write_video(tmp_path / source, codec, rate=rate, options=options)
    made = doubled(path, tmp_path / out, crf=0)
    found = stream_of(made, "rate")
    # A raw stream names no rate that its encoder didn't write; a Matroska file rounds times to 1/1000 s.
    expected = rate if source != "a.h264" else stream_of(path, "rate")
    assert float(found) == pytest.approx(float(expected), rel=2e-3)
    if out == "b.y4m":
        assert b" F30000:1001 " in made.read_bytes()[:80] or source == "a.h264"
    begin = seconds(path)[0] if source == "a.ts" and out not in ("b.avi", "b.y4m") else seconds(made)[0]
    assert seconds(made) == pytest.approx([begin + i / float(expected) for i in range(8)], abs=2e-3)
    for small, large in zip(pictures(path), pictures(made), strict=True):
        difference = large.astype(int) - small.repeat(2, 0).repeat(2, 1)
        if out in ("b.mkv", "b.avi"):
            assert not difference.any()
        else:
            # 4:2:0 keeps luma, and a quarter of the chroma samples.
            assert np.abs(difference @ (0.299, 0.587, 0.114)).max() < 1.5 and np.abs(difference).mean() < 2.5
            assert np.abs(difference.mean((0, 1))).max() < 0.2


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv422p", "yuv444p"])
def test_pictures_of_odd_sizes(tmp_path: Path, pixels: str) -> None:
    shown = [picture(i, 33, 47) for i in range(2)]
    path = write_video(tmp_path / "a.mkv", "ffv1", pixels, frames=shown)
    small = pictures(path)
    for out in ("b.mkv", "b.y4m"):
        same = Repetition(1)
        upscale_video(same, path, tmp_path / out, UpscaleSettings(scale=1), "test")
        for found, expected in zip(pictures(tmp_path / out), small, strict=True):
            assert found.shape == (33, 47, 3) and np.abs(found.astype(int) - expected).mean() < 2.5
    with pytest.raises(UserError, match=r"b\.mp4: expected an even width and height, .*found 47x33; write"):
        upscale_video(Repetition(1), path, tmp_path / "b.mp4", UpscaleSettings(scale=1), "test")


def test_a_variable_rate_keeps_its_times(tmp_path: Path) -> None:
    times = [0, 40, 80, 200, 240, 500, 520, 900]
    path = write_video(tmp_path / "a.mkv", times=times, time_base=Fraction(1, 1000))
    assert seconds(path) == pytest.approx([t / 1000 for t in times])
    for out in ("b.mkv", "b.mp4"):
        assert seconds(doubled(path, tmp_path / out)) == pytest.approx([t / 1000 for t in times], abs=1e-3)
    for out in ("b.y4m", "b.avi"):
        message = (
            rf"{out}: .* has one rate of frames, found .*a\.mkv to have frames at uneven times; write \.mkv"
        )
        with pytest.raises(UserError, match=message):
            doubled(path, tmp_path / out)
        assert not (tmp_path / out).exists()


@pytest.mark.parametrize(
    ("name", "codec", "rate", "tick"),
    [
        # As browsers record; the rate is that of the clock.
        ("a.webm", "libvpx", 1000, Fraction(1, 1000)),
        ("a.mkv", "libx264", 1000, Fraction(1, 1000)),
        ("a.mov", "libx264", 90000, Fraction(1, 90000)),
        # Frames that were dropped; the second has them out of order.
        ("a.avi", "mpeg4", 25, Fraction(1, 25)),
        ("a.avi", "libx264", 25, Fraction(1, 25)),
    ],
)
def test_times_are_kept_where_the_rate_is_that_of_the_clock(
    tmp_path: Path, name: str, codec: str, rate: int, tick: Fraction
) -> None:
    times = [0, 0.04, 0.08, 0.2, 0.24, 0.28, 0.48, 0.52, 0.56, 0.6]
    ticks = [round(t / tick) for t in times]
    path = write_video(tmp_path / name, codec, rate=rate, times=ticks, time_base=tick, frames=len(times))
    for out in ("b.mkv", "b.mp4", "b.mov"):
        assert seconds(doubled(path, tmp_path / out)) == pytest.approx(times, abs=1e-3)
    for out in ("b.avi", "b.y4m"):
        with pytest.raises(UserError, match=r"has one rate of frames, found .* at uneven times"):
            doubled(path, tmp_path / out)


def test_one_frame_that_was_dropped_is_no_rounding(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", "mpeg4", frames=5, times=[0, 1, 2, 4, 5])
    with pytest.raises(UserError, match="at uneven times"):
        doubled(path, tmp_path / "b.avi")


@pytest.mark.parametrize("rate", ["", "F0:0 ", "F0:1 ", "F30000:1001 "])
def test_a_rate_that_no_file_names_is_said(tmp_path: Path, capsys: Any, rate: str) -> None:
    frame = b"FRAME\n" + bytes([90]) * (64 * 48 * 3 // 2)
    path = tmp_path / "a.y4m"
    path.write_bytes(f"YUV4MPEG2 W64 H48 {rate}Ip C420jpeg\n".encode() + 2 * frame)
    doubled(path, tmp_path / "b.mkv")
    said = "no rate is named: 25 frames a second are taken" in capsys.readouterr().err
    assert said == (not rate.startswith("F3"))
    doubled(write_video(tmp_path / "a.h264"), tmp_path / "c.mkv")
    assert "a.h264: frames have no times: 25 a second are taken" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a.mkv", "a.ts"])
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, name: str) -> None:
    path = write_video(tmp_path / name, frames=20)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3 | 1])
    with pytest.raises(UserError, match="it was cut off"):
        doubled(path, tmp_path / "b.mkv")
    assert not list(tmp_path.glob("b*"))


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
def test_frames_are_upright(tmp_path: Path, degrees: int, mirrored: bool) -> None:
    shown = [picture(i) for i in range(3)]

    def turn(stream: Any) -> None:
        stream.set_display_rotation(degrees, hflip=mirrored)

    path = write_video(tmp_path / "a.mp4", options=LOSSLESS, frames=shown, prepare=turn)
    plain = pictures(write_video(tmp_path / "plain.mp4", options=LOSSLESS, frames=shown))
    # FFmpeg's rotation is anticlockwise, as numpy's; it mirrors what is turned.
    expected = [np.rot90(frame, degrees // 90) for frame in plain]
    expected = [frame[:, ::-1] if mirrored else frame for frame in expected]
    for found, frame in zip(pictures(path), expected, strict=True):
        np.testing.assert_array_equal(found, frame)
    made = pictures(doubled(path, tmp_path / "b.mkv"))
    np.testing.assert_array_equal(made[1], expected[1].repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize("out", ["b.mkv", "b.mp4", "b.mov", "b.avi", "b.y4m"])
def test_the_shape_of_pixels_stays(tmp_path: Path, capsys: Any, out: str) -> None:
    def shape(stream: Any) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(32, 27)

    path = write_video(tmp_path / "a.mp4", prepare=shape)
    made = doubled(path, tmp_path / out)
    if out == "b.avi":
        assert "b.avi: the shape of pixels (32:27) is dropped" in capsys.readouterr().err
    else:
        assert stream_of(made, "aspect") == Fraction(32, 27)


def test_a_change_of_the_shape_of_pixels_is_said(tmp_path: Path, capsys: Any) -> None:
    def shaped(aspect: Fraction) -> Any:
        return lambda stream: setattr(stream.codec_context, "sample_aspect_ratio", aspect)

    first = write_video(tmp_path / "1.h264", prepare=shaped(Fraction(1))).read_bytes()
    second = write_video(tmp_path / "2.h264", prepare=shaped(Fraction(4, 3))).read_bytes()
    (tmp_path / "a.h264").write_bytes(first + second)
    assert stream_of(doubled(tmp_path / "a.h264", tmp_path / "b.mp4"), "aspect") == 1
    said = capsys.readouterr().err
    assert said.count("a.h264: the shape of pixels changes from 1 to 4:3 near frame ") == 1


@pytest.mark.parametrize("title", ["", "Über uns", "x" * 120, "x" * 124, "x" * 200])
@pytest.mark.parametrize("codec", ["ffv1", "h264"])
def test_the_shape_of_pixels_in_a_matroska_file(tmp_path: Path, title: str, codec: str) -> None:
    def shape(stream: Any) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(16, 11)
        if title:
            stream.metadata["title"] = title

    path = write_video(tmp_path / "a.mkv", prepare=shape)
    made = doubled(path, tmp_path / "b.mkv", codec=codec)
    assert stream_of(made, "aspect") == Fraction(16, 11)
    with av.open(str(made)) as container:
        assert container.streams.video[0].metadata.get("title", "") == title
        container.seek(280_000)
        assert next(container.decode(video=0)).pts is not None


@pytest.mark.parametrize("colours", [(1, 1, 1, 1), (5, 1, 5, 6), (6, 2, 6, 6), (9, 1, 9, 14)])
def test_colour_tags_stay(tmp_path: Path, colours: tuple[int, ...]) -> None:
    def tag_all(stream: Any) -> None:
        context = stream.codec_context
        context.colorspace, context.color_range, context.color_primaries, context.color_trc = colours

    path = write_video(tmp_path / "a.mp4", prepare=tag_all)
    assert stream_of(path, "colours") == colours
    found = stream_of(doubled(path, tmp_path / "b.mp4"), "colours")
    assert found == colours
    # FFV1 holds RGB, which has no matrix and all levels.
    assert stream_of(doubled(path, tmp_path / "b.mkv"), "colours") == (0, 2, *colours[2:])


def test_a_y4m_file_names_the_range_and_has_the_matrix_of_its_size(tmp_path: Path, capsys: Any) -> None:
    def full(stream: Any) -> None:
        context = stream.codec_context
        context.colorspace, context.color_range, context.color_primaries = 5, 2, 5

    shown = [picture(i, 400, 64) for i in range(2)]
    path = write_video(tmp_path / "a.mp4", options=LOSSLESS, frames=shown, prepare=full)
    made = doubled(path, tmp_path / "b.y4m")
    header = made.read_bytes().split(b"\n")[0]
    assert b"XCOLORRANGE=FULL" in header and b"C420mpeg2" in header
    said = capsys.readouterr().err
    assert (
        "b.y4m: .y4m has no tags for colours: the matrix becomes bt709 (from bt601) and its primaries" in said
    )
    difference = pictures(made)[0].astype(int) - pictures(path)[0].repeat(2, 0).repeat(2, 1)
    assert np.abs(difference).mean() < 2.5 and np.abs(difference.mean((0, 1))).max() < 0.2


def tracks_of(path: Path) -> list[tuple[str, str, str]]:
    with av.open(str(path)) as container:
        return [
            (s.type, s.codec_context.name if s.codec_context else "", s.metadata.get("language", ""))
            for s in container.streams
            if s.type != "data"
        ]


def packets(path: Path, kind: str, index: int = 0) -> list[tuple[float, bytes]]:
    """Packets of a track, with their times to 1 ms."""
    with av.open(str(path)) as container:
        stream = [s for s in container.streams if s.type == kind][index]
        return [
            (round(float(p.pts * p.time_base), 3), bytes(p))
            for p in container.demux(stream)
            if p.pts is not None and p.size
        ]


@pytest.mark.parametrize(
    "case",
    [
        ("a.mkv", ("subrip", "ass"), "b.mkv", ["srt", "ssa"], []),
        ("a.mkv", ("subrip",), "b.mp4", ["mov_text"], ["subtitles 3 become mov_text (from srt)"]),
        ("a.mp4", ("mov_text",), "b.mkv", ["srt"], ["subtitles 3 become subrip (from mov_text)"]),
        ("a.mp4", ("mov_text",), "b.mp4", ["mov_text"], []),
        (
            "a.mp4",
            ("mov_text",),
            "b.avi",
            [],
            ["track 3 (subtitle, mov_text) is dropped", "chapters are dropped"],
        ),
    ],
)
def test_tracks_chapters_and_names_stay_where_they_can(tmp_path: Path, capsys: Any, case: Any) -> None:
    source, subtitles, out, expected, notes = case
    path = write_with_tracks(tmp_path / source, subtitles)
    made = doubled(path, tmp_path / out)
    found = tracks_of(made)
    assert [codec for kind, codec, _ in found if kind == "subtitle"] == expected
    assert [codec for kind, codec, _ in found if kind == "audio"] == ["aac", "aac"]
    for index in (0, 1):
        assert packets(made, "audio", index) == packets(path, "audio", index) and packets(
            path, "audio", index
        )
    said = capsys.readouterr().err
    assert all(note in said for note in notes)
    if expected:
        time, text = packets(made, "subtitle")[-1]
        assert b"Hi there" in text and time == pytest.approx(0.1)
    with av.open(str(made)) as container:
        assert container.metadata.get("title") == "A film"
        if out != "b.avi":
            languages = [language for kind, _, language in found if kind != "attachment"]
            assert languages == ["fra", "eng", "deu", *["ita"] * len(expected)]
            assert [c["metadata"].get("title") for c in container.chapters()] == ["one", "two"]
        attached = [s.data for s in container.streams.attachments]
    assert attached == ([b"no font"] if (source, out) == ("a.mkv", "b.mkv") else [])
    assert ("attachment" in said) == ((source, out) == ("a.mkv", "b.mp4"))


@pytest.mark.parametrize("out", ["b.mkv", "b.avi", "b.mp4"])
def test_sound_that_an_edit_list_leaves_out_stays_out(tmp_path: Path, out: str) -> None:
    """A second of sound in packets of 64 ms; 13 of 25 frames are left out."""
    path = trim(write_sound(tmp_path / "a.mp4"), tmp_path / "trimmed.mp4", 13 / 25)
    made = doubled(path, tmp_path / out)
    assert len(pictures(made)) == len(pictures(path)) == 12
    pictures_from, sound = seconds(made)[0], packets(made, "audio")
    # The packet that the cut is in, and the one that its decoder needs.
    assert len([time for time, _ in sound if time < pictures_from + 0.001]) <= (9 if out == "b.mp4" else 2)
    assert sound[-1][1] == packets(path, "audio")[-1][1]


@pytest.mark.parametrize(("pictures_at", "sound_at", "said"), [(0, 0.5, "after"), (0.5, 0, "before")])
def test_an_avi_file_says_that_its_tracks_begin_at_once(
    tmp_path: Path, capsys: Any, pictures_at: float, sound_at: float, said: str
) -> None:
    path = write_sound(tmp_path / "a.mkv", pictures_at, sound_at)
    doubled(path, tmp_path / "b.avi")
    assert (
        f"b.avi: sound 1 begins 0.50 s {said} the pictures, and at once with them" in capsys.readouterr().err
    )
    doubled(write_sound(tmp_path / "c.mkv", 0.5, 0.5), tmp_path / "d.avi")
    doubled(path, tmp_path / "b.mkv")
    assert "begins" not in capsys.readouterr().err


def test_a_y4m_file_says_what_it_drops(tmp_path: Path, capsys: Any) -> None:
    path = write_with_tracks(tmp_path / "a.mkv")
    assert len(pictures(doubled(path, tmp_path / "b.y4m"))) == 10
    said = capsys.readouterr().err
    for note in (
        "track 1 (audio, aac) is dropped",
        "track 3 (subtitle",
        "chapters are dropped",
        "title and other",
    ):
        assert note in said


def test_a_change_of_size_is_named_before_anything_is_written(tmp_path: Path) -> None:
    first = write_video(tmp_path / "1.h264").read_bytes()
    second = write_video(tmp_path / "2.h264", frames=[picture(i, 40, 56) for i in range(4)]).read_bytes()
    (tmp_path / "a.h264").write_bytes(first + second)
    for out in ("b.mkv", "b.mp4"):
        with pytest.raises(UserError, match="expected all frames to be 64x48, found frame 8 to be 56x40"):
            doubled(tmp_path / "a.h264", tmp_path / out)
        assert not list(tmp_path.glob("b*"))


def test_interlaced_video_is_refused_or_deinterlaced(tmp_path: Path, capsys: Any) -> None:
    path = write_video(tmp_path / "a.mkv", options={"x264-params": "tff=1"})
    with pytest.raises(UserError, match=r"a\.mkv: expected progressive frames, .* set deinterlace: true"):
        doubled(path, tmp_path / "b.mkv")
    made = doubled(path, tmp_path / "b.mkv", deinterlace=True)
    assert seconds(made) == pytest.approx(seconds(path), abs=2e-3)
    assert "frames are deinterlaced" in capsys.readouterr().err


def test_ten_bits_hdr_and_alpha_are_said(tmp_path: Path, capsys: Any) -> None:
    def pq(stream: Any) -> None:
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc = 9, 9, 16

    path = write_video(tmp_path / "a.mp4", "libx265", "yuv420p10le", prepare=pq)
    made = doubled(path, tmp_path / "b.mp4")
    assert stream_of(made, "colours")[2:] == (9, 16)
    said = capsys.readouterr().err
    assert "10 bits a sample are rounded to 8" in said and "HDR (PQ)" in said
    doubled(write_video(tmp_path / "c.mkv", "ffv1", "yuva420p"), tmp_path / "d.mkv")
    assert "transparency (yuva420p) is dropped" in capsys.readouterr().err


@pytest.mark.parametrize("name", ['it\'s "new".mkv', "a: b %03d.mkv", "concat:x.mkv", "[a]{b}$c.mkv"])
def test_names_of_any_kind(tmp_path: Path, name: str) -> None:
    path = write_video(tmp_path / name)
    assert len(pictures(doubled(path, tmp_path / f"out {name}"))) == 8
