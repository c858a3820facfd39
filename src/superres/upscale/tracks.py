"""All of a video but its pictures: sound, subtitles, attachments, chapters and names."""

import io
from typing import Any

import av
from av.error import FFmpegError

from superres.data.video.facts import moving_pictures

# Subtitles of text are written anew where a container has another kind.
_TEXT = {"matroska": "subrip", "mp4": "mov_text", "mov": "mov_text"}
# What a writer sets itself.
_OWN = ("encoder", "duration", "major_brand", "minor_version", "compatible_brands", "creation_time")
_OWN_PREFIXES = ("_statistics", "number_of_", "bps")
_WITH_CHAPTERS = ("matroska", "mp4", "mov")
# Containers with edit lists, which leave out packets without losing them.
_WITH_EDITS = ("mp4", "mov")
# Seconds; ITU-R BT.1359 has sound noticed from 0.045 s before the picture on.
_AUDIBLE_SHIFT = 0.045


class Tracks:
    """The other tracks of an input, for an output in FFmpeg's container `kind`.

    `others` are the input's streams whose packets are wanted, `notes` a line for each thing that the output
    can't have.
    """

    def __init__(self, source: Any, pictures: Any, kind: str, out: str):
        self._source, self._pictures, self.kind = source, pictures, kind
        self._written: dict[int, Any] = {}
        self._encoded: dict[int, Any] = {}
        self._before: dict[int, av.Packet] = {}
        self.notes: list[str] = []
        self.others: list[Any] = []
        self._texts: list[Any] = []
        self._attachments: list[Any] = []
        for stream in source.streams:
            self._place(stream, out)
        if kind == "avi":
            self.notes += [line for sound in self.others for line in self._shift(sound, out)]
        if source.chapters() and kind not in _WITH_CHAPTERS:
            self.notes.append(f"{out}: chapters are dropped, which {kind} doesn't hold")
        if kind == "yuv4mpegpipe" and _names(source.metadata):
            self.notes.append(f"{out}: title and other names are dropped, which {kind} doesn't hold")

    def _place(self, stream: Any, out: str) -> None:
        if stream.type == "video":
            if stream.index != self._pictures.index and stream not in moving_pictures(self._source):
                self.notes.append(f"{out}: the cover picture is dropped")
        elif stream.type == "attachment" and self.kind == "matroska":
            self._attachments.append(stream)
        elif stream.type in ("audio", "subtitle") and stream.codec_context and _holds(self.kind, stream):
            self.others.append(stream)
        elif stream.type == "subtitle" and self.kind in _TEXT and _is_text(stream):
            self.others.append(stream)
            self._texts.append(stream)
            name = stream.codec_context.name
            self.notes.append(f"{out}: subtitles {stream.index} become {_TEXT[self.kind]} (from {name})")
        elif not (stream.type == "data" and self._source.chapters()):
            # A data track of a file with chapters is their list.
            name = stream.codec_context.name if stream.codec_context else "unknown codec"
            self.notes.append(
                f"{out}: track {stream.index} ({stream.type}, {name}) is dropped, which {self.kind} "
                f"doesn't hold"
            )

    def _shift(self, sound: Any, out: str) -> list[str]:
        """Return a line if sound begins apart from the pictures: in an .avi all tracks begin at once."""
        starts = [float((stream.start_time or 0) * stream.time_base) for stream in (self._pictures, sound)]
        shift = starts[0] - starts[1]
        if abs(shift) <= _AUDIBLE_SHIFT:
            return []
        return [
            f"{out}: sound {sound.index} begins {abs(shift):.2f} s {'before' if shift > 0 else 'after'} the "
            "pictures, and at once with them in .avi; write .mkv or .mp4"
        ]

    def add_to(self, container: Any, pictures: Any) -> None:
        """Add the tracks to an opened output, with names and chapters."""
        _describe(self._pictures, pictures)
        for stream in self.others:
            if stream in self._texts:
                written = container.add_stream(_TEXT[self.kind])
                written.codec_context.subtitle_header = stream.codec_context.subtitle_header
                written.codec_context.time_base = written.time_base = stream.time_base
                self._encoded[stream.index] = written
            else:
                written = container.add_stream_from_template(stream, opaque=True)
            self._written[stream.index] = written
            _describe(stream, written)
        for stream in self._attachments:
            container.add_attachment(stream.name, stream.mimetype or "application/octet-stream", stream.data)
        container.metadata.update(_names(self._source.metadata))
        if self._source.chapters() and self.kind in _WITH_CHAPTERS:
            container.set_chapters(self._source.chapters())

    def written(self, packet: av.Packet) -> list[av.Packet]:
        """Return a packet of a track as the output takes it; none if it has nothing to say.

        What the input's edit list leaves out stays out where the output has no such list, but for the packet
        before the first one that is played: its decoder needs that.
        """
        if packet.is_discard and self.kind not in _WITH_EDITS:
            self._before[packet.stream.index] = packet
            return []
        before = self._before.pop(packet.stream.index, None)
        return [made for each in (before, packet) if each is not None for made in self._made_of(each)]

    def _made_of(self, packet: av.Packet) -> list[av.Packet]:
        encoder = self._encoded.get(packet.stream.index)
        if encoder is None:
            packet.stream = self._written[packet.stream.index]
            return [packet]
        subtitle = packet.stream.codec_context.decode2(packet)
        if subtitle is None or not len(subtitle):
            return []
        text = encoder.codec_context.encode_subtitle(subtitle)
        text.stream, text.time_base = encoder, packet.time_base
        text.pts = text.dts = packet.pts
        text.duration = packet.duration
        return [text]


def _holds(kind: str, stream: Any) -> bool:
    """Return whether a container takes a track unchanged: whether it writes a header with it."""
    try:
        with io.BytesIO() as memory, av.open(memory, "w", format=kind) as trial:
            trial.add_stream_from_template(stream, opaque=True)
            trial.start_encoding()
        return True
    except (FFmpegError, ValueError, OSError):
        return False


def _is_text(stream: Any) -> bool:
    context = stream.codec_context
    if context is None or not context.codec.text_sub:
        return False
    # Its decoder makes the header that encoders want.
    context.open(strict=False)
    return True


def _describe(source: Any, written: Any) -> None:
    written.metadata.update(_names(source.metadata))
    written.disposition = source.disposition


def _names(metadata: dict[str, str]) -> dict[str, str]:
    return {
        key: value
        for key, value in metadata.items()
        if key.lower() not in _OWN and not key.lower().startswith(_OWN_PREFIXES)
    }
