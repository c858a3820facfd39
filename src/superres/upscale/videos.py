"""Read videos as RGB pictures with their times, and write RGB pictures as videos, with FFmpeg (PyAV)."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from superres.data.video.colour import Colour, Tags, settle
from superres.data.video.convert import ACCURATE, rgb_of
from superres.data.video.facts import Y4M, VideoFacts, video_facts
from superres.data.video.reader import VideoReader
from superres.device.base.errors import UserError
from superres.upscale.codecs import Codec
from superres.upscale.timing import Clock, constant_rate
from superres.upscale.tracks import Tracks

_PLANAR = ("yuv420p", "yuv422p", "yuv444p")
# Containers of frames without times: they have one rate.
_ONE_RATE = (".y4m", ".avi")
_MATRICES = {
    "bt709": Colorspace.ITU709,
    "fcc": Colorspace.FCC,
    "bt601": Colorspace.SMPTE170M,
    "smpte240m": Colorspace.SMPTE240M,
    "bt2020": Colorspace.BT2020,
}
# Names of libavfilter's scale, and numbers of ITU-T H.273 for RGB and unknown.
_MATRIX_NAMES = {"fcc": "fcc", "bt601": "smpte170m", "bt709": "bt709", "bt2020": "bt2020"}
_RGB, _UNKNOWN = 0, 2


@dataclass(frozen=True)
class Picture:
    """One frame, uint8 H x W x 3 RGB, and its presentation time in units of the output's time base."""

    rgb: np.ndarray
    pts: int


@dataclass(frozen=True)
class OutputFormat:
    """Size, timing and colours of a video that is written. `frames` is an estimate, or 0."""

    width: int
    height: int
    rate: Fraction
    time_base: Fraction
    pixels: str
    colour: Colour
    primaries: int
    transfer: int
    sample_aspect: Fraction
    frames: int


def frame_size(path: Path, *, deinterlace: bool = False) -> tuple[int, int]:
    """Return height and width of a video's upright frames; raises UserError as `video_facts` does."""
    return video_facts(path, deinterlace=deinterlace).shape


def output_format(reader: VideoReader, out: Path, codec: Codec) -> OutputFormat:
    """Return the format of a video twice as wide and high, with all that its container keeps of the input.

    Raises UserError if the container has one rate and the video more.
    """
    facts, stream = reader.facts, reader.stream
    height, width = (2 * side for side in facts.shape)
    rate, time_base = facts.rate, stream.time_base
    if out.suffix.lower() in _ONE_RATE:
        rate = constant_rate(facts, f"{out}: {out.suffix} has one rate of frames")
        time_base = 1 / rate
    elif not facts.stamped or not time_base:
        time_base = 1 / rate
    colour = facts.colour()
    if codec == "y4m":
        # A y4m file has no tag for the matrix, so readers take what its size says.
        colour = settle(Tags(range=colour.range, siting=colour.siting), height, width)
    pixels = {"ffv1": "bgr0", "h264": "yuv420p"}.get(codec)
    aspect = 1 / facts.sample_aspect if facts.turn.swapped else facts.sample_aspect
    return OutputFormat(
        width=width,
        height=height,
        rate=rate,
        time_base=time_base,
        pixels=pixels or (facts.pixels if facts.pixels in _PLANAR else "yuv444p"),
        colour=colour,
        primaries=facts.primaries,
        transfer=facts.transfer,
        sample_aspect=aspect,
        frames=stream.frames or (round(stream.duration * stream.time_base * rate) if stream.duration else 0),
    )


def colour_notes(facts: VideoFacts, form: OutputFormat, out: Path) -> list[str]:
    """Return a line for colour tags that the output can't have."""
    lost = []
    matrix = facts.colour().matrix
    if form.pixels != "bgr0" and form.colour.matrix != matrix:
        lost.append(f"the matrix becomes {form.colour.matrix} (from {matrix})")
    tagged = facts.primaries not in (_UNKNOWN, 0) or facts.transfer not in (_UNKNOWN, 0)
    if tagged and out.suffix.lower() in _ONE_RATE:
        lost.append("its primaries and transfer are dropped")
    return [f"{out}: {out.suffix} has no tags for colours: {' and '.join(lost)}"] if lost else []


def pictures(reader: VideoReader, form: OutputFormat) -> "Iterator[Picture | av.Packet]":
    """Yield frames as RGB with their times, and the unchanged packets of `reader.others` between them."""
    colour, turn = reader.facts.colour(), reader.facts.turn
    clock = Clock(form.rate, form.time_base, numbered=reader.facts.container == Y4M)
    for item in reader:
        if isinstance(item, av.VideoFrame):
            yield Picture(rgb_of(item, colour, turn), clock.time_of(item))
        else:
            yield item


class VideoWriter:
    """Writes RGB frames as a video of a given format, with other tracks unchanged.

    `ffv1` keeps every level of R, G and B. `h264` is 4:2:0 at the quality `crf`. `y4m` has the input's chroma
    format, or 4:4:4. A context manager; the file is complete only if it ends without an error.
    """

    def __init__(self, path: Path, form: OutputFormat, tracks: Tracks, codec: Codec, crf: int):
        """Open `path` for writing, in the container of `tracks`."""
        self._form, self._path = form, path
        self._container = av.open(f"file:{path}", "w", format=tracks.kind)
        names = {"ffv1": "ffv1", "h264": "libx264", "y4m": "rawvideo"}
        options = {"chroma_sample_location": form.colour.siting} if form.pixels == "yuv420p" else {}
        if codec == "h264":
            options["crf"] = str(crf)
        self._stream: Any = self._container.add_stream(names[codec], rate=form.rate, options=options)
        self._describe()
        self._convert = _Converter(form)
        self._tracks = tracks
        tracks.add_to(self._container, self._stream)

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
            context.colorspace = int(_MATRICES[form.colour.matrix])
            context.color_range = int(_range_of(form.colour))

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
        frame = self._convert(av.VideoFrame.from_ndarray(picture.rgb, format="rgb24"))
        frame.pts, frame.time_base = picture.pts, self._form.time_base
        self._mux(self._stream.encode(frame))

    def copy(self, packet: av.Packet) -> None:
        """Write a packet of another track, if the file has it."""
        self._mux(self._tracks.written(packet))

    def _mux(self, packets: Any) -> None:
        try:
            self._container.mux(packets)
        except OSError as error:
            raise UserError(f"{self._path}: expected room for the video, found: {error.strerror}") from error


def _range_of(colour: Colour) -> ColorRange:
    return ColorRange.MPEG if colour.range == "limited" else ColorRange.JPEG


class _Converter:
    """RGB to the pixels of a format, with chroma samples where the format has them."""

    def __init__(self, form: OutputFormat):
        self._pixels = form.pixels
        if form.pixels == "bgr0":
            return
        colour = form.colour
        graph = av.filter.Graph()
        self._source = graph.add(
            "buffer",
            video_size=f"{form.width}x{form.height}",
            pix_fmt="rgb24",
            time_base="1/1",
            colorspace="gbr",
            range="pc",
        )
        scale = graph.add(
            "scale",
            flags="bicubic+accurate_rnd+full_chroma_int+full_chroma_inp",
            out_color_matrix=_MATRIX_NAMES.get(colour.matrix, colour.matrix),
            out_range=colour.range,
            out_chroma_loc=colour.siting,
        )
        pixels, self._sink = graph.add("format", pix_fmts=form.pixels), graph.add("buffersink")
        graph.link_nodes(self._source, scale, pixels, self._sink).configure()
        self._graph = graph

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame:
        if self._pixels == "bgr0":
            return frame.reformat(format="bgr0", dst_color_range=ColorRange.JPEG, interpolation=ACCURATE)
        self._source.push(frame)
        converted = self._sink.pull()
        assert isinstance(converted, av.VideoFrame)
        return converted
