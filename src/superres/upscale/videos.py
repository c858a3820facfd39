"""Read videos as RGB frames and write RGB frames as videos, with FFmpeg's libraries (PyAV)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from superres.device.base.errors import UserError
from superres.upscale.codecs import CONTAINERS, Codec

Sound = Sequence[av.AudioStream]

_PLANAR = ("yuv420p", "yuv422p", "yuv444p")
# SWS_BICUBIC, SWS_ACCURATE_RND, SWS_FULL_CHR_H_INP and SWS_FULL_CHR_H_INT of libswscale/swscale.h. RGB of a
# photograph is 1.2 levels too dark in the mean by default, 0.004 with these.
_ACCURATE = 0x4 | 0x40000 | 0x4000 | 0x2000
_BT709, _BT601 = Colorspace.ITU709, Colorspace.ITU601


@dataclass(frozen=True)
class Picture:
    """One frame, uint8 H x W x 3 RGB, and its presentation time, in units of the stream's time base."""

    rgb: np.ndarray
    pts: int | None


@dataclass(frozen=True)
class VideoFormat:
    """Size, timing and colour format of a video, known before its first frame.

    `frames` is the container's count, or an estimate from its duration, or 0.
    """

    width: int
    height: int
    rate: Fraction
    time_base: Fraction
    pixels: str
    matrix: Colorspace
    range: ColorRange
    frames: int


def frame_size(path: Path) -> tuple[int, int]:
    """Return height and width of a video's frames; raises UserError as `VideoReader` does."""
    with VideoReader(path) as reader:
        return reader.format.height, reader.format.width


class VideoReader:
    """The frames of a video's first picture stream, as RGB in presentation order, and its sound.

    Uses the file's colour matrix and range, by default BT.709 and limited. Raises UserError if the file is
    missing, is no video, or breaks off.
    """

    def __init__(self, path: Path):
        self.path = path
        if not path.is_file():
            raise UserError(f"{path}: expected a video, found no file")
        try:
            self._container = av.open(str(path))
        except FFmpegError as error:
            raise UserError(f"{path}: expected a video, found something else: {error.strerror}") from error
        if not self._container.streams.video:
            self._container.close()
            raise UserError(f"{path}: expected a video, found no stream of pictures in it")
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self._reformatter = VideoReformatter()

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(self, *exception: object) -> None:
        self._container.close()

    @property
    def format(self) -> VideoFormat:
        """The format that the file names."""
        context, rate = self._stream.codec_context, self._stream.average_rate or self._stream.base_rate
        matrix = _BT601 if int(context.colorspace) in (5, 6) else _BT709
        full = int(context.color_range) == int(ColorRange.JPEG) or (context.pix_fmt or "").startswith("yuvj")
        rate = rate or Fraction(25)
        return VideoFormat(
            width=context.width,
            height=context.height,
            rate=rate,
            time_base=self._stream.time_base or 1 / rate,
            pixels=(context.pix_fmt or "").replace("yuvj", "yuv"),
            matrix=matrix,
            range=ColorRange.JPEG if full else ColorRange.MPEG,
            frames=self._stream.frames or self._estimated_frames(rate),
        )

    def _estimated_frames(self, rate: Fraction) -> int:
        stream = self._stream
        if stream.duration and stream.time_base:
            return round(stream.duration * stream.time_base * rate)
        if self._container.duration:
            return round(Fraction(self._container.duration, av.time_base) * rate)
        return 0

    @property
    def sound(self) -> list[av.AudioStream]:
        """The file's sound streams."""
        return list(self._container.streams.audio)

    def __iter__(self) -> Iterator[Picture | av.Packet]:
        """Yield frames, and the unchanged packets of sound between them."""
        form, count = self.format, 0
        try:
            for packet in self._container.demux(self._stream, *self.sound):
                if packet.stream.index != self._stream.index:
                    # The last packet of each stream is empty.
                    if packet.dts is not None:
                        yield packet
                    continue
                for frame in self._stream.decode(packet):
                    rgb = self._reformatter.reformat(
                        frame,
                        format="rgb24",
                        src_colorspace=form.matrix,
                        src_color_range=form.range,
                        interpolation=_ACCURATE,
                    )
                    count += 1
                    yield Picture(rgb.to_ndarray(), frame.pts)
        except FFmpegError as error:
            raise UserError(
                f"{self.path}: expected another frame after {count}, found a damaged file: {error.strerror}"
            ) from error
        if not count:
            raise UserError(f"{self.path}: expected frames, found none")


class VideoWriter:
    """Writes RGB frames as a video of a given format, twice as wide and high, with unchanged sound.

    `ffv1` keeps every level of R, G and B. `h264` is 4:2:0 at the quality `crf`. `y4m` has the input's chroma
    format, or 4:4:4. A context manager; the file is complete only if it ends without an error.
    """

    def __init__(self, path: Path, kind: str, source: VideoFormat, codec: Codec, *, crf: int, sound: Sound):
        """Open `path` for writing; `kind` is the ending of the finished file's name."""
        self._container = av.open(str(path), "w", format=CONTAINERS[kind])
        names = {"ffv1": "ffv1", "h264": "libx264", "y4m": "rawvideo"}
        options: dict[str, str] = {"crf": str(crf)} if codec == "h264" else {}
        self._stream: Any = self._container.add_stream(names[codec], rate=source.rate, options=options)
        self._source = source
        self._pixels = {
            "ffv1": "bgr0",
            "h264": "yuv420p",
            "y4m": source.pixels if source.pixels in _PLANAR else "yuv444p",
        }[codec]
        self._stream.width, self._stream.height = 2 * source.width, 2 * source.height
        self._stream.pix_fmt = self._pixels
        context = self._stream.codec_context
        context.time_base = source.time_base
        context.thread_type = "AUTO"
        if self._pixels != "bgr0":
            context.colorspace, context.color_range = int(source.matrix), int(source.range)
        self._reformatter = VideoReformatter()
        streams = sound if codec != "y4m" else ()
        self._sound = {stream.index: self._container.add_stream_from_template(stream) for stream in streams}

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        try:
            if kind is None:
                self._mux(self._stream.encode())
        finally:
            self._container.close()

    def write(self, picture: Picture) -> None:
        """Encode a frame, uint8 2H x 2W x 3; raises UserError if the disk is full."""
        frame = av.VideoFrame.from_ndarray(picture.rgb, format="rgb24")
        converted = self._reformatter.reformat(
            frame,
            format=self._pixels,
            dst_colorspace=self._source.matrix,
            dst_color_range=ColorRange.JPEG if self._pixels == "bgr0" else self._source.range,
            interpolation=_ACCURATE,
        )
        converted.pts, converted.time_base = picture.pts, self._source.time_base
        self._mux(self._stream.encode(converted))

    def copy(self, packet: av.Packet) -> None:
        """Write a packet of sound; a y4m file has none."""
        if packet.stream.index in self._sound:
            packet.stream = self._sound[packet.stream.index]
            self._mux(packet)

    def _mux(self, packets: Any) -> None:
        try:
            self._container.mux(packets)
        except OSError as error:
            raise UserError(
                f"{self._container.name}: expected room for the video, found: {error.strerror}"
            ) from error
