"""What a video says of itself, from its header and first frame, and what of it can't be kept."""

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError
from av.sidedata.sidedata import Type as SideDataType
from av.stream import Disposition
from av.video.reformatter import ColorPrimaries, ColorRange, ColorTrc

from superres.data.video.colour import Colour, Tags, contradictions, settle
from superres.data.video.convert import Turn
from superres.data.video.ends import check_whole
from superres.data.video.y4m import (
    check_fields,
    colours_said,
    read_size,
    read_tags,
    usual_siting,
)
from superres.device.base.errors import UserError
from superres.device.base.words import counted
from superres.file_kinds import kind_of_file, remedy

AVI, Y4M = "avi", "yuv4mpegpipe"
"""FFmpeg's names of containers in which frames have places instead of times."""

_HDR = {ColorTrc.SMPTE2084: "PQ", ColorTrc.ARIB_STD_B67: "HLG"}
# ITU-T H.273, table 4. 0 is RGB, 2 unknown; the others have no matrix of fixed weights.
_MATRICES = {1: "bt709", 4: "fcc", 5: "bt601", 6: "bt601", 7: "smpte240m", 9: "bt2020"}
_NO_MATRIX = (0, 2)
# What comes with frames and isn't written again.
_SIDE_DATA = {
    SideDataType.MASTERING_DISPLAY_METADATA: "data for HDR displays",
    SideDataType.CONTENT_LIGHT_LEVEL: "data for HDR displays",
    SideDataType.DYNAMIC_HDR_PLUS: "data for HDR displays",
    SideDataType.DOVI_METADATA: "Dolby Vision",
    SideDataType.DOVI_RPU_BUFFER: "Dolby Vision",
    SideDataType.A53_CC: "closed captions",
    SideDataType.STEREO3D: "stereoscopy",
    SideDataType.SPHERICAL: "a spherical projection",
}
_FIELDS = {0: None, 1: False}
_TURNED = 1 << 16
# Matroska's ChromaSitingHorz and ChromaSitingVert: 1 is on the left or at the top, 2 half-way.
_SITINGS = {(1, 2): "left", (2, 2): "center", (1, 1): "topleft", (2, 1): "top"}


@dataclass(frozen=True)
class VideoFacts:
    """What a video says of itself.

    `width` and `height` are those of decoded frames, `turn` makes them upright. `rate` is frames a second, a
    mean if it varies. `sample_aspect` is that of decoded pixels. `matrix_number`, `primaries` and `transfer`
    are numbers of ITU-T H.273. `interlaced` is None if neither header nor first frame tells. `siting` is used
    if no tag names one. `others` counts further streams of pictures. `stamped` says that frames have times,
    `side_data` what comes with the first one, and `look` its `look_of`. `doubts` are lines of `check_whole`.
    """

    path: str
    container: str
    codec: str
    pixels: str
    bits: int
    width: int
    height: int
    turn: Turn
    rotated_by: int
    rate: Fraction
    sample_aspect: Fraction
    said: Tags
    siting: str
    matrix_number: int
    primaries: int
    transfer: int
    alpha: bool
    interlaced: bool | None
    others: int
    stamped: bool
    side_data: tuple[str, ...]
    look: str
    doubts: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of an upright frame."""
        return self.turn.size(self.height, self.width)

    def colour(self, wanted: Tags | None = None) -> Colour:
        """Return what frames are converted by: `wanted` by the study, else what the file says, else HD or "
        "SD."""
        return settle(self.said, self.height, self.width, wanted, self.siting)

    def notes(self, wanted: Tags | None = None, *, deinterlace: bool = False) -> list[str]:
        """Return a line for each thing that frames of 8-bit RGB don't keep, and for each contradiction."""
        lines = [*self.doubts, *contradictions(self.said, wanted or Tags(), self.path)]
        if self.bits > 8:
            lines.append(f"{self.path}: {self.bits} bits a sample are rounded to 8")
        if self.alpha:
            lines.append(f"{self.path}: transparency ({self.pixels}) is dropped")
        if self.transfer in _HDR:
            lines.append(
                f"{self.path}: HDR ({_HDR[ColorTrc(self.transfer)]}): levels are taken as they are, without "
                "tone mapping"
            )
        elif self.primaries == ColorPrimaries.BT2020:
            lines.append(f"{self.path}: colours of BT.2020 are taken as they are")
        if self.rotated_by % 90:
            lines.append(f"{self.path}: a rotation by {self.rotated_by} degrees is ignored")
        if self.others:
            lines.append(f"{self.path}: {counted(self.others, 'more stream')} of pictures left out")
        if deinterlace:
            progressive = " though the file says it is progressive" if self.interlaced is False else ""
            lines.append(f"{self.path}: frames are deinterlaced{progressive}")
        return lines

    @property
    def lost_in_copies(self) -> list[str]:
        """A line for each thing beside the pixels that a new video doesn't have."""
        return [f"{self.path}: {name} in its frames isn't written" for name in self.side_data]


def video_facts(path: Path | str, *, deinterlace: bool = False) -> VideoFacts:
    """Return what a video says of itself; decodes its first frame only.

    Raises UserError if the file is missing, cut off or no video that FFmpeg decodes, for colours that no
    matrix describes, and for interlaced frames unless they are deinterlaced.
    """
    file = Path(path)
    if not file.is_file():
        raise UserError(f"{path}: expected a video, found no file; correct its path")
    status = file.stat()
    facts = _facts(str(path), status.st_mtime_ns, status.st_size)
    if facts.interlaced and not deinterlace:
        raise UserError(interlaced_message(str(path), "interlaced frames"))
    return facts


def interlaced_message(path: str, found: str) -> str:
    """Return the message for interlaced frames that nobody deinterlaces."""
    return (
        f"{path}: expected progressive frames, found {found}; deinterlace the file first, or set "
        "deinterlace: true"
    )


@contextmanager
def opened(path: str) -> Iterator[tuple[Any, Any]]:
    """Open a video: its container, and its first stream of moving pictures, strict about damage.

    Raises UserError if it is no video.
    """
    container = _open(path)
    try:
        streams = moving_pictures(container)
        if not streams:
            raise UserError(f"{path}: expected a video, found no stream of pictures in it")
        stream = streams[0]
        if stream.codec_context is None:
            raise UserError(
                f"{path}: expected a codec that FFmpeg decodes here, found another; convert it first"
            )
        # Otherwise FFmpeg paints over damaged parts and says nothing.
        stream.codec_context.options = {"err_detect": "explode"}
        stream.thread_type = "AUTO"
        yield container, stream
    finally:
        container.close()


def _open(path: str) -> Any:
    with Path(path).open("rb") as file:
        if file.read(9) == b"YUV4MPEG2":
            # FFmpeg says nothing of what is wrong with a header.
            tags = read_tags(Path(path))
            read_size(tags, Path(path))
            check_fields(tags, Path(path))
    try:
        # As a file, whatever its name looks like, and without other files or addresses that it names.
        return av.open(
            f"file:{path}", container_options={"protocol_whitelist": "file"}, metadata_errors="replace"
        )
    except (FFmpegError, UnicodeError, ValueError) as error:
        found = getattr(error, "strerror", None) or "a name or text that is no UTF-8"
        kind = kind_of_file(Path(path))
        if kind is not None and not kind.endswith("video"):
            raise UserError(
                f"{path}: expected a video, found {kind}; {remedy(kind, 'correct its path')}"
            ) from error
        raise UserError(f"{path}: expected a video, found something else: {found}") from error


def moving_pictures(container: Any) -> list[Any]:
    """Return the streams of pictures that are no cover."""
    return [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]


@lru_cache
def _facts(path: str, *_stamp: int) -> VideoFacts:
    doubts = check_whole(path)
    with opened(path) as (container, stream):
        context = stream.codec_context
        frame = _first_frame(path, container, stream)
        form, y4m = frame.format, container.format.name == Y4M
        siting = "left"
        if y4m:
            said = colours_said(read_tags(Path(path)))
            siting = usual_siting(frame.height, frame.width)
        else:
            said = Tags(siting=_chroma_siting(stream))
        matrix = int(frame.colorspace)
        if matrix not in _NO_MATRIX and matrix not in _MATRICES and not form.is_rgb:
            raise UserError(
                f"{path}: expected a matrix of BT.601, BT.709 or BT.2020 with constant weights, found "
                f"number {matrix} "
                "of ITU-T H.273; convert it first"
            )
        if form.components[0].bits > 16:
            raise UserError(f"{path}: expected 8 to 16 bits a sample, found {form.name}; convert it first")
        turn, rotated_by = _turn(frame)
        kinds = [_SIDE_DATA[data.type] for data in _side_data(frame) if data.type in _SIDE_DATA]
        return VideoFacts(
            path=path,
            container=container.format.name,
            codec=context.codec.canonical_name,
            pixels=form.name,
            bits=form.components[0].bits,
            width=frame.width,
            height=frame.height,
            turn=turn,
            rotated_by=rotated_by,
            rate=stream.average_rate or stream.guessed_rate or stream.base_rate or Fraction(25),
            sample_aspect=stream.sample_aspect_ratio or context.sample_aspect_ratio or Fraction(1),
            said=Tags(_MATRICES.get(matrix), said.range or _range(frame, form, y4m), said.siting),
            siting=siting,
            matrix_number=matrix,
            primaries=int(frame.color_primaries),
            transfer=int(frame.color_trc),
            alpha=any(component.is_alpha for component in form.components),
            interlaced=True if frame.interlaced_frame else _FIELDS.get(context.field_order, True),
            others=len(moving_pictures(container)) - 1,
            stamped=frame.pts is not None,
            side_data=tuple(dict.fromkeys(kinds)),
            look=look_of(frame),
            doubts=tuple(doubts),
        )


def look_of(frame: av.VideoFrame) -> str:
    """Return what decides how a frame becomes RGB, in words: its pixels, and the matrix and range of YUV."""
    form = frame.format
    if form.is_rgb:
        return form.name
    colour = settle(
        Tags(_MATRICES.get(int(frame.colorspace)), _range(frame, form, False)), frame.height, frame.width
    )
    return f"{form.name.replace('yuvj', 'yuv')} of {colour.matrix} in {colour.range} range"


def _first_frame(path: str, container: Any, stream: Any) -> av.VideoFrame:
    name = stream.codec_context.name
    try:
        for packet in container.demux(stream):
            for frame in stream.decode(packet):
                return frame
    except FFmpegError as error:
        raise UserError(
            f"{path}: expected frames that FFmpeg decodes, found a damaged file, or {name} of a kind that "
            f"it doesn't "
            f"decode: {error.strerror}; convert it first"
        ) from error
    raise UserError(f"{path}: expected frames of {name}, found none")


def _range(frame: av.VideoFrame, form: av.VideoFormat, y4m: bool) -> str | None:
    if form.name.startswith("yuvj"):
        return "full"
    # Grey pictures of FFmpeg are full; a y4m file holds luma of YUV.
    usual = "full" if form.name.startswith("gray") and not y4m else None
    return {ColorRange.MPEG: "limited", ColorRange.JPEG: "full"}.get(
        ColorRange(int(frame.color_range)), usual
    )


def _side_data(frame: Any) -> Iterator[Any]:
    """Yield what comes with a frame; PyAV's types say it is text."""
    yield from frame.side_data


def _turn(frame: av.VideoFrame) -> tuple[Turn, int]:
    """Return how the display matrix turns and mirrors frames, by quarters of a circle, and its degrees."""
    for data in _side_data(frame):
        if data.type == SideDataType.DISPLAYMATRIX:
            a, b, _, c, d = struct.unpack("=9i", bytes(data))[:5]
            if b == c == 0:
                return Turn(rows=d < 0, columns=a < 0), frame.rotation
            if a == d == 0:
                # x' = c y, y' = b x.
                return Turn(swapped=True, rows=b < 0, columns=c < 0), frame.rotation
            return Turn(), frame.rotation or 1
    return Turn(), 0


def _chroma_siting(stream: Any) -> str | None:
    """Return the position of chroma samples that the stream's header names, None if it names none.

    PyAV doesn't tell. FFmpeg writes it into the header of a Matroska file, of which nobody needs more.
    """
    try:
        with io.BytesIO() as memory, av.open(memory, "w", format="matroska") as written:
            written.add_stream_from_template(stream, opaque=True)
            written.start_encoding()
            header = memory.getvalue()
    except (FFmpegError, ValueError, OSError):
        return None
    across, down = (header.find(key) for key in (b"\x55\xb7\x81", b"\x55\xb8\x81"))
    return None if min(across, down) < 0 else _SITINGS.get((header[across + 3], header[down + 3]))
