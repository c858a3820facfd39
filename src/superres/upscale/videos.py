"""Read videos as RGB pictures with their times, and write RGB pictures as videos, with FFmpeg (PyAV)."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange

from superres.data.video.colour import Colour, Tags, settle
from superres.data.video.convert import ACCURATE, rgb_of
from superres.data.video.facts import VideoFacts, video_facts
from superres.data.video.reader import VideoReader
from superres.data.video.yuv import rgb_to_yuv
from superres.device.base.errors import UserError
from superres.upscale import matroska
from superres.upscale.codecs import Codec
from superres.upscale.timing import Clock, constant_rate
from superres.upscale.tracks import Tracks

_PLANAR = ("yuv420p", "yuv422p", "yuv444p")
# Containers of frames without times: they have one rate.
_ONE_RATE = (".y4m", ".avi")
# ITU-T H.273, table 4.
_MATRICES = {"bt709": 1, "fcc": 4, "bt601": 6, "smpte240m": 7, "bt2020": 9}
# RGB and unknown in the same table.
_RGB, _UNKNOWN = 0, 2


@dataclass(frozen=True)
class Picture:
    """One frame, uint8 H x W x 3 RGB, and its presentation time in units of the output's time base."""

    rgb: np.ndarray
    pts: int


@dataclass(frozen=True)
class OutputFormat:
    """Size, timing and colours of a video that is written. `frames` is an estimate, or 0.

    `numbered` frames have no times of their own that count: the video or its container has one rate.
    """

    width: int
    height: int
    rate: Fraction
    time_base: Fraction
    numbered: bool
    pixels: str
    colour: Colour
    matrix_number: int
    primaries: int
    transfer: int
    sample_aspect: Fraction
    frames: int


def frame_size(path: Path, *, deinterlace: bool = False) -> tuple[int, int]:
    """Return height and width of a video's upright frames; raises UserError as `video_facts` does."""
    return video_facts(path, deinterlace=deinterlace).shape


def output_format(reader: VideoReader, out: Path, codec: Codec, scale: int) -> OutputFormat:
    """Return the format of a video `scale` times as wide and high, with all that its container keeps.

    Raises UserError if the container has one rate and the video more, and for H.264 of an odd size.
    """
    facts, stream = reader.facts, reader.stream
    height, width = (scale * side for side in facts.shape)
    if codec == "h264" and (height % 2 or width % 2):
        raise UserError(
            f"{out}: expected an even width and height, which H.264 in 4:2:0 has, found {width}x{height}; "
            "write .mkv"
        )
    rate, time_base = facts.rate, stream.time_base
    one_rate = out.suffix.lower() in _ONE_RATE
    if one_rate:
        rate = constant_rate(facts, f"{out}: {out.suffix} has one rate of frames")
    numbered = one_rate or not facts.stamped or not time_base
    if numbered:
        time_base = 1 / rate
    colour = facts.colour()
    if codec == "y4m":
        # A y4m file has no tag for the matrix, so readers take what its size says.
        colour = settle(Tags(range=colour.range, siting=colour.siting), height, width)
    planar = facts.pixels.replace("yuvj", "yuv")
    pixels = {"ffv1": "bgr0", "h264": "yuv420p"}.get(codec)
    aspect = 1 / facts.sample_aspect if facts.turn.swapped else facts.sample_aspect
    return OutputFormat(
        width=width,
        height=height,
        rate=rate,
        time_base=time_base,
        numbered=numbered,
        pixels=pixels or (planar if planar in _PLANAR else "yuv444p"),
        colour=colour,
        matrix_number=5
        if colour.matrix == "bt601" and facts.matrix_number == 5
        else _MATRICES[colour.matrix],
        primaries=facts.primaries,
        transfer=facts.transfer,
        sample_aspect=aspect,
        frames=stream.frames or (round(stream.duration * stream.time_base * rate) if stream.duration else 0),
    )


def picture_notes(facts: VideoFacts, form: OutputFormat, out: Path) -> list[str]:
    """Return a line for the shape of pixels and for colour tags, if the output can't have them."""
    kind = out.suffix.lower()
    lines = []
    if kind == ".avi" and form.sample_aspect != 1:
        aspect = str(form.sample_aspect).replace("/", ":")
        lines.append(f"{out}: the shape of pixels ({aspect}) is dropped, which {kind} doesn't hold")
    lost = []
    matrix = facts.colour().matrix
    if form.pixels != "bgr0" and form.colour.matrix != matrix:
        lost.append(f"the matrix becomes {form.colour.matrix} (from {matrix})")
    tagged = facts.primaries not in (_UNKNOWN, 0) or facts.transfer not in (_UNKNOWN, 0)
    if tagged and kind in _ONE_RATE:
        lost.append("its primaries and transfer are dropped")
    if lost:
        lines.append(f"{out}: {kind} has no tags for colours: {' and '.join(lost)}")
    return lines


def pictures(reader: VideoReader, form: OutputFormat) -> "Iterator[Picture | av.Packet]":
    """Yield frames as RGB with their times, and the unchanged packets of `reader.others` between them."""
    colour, turn = reader.facts.colour(), reader.facts.turn
    clock = Clock(form.rate, form.time_base, numbered=form.numbered)
    for item in reader:
        if isinstance(item, av.VideoFrame):
            yield Picture(rgb_of(item, colour, turn), clock.time_of(item))
        else:
            yield item


class VideoWriter:
    """Writes RGB frames as a video of a given format, with other tracks unchanged.

    `ffv1` keeps every level of R, G and B. `h264` is 4:2:0 at the quality `crf`. A context manager; the file
    is complete only if it ends without an error.
    """

    def __init__(self, path: Path, form: OutputFormat, tracks: Tracks, codec: Codec, crf: int):
        """Open `path` for writing, in the container of `tracks`."""
        self._form, self._path = form, path
        self._shaped = tracks.kind == "matroska" and form.sample_aspect != 1
        container_options = matroska.OPTIONS if self._shaped else {}
        self._container = av.open(
            f"file:{path}", "w", format=tracks.kind, container_options=container_options
        )
        options = {"chroma_sample_location": form.colour.siting} if form.pixels == "yuv420p" else {}
        if codec == "h264":
            options["crf"] = str(crf)
        name = {"ffv1": "ffv1", "h264": "libx264"}[codec]
        self._stream: Any = self._container.add_stream(name, rate=form.rate, options=options)
        self._describe()
        self._tracks = tracks
        tracks.add_to(self._container, self._stream)
        self._title = self._stream.metadata.get("title", "")
        if self._shaped:
            self._stream.metadata["title"] = matroska.padded_title(self._title)

    def _describe(self) -> None:
        form, stream = self._form, self._stream
        stream.width, stream.height, stream.pix_fmt = form.width, form.height, form.pixels
        context = stream.codec_context
        context.time_base = form.time_base
        context.thread_type = "AUTO"
        context.sample_aspect_ratio = form.sample_aspect
        context.color_primaries, context.color_trc = form.primaries, form.transfer
        if form.pixels == "bgr0":
            context.colorspace, context.color_range = _RGB, int(ColorRange.JPEG)
        else:
            context.colorspace = form.matrix_number
            context.color_range = int(_range_of(form.colour))

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        form = self._form
        try:
            if kind is None:
                self._mux(self._stream.encode())
        finally:
            self._container.close()
        if kind is None and self._shaped:
            matroska.write_shape(self._path, form.width, form.height, form.sample_aspect, self._title)

    def write(self, picture: Picture) -> None:
        """Encode a frame, uint8 sH x sW x 3; raises UserError if the disk is full."""
        frame = _frame(picture.rgb, self._form)
        frame.pts, frame.time_base = picture.pts, self._form.time_base
        self._mux(self._stream.encode(frame))

    def copy(self, packet: av.Packet) -> None:
        """Write a packet of another track, if the file has it."""
        self._mux(self._tracks.written(packet))

    def _mux(self, packets: Any) -> None:
        try:
            self._container.mux(packets)
        except OSError as error:
            raise _full(self._path, error) from error


class Y4mWriter:
    """Writes RGB frames as a y4m file with the input's chroma format, or 4:4:4; FFmpeg's has no shape of "
    "pixels.

    The interface is that of `VideoWriter`.
    """

    def __init__(self, path: Path, form: OutputFormat):
        self._path, self._form = path, form
        chroma = form.pixels.removeprefix("yuv").removesuffix("p")
        siting = {"left": "mpeg2", "center": "jpeg", "topleft": "paldv"}.get(form.colour.siting, "jpeg")
        full = " XCOLORRANGE=FULL" if form.colour.range == "full" else ""
        self._file = path.open("wb")
        self._header = (
            f"YUV4MPEG2 W{form.width} H{form.height} F{form.rate.numerator}:{form.rate.denominator} Ip "
            f"A{form.sample_aspect.numerator}:{form.sample_aspect.denominator} "
            f"C{chroma}{siting if chroma == '420' else ''}{full}\n"
        )

    def __enter__(self) -> "Y4mWriter":
        self._put(self._header.encode())
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def write(self, picture: Picture) -> None:
        """Write a frame, uint8 sH x sW x 3; raises UserError if the disk is full."""
        self._put(b"FRAME\n")
        for plane in _planes(picture.rgb, self._form):
            self._put(np.ascontiguousarray(plane).data)

    def copy(self, packet: av.Packet) -> None:
        """Drop a packet: a y4m file holds pictures only."""

    def _put(self, content: Any) -> None:
        try:
            self._file.write(content)
        except OSError as error:
            raise _full(self._path, error) from error


def _full(path: Path, error: OSError) -> UserError:
    return UserError(f"{path}: expected room for the video, found: {error.strerror}")


def _range_of(colour: Colour) -> ColorRange:
    return ColorRange.MPEG if colour.range == "limited" else ColorRange.JPEG


def _planes(rgb: np.ndarray, form: OutputFormat) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    colour, sampling = form.colour, form.pixels.removeprefix("yuv").removesuffix("p")
    return rgb_to_yuv(rgb, colour.matrix, colour.range == "limited", colour.siting, sampling)


def _frame(rgb: np.ndarray, form: OutputFormat) -> av.VideoFrame:
    """Return RGB as a frame of the output's pixels."""
    if form.pixels == "bgr0":
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
        return frame.reformat(format="bgr0", dst_color_range=ColorRange.JPEG, interpolation=ACCURATE)
    frame = av.VideoFrame(form.width, form.height, form.pixels)
    for values, plane in zip(_planes(rgb, form), frame.planes, strict=True):
        np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, -1)[:, : plane.width] = values
    return frame
