"""Whether a video was cut off, by the sizes that its container names. Light: reads headers and no frame.

FFmpeg gives what is there and says nothing. Formats: Matroska (RFC 9559), ISO/IEC 14496-12 (MP4, QuickTime),
RIFF (AVI), ISO/IEC 13818-1 (transport streams), SMPTE 377-1 (MXF) and GIF89a. Others name no size.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from superres.device.base.errors import UserError

_EBML, _SEGMENT, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
# Boxes of an .mp4 or .mov file; any of the first row may be its first.
_BOXES = (
    *(b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"),
    *(b"moof", b"mfra", b"styp", b"sidx", b"uuid", b"meta"),
)
# What FFmpeg writes for a size that it fills in later.
_UNSET = 0xFFFFFFFF
# Where a transport stream's first packet is, and the size of packets: plain, with a time, with parity.
_STEPS = ((0, 188), (4, 192), (0, 204))
_SYNC = b"\x47"
# Packets in a row that tell where packets begin.
_IN_A_ROW = 4
# Packets from the end on among which the last picture begins.
_SEARCHED = 20_000
_PARTITION = bytes.fromhex("060e2b34020501010d01020101")


def check_whole(path: Path | str) -> list[str]:
    """Return a line if a file may have been cut off; raise UserError if it ends before its container says.

    A recording without sizes, as browsers make, is whole if it ends with a whole part. What lies behind the
    named end doesn't matter.
    """
    size = Path(path).stat().st_size
    with Path(path).open("rb") as file:
        end = _named_end(file, size)
        if end is not None and end > size:
            raise UserError(
                f"{path}: expected at least {end} bytes, as its container says, found {size}: it was cut "
                "off; fetch it again, or remux what is left of it"
            )
        if _ends_full(file, size):
            return [f"{path}: its last packet is full, so the stream may have been cut off within a frame"]
    return []


def _named_end(file: BinaryIO, size: int) -> int | None:
    """Return how many bytes a file has at least, by its container; None if that isn't named."""
    head = _read(file, 0, 20)
    if int.from_bytes(head[:4], "big") == _EBML:
        return _matroska_end(file, size)
    if head[:4] == b"RIFF":
        return _riff_end(file, size)
    if head[4:8] in _BOXES:
        return _boxes_end(file, size)
    if head[:4] == b"GIF8":
        # A trailer follows the last picture; some writers fill up the file behind it.
        return size + (not _read(file, max(0, size - 4096), 4096).rstrip(b"\0").endswith(b";"))
    if head.startswith(_PARTITION):
        return _mxf_end(file)
    packets = _packets(file, size)
    return packets.end if packets else None


def _matroska_end(file: BinaryIO, size: int) -> int | None:
    """Return the end of the segment; of one without a size, as of live recordings, that of its last part."""
    at = end = 0
    while at < size:
        element = _element(_read(file, at, 12))
        if element is None:
            # Not even the head of a part is there, or what follows is none.
            return end if size - at >= 12 else max(end, size + 1)
        kind, head, length = element
        whole = at + head + (length or 0)
        if kind == _SEGMENT and length is not None:
            return whole
        end = max(end, whole)
        # Into segments and clusters, past all else.
        at = at + head if kind in (_SEGMENT, _CLUSTER) or length is None else whole
    return end


def _element(head: bytes) -> tuple[int, int, int | None] | None:
    """Return an element's kind, the bytes of its head, and its size, None if unknown; None for no element."""
    kind_bytes = 9 - (head[0].bit_length() if head else 0)
    if kind_bytes > 4 or len(head) <= kind_bytes:
        return None
    length_bytes = 9 - head[kind_bytes].bit_length()
    both = kind_bytes + length_bytes
    if length_bytes > 8 or len(head) < both:
        return None
    mask = (1 << 7 * length_bytes) - 1
    length = int.from_bytes(head[kind_bytes:both], "big") & mask
    return int.from_bytes(head[:kind_bytes], "big"), both, None if length == mask else length


def _riff_end(file: BinaryIO, size: int) -> int:
    """Return the end of the last RIFF; large files have several. A killed recording names no size."""
    at = end = 0
    while at < size and (head := _read(file, at, 8))[:4] == b"RIFF" and len(head) == 8:
        length = int.from_bytes(head[4:], "little")
        if length == _UNSET:
            break
        end = at + 8 + length
        at = end + end % 2
    return end


def _boxes_end(file: BinaryIO, size: int) -> int:
    """Return the end of the last box of an .mp4 or .mov file. Some cameras write other data behind it."""
    at = 0
    while at < size:
        head = _read(file, at, 16)
        length = int.from_bytes(head[:4], "big")
        if length == 1 and len(head) == 16:
            length = int.from_bytes(head[8:], "big")
        # Of size 0: up to the end of the file.
        if length < 8 or (head[4:8] not in _BOXES and at + length > size):
            break
        at += length
    return at


def _mxf_end(file: BinaryIO) -> int | None:
    """Return the place behind the footer's key; None if the header names no footer, as in a recording."""
    head = _read(file, 0, 64)
    length = head[16] if len(head) > 16 else 0
    value = 17 + (length & 0x7F if length & 0x80 else 0)
    footer = int.from_bytes(head[value + 24 : value + 32], "big")
    return footer + 16 if footer else None


@dataclass(frozen=True)
class _Packets:
    """A transport stream: the size of its packets, and where the last one has its first byte."""

    step: int
    last: int

    @property
    def end(self) -> int:
        """Where the last packet ends."""
        return self.last + (204 if self.step == 204 else 188)


def _packets(file: BinaryIO, size: int) -> _Packets | None:
    """Return the packets of a transport stream; None for another file."""
    for first, step in _STEPS:
        if all(_read(file, first + n * step, 1) == _SYNC for n in range(_IN_A_ROW)):
            # From the end: packets are displaced where two streams were joined.
            for last in range(size - 1, max(size - 1 - 2 * step, _IN_A_ROW * step), -1):
                if all(_read(file, last - n * step, 1) == _SYNC for n in range(_IN_A_ROW)):
                    return _Packets(step, last)
    return None


def _ends_full(file: BinaryIO, size: int) -> bool:
    """Return whether a transport stream's last packet of pictures is full.

    A frame whose length isn't named begins in a new packet, so its last one is rarely full: it is stuffed.
    """
    if (packets := _packets(file, size)) is None:
        return False
    last: dict[int, bytes] = {}
    for n in range(min(packets.last // packets.step + 1, _SEARCHED)):
        packet = _read(file, packets.last - n * packets.step, 188)
        track = (packet[1] & 0x1F) << 8 | packet[2]
        if not packet[3] & 0x10:
            continue
        last.setdefault(track, packet)
        stuffed = 1 + packet[4] if packet[3] & 0x20 else 0
        payload = packet[4 + stuffed :]
        if packet[1] & 0x40 and payload[:3] == b"\0\0\1" and payload[3] & 0xF0 == 0xE0:
            return payload[4:6] == b"\0\0" and not _is_stuffed(last[track])
    return False


def _is_stuffed(packet: bytes) -> bool:
    if not packet[3] & 0x20:
        return False
    length = packet[4]
    return length < 2 or packet[4 + length] == 0xFF


def _read(file: BinaryIO, at: int, size: int) -> bytes:
    file.seek(at)
    return file.read(size)
