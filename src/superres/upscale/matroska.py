"""The shape of pixels in a Matroska file, which PyAV can't have FFmpeg write.

FFmpeg writes a track's title, so a longer title makes room: bytes of it become the width and height that are
shown, and nothing else in the file moves. Format: RFC 9559, sections 5.1.4 and 5.1.4.1.28.
"""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

_SEGMENT, _TRACKS, _ENTRY, _VIDEO = 0x18538067, 0x1654AE6B, 0xAE, 0xE0
_NAME, _WIDTH, _HEIGHT = b"\x53\x6e", b"\x54\xb0\x82", b"\x54\xba\x82"
_UNKNOWN = b"\x54\xb2\x81\x04"
_ROOM = 10 - len(_UNKNOWN)
"""Bytes of a shown width and height, two bytes each; they replace the unit "unknown" that FFmpeg writes."""

OPTIONS = {"write_crc32": "0"}
"""Of FFmpeg's writer: a checksum of the header would no longer be right."""

_LARGEST = 0xFFFF
# Headers lie in front of the pictures.
_HEADER_BYTES = 1 << 20


@dataclass(frozen=True)
class _Element:
    kind: int
    start: int
    body: int
    end: int


def padded_title(title: str) -> str:
    """Return a title that `write_shape` may cut to `title` again."""
    # Without a title its element goes as well, of three bytes.
    return title + "#" * (_ROOM if title else _ROOM - 3)


def write_shape(path: Path, width: int, height: int, aspect: Fraction, title: str) -> None:
    """Write how wide and high the first track's pictures of width x height pixels are shown.

    The track has the `padded_title` of `title`.
    """
    shown_width, shown_height = _shown(width, height, aspect)
    with path.open("r+b") as file:
        data = bytearray(file.read(_HEADER_BYTES))
        segment = _find(data, _SEGMENT, 0, len(data))
        entry = _find(data, _ENTRY, *_body(_find(data, _TRACKS, *_body(segment))))
        video = _find(data, _VIDEO, *_body(entry))
        padded = _named(padded_title(title))
        name = data.index(padded, entry.body, entry.end)
        shape = _WIDTH + shown_width.to_bytes(2, "big") + _HEIGHT + shown_height.to_bytes(2, "big")
        body = bytes(data[video.body : video.end]).replace(_UNKNOWN, shape)
        sized = b"\xe0" + _size(len(body), video.body - video.start - 1) + body
        cut = _named(title, len(padded) - len(_NAME) - len(padded_title(title).encode()))
        parts = sorted([(name, name + len(padded), cut), (video.start, video.end, sized)])
        made = bytes(data[entry.body : parts[0][0]])
        for (_, end, new), following in zip(parts, (parts[1][0], entry.end), strict=True):
            made += new + bytes(data[end:following])
        assert len(made) == entry.end - entry.body
        file.seek(entry.body)
        file.write(made)


def _shown(width: int, height: int, aspect: Fraction) -> tuple[int, int]:
    """Return a width and height of two bytes whose ratio is that of the pictures, as close as they allow."""
    ratio = Fraction(width, height) * aspect
    exact = ratio.limit_denominator(_LARGEST // max(1, -(-ratio.numerator // ratio.denominator)))
    scale = max(
        1, min(_LARGEST // exact.numerator, _LARGEST // exact.denominator, height // exact.denominator)
    )
    return exact.numerator * scale, exact.denominator * scale


def _named(title: str, length: int | None = None) -> bytes:
    """Return a track's title, its own length written in `length` bytes; nothing for none."""
    text = title.encode()
    return _NAME + _size(len(text), length) + text if text else b""


def _size(value: int, length: int | None = None) -> bytes:
    length = length or (1 if value < 127 else 2 if value < 16383 else 8)
    return (value | 1 << 7 * length).to_bytes(length, "big")


def _body(element: _Element) -> tuple[int, int]:
    return element.body, element.end


def _find(data: bytearray, kind: int, start: int, end: int) -> _Element:
    while start < end:
        element = _element(data, start)
        if element.kind == kind:
            return element
        start = element.end
    raise ValueError(f"expected the element {kind:#x} in a Matroska file, found none")


def _element(data: bytearray, start: int) -> _Element:
    width = 9 - data[start].bit_length()
    kind = int.from_bytes(data[start : start + width], "big")
    at = start + width
    length = 9 - data[at].bit_length()
    size = int.from_bytes(data[at : at + length], "big") & ((1 << 7 * length) - 1)
    body = at + length
    unknown = size == (1 << 7 * length) - 1
    return _Element(kind, start, body, len(data) if unknown else min(body + size, len(data)))
