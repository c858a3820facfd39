"""Read a video's frames in order, with FFmpeg's libraries: nothing painted over, nothing left out "
"silently."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.error import BlockingIOError as NothingYet
from av.error import EOFError as NothingMore
from av.error import FFmpegError
from av.filter import Graph

from superres.data.video.facts import (
    AVI,
    Y4M,
    VideoFacts,
    interlaced_message,
    look_of,
    opened,
    video_facts,
)
from superres.data.video.y4m import count_frames
from superres.device.base.errors import UserError

# A stream of pictures may end this much before the time that its header names.
_MISSING = Fraction(1, 2)


class VideoReader:
    """The decoded frames of a video's first stream of pictures, in presentation order.

    A context manager and an iterable, once. `facts` is what the file says of itself. With `others`, packets
    of these streams of `container` come between the frames, unchanged. Raises UserError as `video_facts`
    does, while frames are read also for damage, another size, an interlaced frame that nobody deinterlaces,
    and an early end.
    """

    def __init__(self, path: Path | str, *, deinterlace: bool = False):
        self.path = str(path)
        self.facts: VideoFacts = video_facts(path, deinterlace=deinterlace)
        self.deinterlace = deinterlace
        self.others: Sequence[Any] = ()
        self._aspect: Fraction | None = None
        self._aspect_said = False
        self._stack = ExitStack()
        self.container, self.stream = self._stack.enter_context(opened(self.path))

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. No thread may read from it any more."""
        self._stack.close()

    def __iter__(self) -> "Iterator[av.VideoFrame | av.Packet]":
        if self.facts.container == Y4M:
            self._check_y4m()
        fields = _Deinterlacer(self.stream) if self.deinterlace else None
        count, last = 0, None
        for item in self._decoded():
            if isinstance(item, av.VideoFrame):
                self._check(item, count)
                self._say_new_aspect(count)
                count, last = count + 1, item
            yield from fields.push(item) if fields and isinstance(item, av.VideoFrame) else (item,)
        yield from fields.flush() if fields else ()
        if last is None:
            raise UserError(f"{self.path}: expected frames, found none that decodes")
        self._check_end(last, count)

    def _decoded(self) -> "Iterator[av.VideoFrame | av.Packet]":
        """Yield frames as FFmpeg decodes them. Before the first key frame something may be missing."""
        count, begun = 0, False
        places = _Places() if self.facts.container == AVI else None
        packets = self.container.demux(self.stream, *self.others)
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                if packet.stream.index != self.stream.index:
                    # The last packet of each stream is empty.
                    if packet.dts is not None:
                        yield packet
                    continue
                begun = begun or packet.is_keyframe
                if packet.is_corrupt and begun:
                    raise UserError(self._damaged(count, "a packet that is cut off"))
                frames = self.stream.decode(packet)
            except FFmpegError as error:
                if not begun:
                    continue
                raise UserError(self._damaged(count, str(error.strerror))) from error
            count += len(frames)
            if places:
                places.settle(packet, frames)
            yield from frames

    def _check(self, frame: av.VideoFrame, index: int) -> None:
        facts = self.facts
        if (frame.width, frame.height) != (facts.width, facts.height):
            raise UserError(
                f"{self.path}: expected all frames to be {facts.width}x{facts.height}, found frame {index} "
                f"to be "
                f"{frame.width}x{frame.height}; cut the file there"
            )
        if (look := look_of(frame)) != facts.look:
            raise UserError(
                f"{self.path}: expected all frames to be {facts.look}, found frame {index} to be {look}; cut "
                "the file there"
            )
        if frame.is_corrupt:
            raise UserError(self._damaged(index, "parts that don't decode"))
        if frame.interlaced_frame and not self.deinterlace:
            raise UserError(interlaced_message(self.path, f"frame {index} to be interlaced"))

    def _say_new_aspect(self, index: int) -> None:
        """Say once if the shape of pixels changes, as in broadcasts; the decoder is some frames ahead."""
        aspect = self.stream.codec_context.sample_aspect_ratio
        first = self._aspect = self._aspect or aspect
        if aspect and aspect != first and not self._aspect_said:
            self._aspect_said = True
            before, after = (str(shape).replace("/", ":") for shape in (first, aspect))
            sys.stderr.write(
                f"{self.path}: the shape of pixels changes from {before} to {after} near frame {index}; the "
                "first is taken for all\n"
            )

    def _damaged(self, index: int, found: str) -> str:
        return (
            f"{self.path}: expected a sound file, found damage near frame {index}: {found}; fetch the file "
            f"again, or "
            "take frames before it"
        )

    def _check_y4m(self) -> None:
        """Raise UserError unless the file consists of whole frames; FFmpeg skips what is left at the end."""
        with opened(self.path) as (container, stream):
            frame_bytes = next(packet.size for packet in container.demux(stream))
        count_frames(Path(self.path), frame_bytes)

    def _check_end(self, last: av.VideoFrame, count: int) -> None:
        if last.pts is not None:
            check_end(self.facts, self.stream, last.pts * Fraction(last.time_base or 0), count)


def check_end(facts: VideoFacts, stream: Any, last: Fraction, count: int) -> None:
    """Raise UserError if frames end before the time that the header names: the file was cut off.

    `last` is the time of the last of `count` frames, in seconds. A Matroska file names its end in a text that
    other programs may have copied, so there it is only said.
    """
    end = last + 2 / facts.rate + _MISSING
    if facts.container.startswith(("mov", AVI)) and stream.duration and stream.time_base:
        named = ((stream.start_time or 0) + stream.duration) * stream.time_base
    else:
        named = _end_in_text(stream)
    if end >= named:
        return
    line = (
        f"{facts.path}: expected pictures until {float(named):.2f} s, as its header says, found "
        f"frames, the "
        f"last at {float(last):.2f} s; the file is damaged or cut off"
    )
    if not facts.container.startswith("matroska"):
        raise UserError(f"{line}, fetch it again")
    sys.stderr.write(f"{line}\n")


def _end_in_text(stream: Any) -> Fraction:
    """Return the end that a writer of Matroska left as text: 00:01:02.500000000; 0 if there is none."""
    try:
        hours, minutes, seconds = stream.metadata["DURATION"].split(":")
        return (int(hours) * 60 + int(minutes)) * 60 + Fraction(seconds)
    except (KeyError, ValueError):
        return Fraction(0)


class _Places:
    """Times of frames in an .avi, which numbers its packets in the order of decoding.

    FFmpeg's guess of `pts` is out of order where frames are. The packet that lets a frame out of the decoder
    has the frame's number, but for the delay of the first one.
    """

    def __init__(self) -> None:
        self._first: int | None = None
        self._delay: int | None = None
        self._last = -1

    def settle(self, packet: av.Packet, frames: Sequence[av.VideoFrame]) -> None:
        """Set the times of frames that came out when `packet` was decoded."""
        if self._first is None:
            self._first = packet.dts
        for frame in frames:
            if self._delay is None:
                self._delay = (frame.dts or 0) - (self._first or 0)
            # Frames that wait in the decoder at the end of the file come one after the other.
            frame.pts = self._last + 1 if frame.dts is None else frame.dts - self._delay
            self._last = frame.pts


class _Deinterlacer:
    """FFmpeg's bwdif: a whole frame for each pair of fields."""

    def __init__(self, stream: Any):
        graph = Graph()
        self._source = graph.add_buffer(template=stream)
        deinterlace = graph.add("bwdif", mode="send_frame", parity="auto", deint="all")
        self._sink = graph.add("buffersink")
        self._source.link_to(deinterlace)
        deinterlace.link_to(self._sink)
        graph.configure()
        self._graph = graph

    def push(self, frame: av.VideoFrame) -> "Iterator[av.VideoFrame]":
        self._source.push(frame)
        yield from self._pulled()

    def flush(self) -> "Iterator[av.VideoFrame]":
        self._source.push(None)
        yield from self._pulled()

    def _pulled(self) -> "Iterator[av.VideoFrame]":
        while True:
            try:
                frame = self._sink.pull()
            except (NothingYet, NothingMore):
                return
            assert isinstance(frame, av.VideoFrame)
            yield frame
