"""A real HTTP server on loopback that serves one file, with faults that a test chooses."""

import fcntl
import socket
import ssl
import struct
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from far_side import PATIENCE_S, wait_until

Fault = Callable[["Handler"], None]


@dataclass
class Served:
    """The file, how it is served, the requests so far, and the faults of the first requests, one each.

    `given_up` counts the clients that left during a fault.
    """

    content: bytes
    etag: str | None = '"one"'
    last_modified: str | None = None
    ranges: bool = True
    honours_if_range: bool = True
    content_type: str = "application/octet-stream"
    faults: list[Fault] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    sent: int = 0
    given_up: int = 0
    port: int = 0
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/files/clip.bin"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served: Served

    def do_GET(self) -> None:
        self.served.asked.append({"path": self.path, **dict(self.headers.items())})
        if self.served.faults:
            self.served.faults.pop(0)(self)
        else:
            self.send_file()

    def begin(self) -> bytes:
        """Send the status and headers of a sound answer, and return its body."""
        served, first = self.served, self.first_byte()
        body = served.content[first:]
        if first:
            self.send_response(206)
            whole = len(served.content)
            self.send_header("Content-Range", f"bytes {first}-{whole - 1}/{whole}")
        else:
            self.send_response(200)
        for name, value in (("ETag", served.etag), ("Last-Modified", served.last_modified)):
            if value:
                self.send_header(name, value)
        self.send_header("Content-Type", served.content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        return body

    def first_byte(self) -> int:
        asked, validator = self.headers.get("Range"), self.headers.get("If-Range")
        if not asked or not self.served.ranges:
            return 0
        known = (self.served.etag, self.served.last_modified)
        if validator and self.served.honours_if_range and validator not in known:
            return 0
        return int(asked.removeprefix("bytes=").partition("-")[0])

    def send_file(self) -> None:
        self.write(self.begin())

    def write(self, data: bytes) -> None:
        self.wfile.write(data)
        self.served.sent += len(data)

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that go away. Show anything else: it is a mistake of the test."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def cut(after: int) -> Fault:
    """Close the connection properly, but too early."""

    def fault(handler: Handler) -> None:
        handler.write(handler.begin()[:after])
        handler.close_connection = True

    return fault


def reset(after: int) -> Fault:
    """Reset the connection after all bytes have reached the client: others would be lost."""

    def fault(handler: Handler) -> None:
        handler.write(handler.begin()[:after])
        handler.wfile.flush()
        wait_until(lambda: unsent_bytes(handler.connection) == 0)
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.close_connection = True

    return fault


def hang(after: int) -> Fault:
    """Send nothing more, and keep the connection until the client closes it."""

    def fault(handler: Handler) -> None:
        wait_for_the_client_to_leave(handler, after)

    return fault


def hang_before_the_answer(handler: Handler) -> None:
    """Send nothing at all, and keep the connection until the client closes it."""
    wait_for_the_client_to_leave(handler)


def wait_for_the_client_to_leave(handler: Handler, after: int | None = None) -> None:
    handler.close_connection = True
    handler.connection.settimeout(PATIENCE_S)
    try:
        if after is not None:
            handler.write(handler.begin()[:after])
        left = handler.rfile.read(1) == b""
    except ConnectionError:
        left = True
    handler.served.given_up += left


def unsent_bytes(connection: socket.socket) -> int:
    """Return the bytes that the other side's system hasn't confirmed (tcp(7), SIOCOUTQ)."""
    return struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))[0]


def drip(after: int, enough: Callable[[], bool] = lambda: False) -> Fault:
    """Send a byte now and then, until `enough` or until the client has gone."""

    def fault(handler: Handler) -> None:
        body = handler.begin()
        end = time.monotonic() + PATIENCE_S
        try:
            handler.write(body[:after])
            for byte in body[after:]:
                handler.write(bytes([byte]))
                time.sleep(0.02)
                if enough() or time.monotonic() > end:
                    break
        except OSError:
            # The client has closed the connection.
            handler.served.given_up += 1
        handler.close_connection = True

    return fault


def chunked(data: bytes, whole: bool = True) -> Fault:
    """Send a body without a length in its headers; without `whole`, its end is missing."""

    def fault(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data) + (b"0\r\n\r\n" if whole else b""))
        handler.close_connection = True

    return fault


def status(code: int, **headers: str) -> Fault:
    return lambda handler: handler.answer(code, b"<html>sorry</html>", Content_Type="text/html", **headers)


def redirect(to: str) -> Fault:
    return lambda handler: handler.answer(302, Location=to)


@contextmanager
def serving(content: bytes, certificate: Path | None = None) -> Iterator[Served]:
    """Run a server; with a certificate (PEM, with its key), it uses TLS."""
    served = Served(content)
    handler = type("BoundHandler", (Handler,), {"served": served})
    with Server(("127.0.0.1", 0), handler) as server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
            served.scheme = "https"
        served.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()
