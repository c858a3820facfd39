"""Download of a pinned file over HTTP: resume by ranges, retry passing faults, refuse the rest."""

import random
import re
import ssl
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass

import requests
import urllib3
from urllib3.util import Retry

from superres.data.download.addresses import readable_address
from superres.data.download.partial import Partial, progress_bar
from superres.data.sources.source import PinnedFile
from superres.device.base.errors import UserError

_BLOCK = 1 << 18
_PASSING = (408, 425, 429, *range(500, 600))
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class RefusedError(UserError):
    """A fault that a retry doesn't solve."""


class NotThereError(RefusedError):
    """The server doesn't have the file or can't be reached; another place may have it."""


class _PassingError(Exception):
    """A fault that a retry may solve.

    `wait_s` is the time that the server asks to wait. `unreachable` says that there was no connection at all.
    """

    def __init__(self, text: str, wait_s: float | None = None, unreachable: bool = False):
        super().__init__(text)
        self.wait_s, self.unreachable = wait_s, unreachable


@dataclass(frozen=True)
class Patience:
    """Limits of a download: waits in seconds, and the number of attempts.

    The download fails after `attempts` failures in a row without `progress_bytes` of new content. The wait
    after each doubles from `first_wait_s` to `longest_wait_s`, less up to half of it at random. A server's
    Retry-After is respected up to `longest_asked_wait_s`. A connection is closed after `silence_s` without a
    byte, or with less than `slowest_bytes_per_s` over `window_s`.
    """

    attempts: int = 6
    progress_bytes: int = 1 << 20
    first_wait_s: float = 1.0
    longest_wait_s: float = 60.0
    longest_asked_wait_s: int = 600
    connect_s: float = 15.0
    silence_s: float = 30.0
    window_s: float = 60.0
    slowest_bytes_per_s: float = 1024.0
    redirects: int = 10


def download(address: str, file: PinnedFile, partial: Partial, patience: Patience) -> None:
    """Download the rest of `partial` from `address`, up to the file's full length.

    The caller checks the content. Raises NotThereError if the server doesn't have the file or can't be
    reached, and RefusedError for a fault that retries don't solve. Both are UserErrors.
    """
    with requests.Session() as session:
        session.max_redirects = patience.redirects
        transfer = _Transfer(session, address, file, partial, patience)
        best, failed = partial.size, 0
        while partial.size < file.bytes:
            try:
                transfer.receive()
            except _PassingError as fault:
                if partial.size >= best + patience.progress_bytes:
                    best, failed = partial.size, 0
                failed += 1
                if failed >= patience.attempts:
                    kind = NotThereError if fault.unreachable else RefusedError
                    raise kind(
                        f"{transfer.where}: expected it to be sent, found: {fault}, in {failed} attempts "
                        f"in a row; try again later, it continues from {partial.size} of {file.bytes} bytes"
                    ) from None
                longest = min(patience.first_wait_s * 2 ** (failed - 1), patience.longest_wait_s)
                # Random: clients that failed together shouldn't retry together.
                wait = longest * random.uniform(0.5, 1.0) if fault.wait_s is None else fault.wait_s
                at = f"at {partial.size} of {file.bytes} bytes"
                sys.stderr.write(f"{transfer.where}: {fault}, {at}; continues in {wait:.1f} s\n")
                time.sleep(wait)


@dataclass(frozen=True)
class _Transfer:
    """Requests for the rest of one file."""

    session: requests.Session
    address: str
    file: PinnedFile
    partial: Partial
    patience: Patience

    @property
    def where(self) -> str:
        """The file and its place, for messages."""
        return f"{self.file.name} from {readable_address(self.address)}"

    def receive(self) -> None:
        """Send one request and add its body to the partial file; raises _PassingError or RefusedError."""
        headers = {"Accept-Encoding": "identity"}
        if self.partial.size:
            headers["Range"] = f"bytes={self.partial.size}-"
            if self.partial.validator:
                headers["If-Range"] = self.partial.validator
        timeout = (self.patience.connect_s, self.patience.silence_s)
        try:
            with self.session.get(self.address, headers=headers, stream=True, timeout=timeout) as response:
                self._check_status(response)
                self._check_file(response)
                self._read(response.raw)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise _fault_of(error, self.where) from None
        if self.partial.size < self.file.bytes:
            raise _PassingError("the connection ended early")

    def _check_status(self, response: requests.Response) -> None:
        """Raise _PassingError or RefusedError for a status without a file."""
        status, asked = response.status_code, response.headers.get("Retry-After")
        policy = Retry(status_forcelist=_PASSING, retry_after_max=self.patience.longest_asked_wait_s)
        expected = f"{self.where}: expected the file, found"
        if status == 416:
            self.partial.restart()
            raise _PassingError("the server has no such range")
        if policy.is_retry("GET", status):
            raise _PassingError(f"status {status}", None if asked is None else _seconds_of(asked, policy))
        if status in (404, 410):
            raise NotThereError(
                f"{expected} that the server doesn't have it (status {status}); correct the address"
            )
        if status in (401, 403, 407):
            raise RefusedError(
                f"{expected} that the server denies access (status {status}); write a user name and password "
                "for it into ~/.netrc, or use another address"
            )
        if status not in (200, 206):
            raise RefusedError(f"{expected} status {status}; correct the address")

    def _check_file(self, response: requests.Response) -> None:
        """Raise RefusedError for the body of another file; otherwise prepare the partial file."""
        headers, where, size = response.headers, self.where, self.file.bytes
        if headers.get("Content-Type", "").partition(";")[0].strip().lower() == "text/html":
            raise RefusedError(f"{where}: expected the file, found a web page; correct the address")
        if headers.get("Content-Encoding", "identity").lower() != "identity":
            raise RefusedError(
                f"{where}: expected the file itself, found it compressed on the way; use another address"
            )
        part = response.status_code == 206
        found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "")) if part else None
        total = found[2] if found else "" if part else headers.get("Content-Length", "")
        if total.isdigit() and int(total) != size:
            raise RefusedError(
                f"{where}: expected {size} bytes, found {total}: not the file that the study pins; "
                "correct the study or the address"
            )
        if part:
            self._begin_part(int(found[1]) if found else None, headers.get("ETag"))
        else:
            self._begin_whole(headers)

    def _begin_whole(self, headers: Mapping[str, str]) -> None:
        """Prepare for a body with the whole file."""
        if self.partial.size:
            sys.stderr.write(f"{self.where}: starts again; the bytes before are dropped\n")
            self.partial.restart()
        self.partial.note_version(headers.get("ETag"), headers.get("Last-Modified"))

    def _begin_part(self, first: int | None, etag: str | None) -> None:
        """Prepare for a body from byte `first` on, which should be the end of the partial file."""
        stands, before = self.partial.size, self.partial.etag
        if first != stands:
            self.partial.restart()
            raise _PassingError(f"no part that begins at byte {stands}")
        if before and etag and etag != before:
            # The server ignores If-Range.
            self.partial.restart()
            raise _PassingError("the file has changed on the server")
        self.partial.resumed = stands > 0
        sys.stderr.write(f"{self.where}: continues at byte {stands} of {self.file.bytes}\n")

    def _read(self, raw: urllib3.BaseHTTPResponse) -> None:
        """Add a body to the partial file; raises RefusedError if too long, _PassingError if too slow."""
        total, slowest = self.file.bytes, self.patience.slowest_bytes_per_s
        with progress_bar(f"fetch_file {self.file.name}", total, self.partial.size) as bar:
            started, size = time.monotonic(), self.partial.size
            # Not read, which waits for a whole block: a server that drips would go unnoticed.
            while block := raw.read1(_BLOCK):
                if self.partial.size + len(block) > total:
                    self.partial.restart()
                    raise RefusedError(
                        f"{self.where}: expected {total} bytes, found more: not the file that the study pins"
                    )
                self.partial.append(block)
                bar.update(len(block))
                now = time.monotonic()
                if now - started >= self.patience.window_s:
                    if self.partial.size - size < slowest * (now - started):
                        raise _PassingError(f"less than {slowest:.0f} bytes a second")
                    started, size = now, self.partial.size


def _seconds_of(retry_after: str, policy: Retry) -> float:
    """Return the wait that a Retry-After header (seconds, or a date) asks for; 0 if it is malformed."""
    try:
        return policy.parse_retry_after(retry_after)
    except (urllib3.exceptions.InvalidHeader, ValueError, OverflowError):
        return 0.0


def _fault_of(error: Exception, where: str) -> _PassingError | RefusedError:
    """Return the fault for an exception of requests or urllib3; their own texts have whole addresses."""
    # requests wraps MaxRetryError. Its reason is urllib3's own exception, which wraps the one of ssl.
    cause = getattr(error.args[0], "reason", None) if error.args else None
    inner = cause.args[0] if isinstance(cause, urllib3.exceptions.SSLError) and cause.args else None
    if isinstance(inner, ssl.SSLCertVerificationError):
        return RefusedError(
            f"{where}: expected a certificate that can be trusted, found: {inner.verify_message or 'none'}; "
            "set REQUESTS_CA_BUNDLE if your own authority issued it"
        )
    if isinstance(error, requests.TooManyRedirects):
        return RefusedError(f"{where}: expected the file, found redirects without end; correct the address")
    if isinstance(error, requests.exceptions.InvalidSchema | requests.exceptions.InvalidURL):
        return RefusedError(
            f"{where}: expected http or https, found a redirect to something else; correct the address"
        )
    text, unreachable = "the connection broke", False
    if isinstance(error, requests.ConnectTimeout):
        text, unreachable = "no answer", True
    elif isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        text = "no data for too long"
    elif isinstance(cause, urllib3.exceptions.NameResolutionError):
        text, unreachable = "no such host, or no network", True
    elif isinstance(cause, urllib3.exceptions.NewConnectionError):
        text, unreachable = "no connection", True
    return _PassingError(text, unreachable=unreachable)
