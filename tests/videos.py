"""Small videos of every kind, written with FFmpeg's encoders (PyAV)."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.subtitles.subtitle import SubtitleSet

HEADER = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize
Style: Default,Arial,16

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
_FORMATS = {".h264": "h264", ".h265": "hevc", ".y4m": "yuv4mpegpipe", ".png": "apng", ".m2v": "mpeg2video"}


def picture(index: int, height: int = 48, width: int = 64) -> np.ndarray:
    """Return a smooth coloured picture that moves with the index, uint8 H x W x 3."""
    rows, columns = np.mgrid[:height, :width]
    waves = [
        np.sin((rows * a + columns * b) / 9 + index / 3 + c) for a, b, c in ((1, 1, 0), (1, -2, 1), (2, 1, 2))
    ]
    return np.rint(np.stack(waves, axis=2) * 70 + 125).astype(np.uint8)


# libx265 logs by itself; the macroblock tree of libx264 gives other bytes each time.
_ENCODERS = {
    "libx265": {"x265-params": "log-level=none"},
    "libx264": {"x264-params": "threads=1:mbtree=0:sync-lookahead=0:keyint=10"},
}


def write_video(
    path: Path,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    *,
    frames: Sequence[np.ndarray] | int = 8,
    rate: Fraction | int = 25,
    times: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
    prepare: Callable[[Any], None] = lambda stream: None,
) -> Path:
    """Write pictures as a video.

    `times` are in units of the time base, `options` the encoder's, `container` those of the file's format,
    and `prepare` sets what else a stream has.
    """
    shown = [picture(i) for i in range(frames)] if isinstance(frames, int) else list(frames)
    kind = _FORMATS.get(path.suffix)
    with av.open(f"file:{path}", "w", format=kind, container_options=container) as file:
        stream: Any = file.add_stream(
            codec, rate=rate, options={**_ENCODERS.get(codec, {}), **(options or {})}
        )
        stream.height, stream.width, stream.pix_fmt = *shown[0].shape[:2], pixels
        base = time_base or 1 / Fraction(rate)
        stream.codec_context.time_base = base
        # The same bytes each time, however busy the machine is.
        stream.codec_context.thread_count = 1
        prepare(stream)
        context = stream.codec_context
        for i, rgb in enumerate(shown):
            plain = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
            frame = plain.reformat(format=pixels, dst_colorspace=_matrix(context))
            frame.pts, frame.time_base = i if times is None else times[i], base
            frame.colorspace, frame.color_range = context.colorspace, context.color_range
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def _matrix(context: Any) -> int:
    """Return the matrix that a stream names, else that of HD or SD."""
    hd = context.height >= 720 or context.width >= 1280
    return context.colorspace if context.colorspace in (1, 9) else 1 if hd else 5


def write_planes(path: Path, codec: str, pixels: str, planes: Sequence[np.ndarray], **keys: Any) -> Path:
    """Write one frame of given planes, which the codec keeps without loss; `size` is that of packed "
    "pixels."""
    height, width = keys.pop("size", planes[0].shape)
    with av.open(f"file:{path}", "w", format=_FORMATS.get(path.suffix)) as container:
        stream: Any = container.add_stream(codec, rate=25, options=keys.pop("options", {}))
        stream.height, stream.width, stream.pix_fmt = height, width, pixels
        for name, value in keys.items():
            setattr(stream.codec_context, name, value)
        frame = av.VideoFrame(width, height, pixels)
        for values, plane in zip(planes, frame.planes, strict=True):
            rows = np.frombuffer(memoryview(plane), values.dtype).reshape(plane.height, -1)
            rows[:, : values.shape[1]] = values
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        frame.colorspace, frame.color_range = (
            stream.codec_context.colorspace,
            stream.codec_context.color_range,
        )
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_with_tracks(path: Path, subtitles: Sequence[str] = ("subrip", "ass")) -> Path:
    """Write a film with two sound tracks, subtitles, chapters, names, and in a Matroska file an "
    "attachment."""
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("libx264", rate=25)
        video.height, video.width, video.pix_fmt = 48, 64, "yuv420p"
        sounds: list[Any] = [container.add_stream("aac", rate=8000, layout="mono") for _ in range(2)]
        for stream, language in zip((video, *sounds), ("fra", "eng", "deu"), strict=True):
            stream.metadata["language"] = language
        texts: list[Any] = [container.add_stream(codec) for codec in subtitles]
        for stream in texts:
            stream.codec_context.subtitle_header = HEADER
            stream.codec_context.time_base = Fraction(1, 1000)
            stream.metadata["language"] = "ita"
        if path.suffix == ".mkv":
            container.add_attachment("font.ttf", "font/ttf", b"no font")
        container.metadata["title"] = "A film"
        container.set_chapters([_chapter(0, "one"), _chapter(1, "two")])
        for i in range(10):
            frame = av.VideoFrame.from_ndarray(picture(i), format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, 25)
            container.mux(video.encode(frame))
        for k, stream in enumerate(sounds):
            tone = np.sin(np.arange(3200) / (5 + k))[None].astype(np.float32)
            samples = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
            samples.sample_rate = 8000
            container.mux(stream.encode(samples))
            container.mux(stream.encode())
        for stream in texts:
            text = SubtitleSet.create(b"0,0,Default,,0,0,0,,Hi there", 0, 100, pts=100_000)
            packet = stream.codec_context.encode_subtitle(text)
            packet.stream, packet.time_base = stream, Fraction(1, 1000)
            packet.pts = packet.dts = packet.duration = 100
            container.mux(packet)
        container.mux(video.encode())
    return path


def write_sound(path: Path, pictures_at: float = 0, sound_at: float = 0) -> Path:
    """Write a second of pictures, and a second of sound in packets of 64 ms, each from its own time on."""
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("libx264", rate=25, options=_ENCODERS["libx264"])
        video.height, video.width, video.pix_fmt = 48, 64, "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        sound: Any = container.add_stream(
            "aac" if path.suffix == ".mp4" else "mp2", rate=16000, layout="mono"
        )
        for i in range(25):
            frame = av.VideoFrame.from_ndarray(picture(i), format="rgb24")
            frame.pts, frame.time_base = round(1000 * pictures_at) + 40 * i, Fraction(1, 1000)
            container.mux(video.encode(frame))
        tone = np.sin(np.arange(16000) / 5)[None]
        form = "fltp" if path.suffix == ".mp4" else "s16"
        values = tone.astype(np.float32) if form == "fltp" else (tone * 9999).astype(np.int16)
        samples = av.AudioFrame.from_ndarray(values, format=form, layout="mono")
        samples.sample_rate, samples.pts, samples.time_base = (
            16000,
            round(16000 * sound_at),
            Fraction(1, 16000),
        )
        container.mux(sound.encode(samples))
        container.mux(sound.encode())
        container.mux(video.encode())
    return path


def _chapter(index: int, title: str) -> Any:
    start = 200 * index
    return {
        "id": index + 1,
        "start": start,
        "end": start + 200,
        "time_base": Fraction(1, 1000),
        "metadata": {"title": title},
    }


def trim(path: Path, out: Path, seconds: float) -> Path:
    """Copy a video without its first seconds, as `ffmpeg -ss` with `-c copy` does.

    Pictures from the key frame before on stay in the file; in .mp4 and .mov an edit list leaves them out.
    """
    with av.open(str(path)) as source, av.open(str(out), "w") as container:
        made = {stream.index: container.add_stream_from_template(stream) for stream in source.streams}
        source.seek(int(seconds * av.time_base), backward=True)
        for packet in source.demux():
            if packet.pts is not None and packet.dts is not None and packet.time_base is not None:
                shift = round(seconds / packet.time_base)
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = made[packet.stream.index]
                container.mux(packet)
    return out
