"""Messages between a host and a device: JSON objects, one a line, each followed by bytes of files."""

import errno
import json
import os
import select
import time
from typing import Any, BinaryIO, Callable, Dict, Optional

_BLOCK = 1 << 18
_LONGEST_LINE = 1 << 24


class ConnectionLostError(Exception):
    """The other side is gone, or has been silent for too long."""


class Connection:
    """Two descriptors, one to read and one to write; silence for `silence_s` seconds counts as lost.

    `sent` and `received` count bytes. Both descriptors are made non-blocking. Raises ConnectionLostError.
    """

    def __init__(self, source: int, sink: int, silence_s: float):
        self.silence_s = silence_s
        self.sent = self.received = 0
        self._source, self._sink = source, sink
        self._buffer = bytearray()
        for descriptor in (source, sink):
            os.set_blocking(descriptor, False)

    def send(self, **message: Any) -> None:
        """Send a message."""
        self._write(memoryview(json.dumps(message).encode("ascii") + b"\n"))

    def send_file(self, file: BinaryIO, size: int) -> None:
        """Send the next `size` bytes of a file; a shorter file counts as lost."""
        while size:
            block = file.read(min(_BLOCK, size))
            if not block:
                raise ConnectionLostError(
                    "a file ended before its size: it has been changed while it was sent"
                )
            self._write(memoryview(block))
            size -= len(block)

    def send_bytes(self, content: bytes) -> None:
        """Send bytes whose number the other side knows."""
        self._write(memoryview(content))

    def receive(self) -> Dict[str, Any]:
        """Return the next message."""
        message = self.poll(self.silence_s)
        if message is None:
            raise ConnectionLostError(f"nothing was heard for {self.silence_s:g} s")
        return message

    def poll(self, seconds: float) -> Optional[Dict[str, Any]]:
        """Return the next message, None if there is none within some seconds."""
        line = self.read_line(seconds)
        return None if line is None else self.parse(line)

    @staticmethod
    def parse(line: bytes) -> Dict[str, Any]:
        """Return the message in a line."""
        try:
            message = json.loads(line.decode("utf-8"))
        except ValueError as error:
            raise ConnectionLostError(f"expected a message, found {line[:60]!r}") from error
        if not isinstance(message, dict):
            raise ConnectionLostError(f"expected a message, found {line[:60]!r}")
        return message

    def read_line(self, seconds: float) -> Optional[bytes]:
        """Return the next line without its end, None if there is none within some seconds."""
        end = time.monotonic() + seconds
        while b"\n" not in self._buffer:
            if len(self._buffer) > _LONGEST_LINE:
                raise ConnectionLostError("expected a message, found a line without end")
            if not self._wait(end, reading=True):
                return None
            self._buffer += self._read(_BLOCK)
        line, _, rest = self._buffer.partition(b"\n")
        self._buffer = rest
        return bytes(line)

    def receive_bytes(self, size: int, write: Callable[[bytes], Any]) -> None:
        """Pass the next `size` bytes to `write`, block by block."""
        while size:
            if self._buffer:
                block = bytes(self._buffer[:size])
                del self._buffer[:size]
            else:
                if not self._wait(time.monotonic() + self.silence_s, reading=True):
                    raise ConnectionLostError(f"nothing was heard for {self.silence_s:g} s")
                block = self._read(min(_BLOCK, size))
            write(block)
            size -= len(block)

    def _wait(self, end: float, reading: bool) -> bool:
        """Return whether the descriptor is ready before a time."""
        left = max(0.0, end - time.monotonic())
        ready = select.select([self._source] if reading else [], [] if reading else [self._sink], [], left)
        return bool(ready[0] or ready[1])

    def _read(self, size: int) -> bytes:
        try:
            block = os.read(self._source, size)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise ConnectionLostError(str(error)) from error
        if not block:
            raise ConnectionLostError("the other side closed the connection")
        self.received += len(block)
        return block

    def _write(self, data: memoryview) -> None:
        while data:
            if not self._wait(time.monotonic() + self.silence_s, reading=False):
                raise ConnectionLostError(f"nothing could be sent for {self.silence_s:g} s")
            try:
                count = os.write(self._sink, data[:_BLOCK])
            except BlockingIOError:
                continue
            except OSError as error:
                reason = "the other side closed the connection" if error.errno == errno.EPIPE else str(error)
                raise ConnectionLostError(reason) from error
            self.sent += count
            data = data[count:]
