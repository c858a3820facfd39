"""Download of a pinned file over HTTP: resumed by ranges, tried again on what can pass, refused at once on what can't."""

import random
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import requests
import urllib3

from superres.data.download.addresses import readable_address
from superres.data.download.http_faults import (
    NotThereError,
    PassingError,
    RefusedError,
    fault_of_error,
    fault_of_status,
)
from superres.data.download.partial import Partial
from superres.data.download.transfer_progress import TransferProgress
from superres.data.sources.source import PinnedFile

_BLOCK = 1 << 18
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


@dataclass(frozen=True)
class Patience:
    """How long a download waits for what, in seconds, and how often it tries.

    `attempts` in a row may fail without `progress_bytes` of new content; each is followed by a wait that doubles
    from `first_wait_s` to `longest_wait_s`, less up to half of it by chance. A server that says Retry-After is given
    that time, up to `longest_asked_wait_s`. A connection is given up after `silence_s` without a byte, or if it
    brings less than `slowest_bytes_per_s` over `window_s`.
    """

    attempts: int = 6
    progress_bytes: int = 1 << 20
    first_wait_s: float = 1.0
    longest_wait_s: float = 60.0
    longest_asked_wait_s: float = 600.0
    connect_s: float = 15.0
    silence_s: float = 30.0
    window_s: float = 60.0
    slowest_bytes_per_s: float = 1024.0
    redirects: int = 10


def download(address: str, file: PinnedFile, partial: Partial, patience: Patience) -> None:
    """Bring `partial` to the file's full length from `address`, going on where it stands.

    Whether the content is right is for the caller to check. Raises NotThereError if the server hasn't got the file or
    can't be reached, RefusedError (both are UserErrors) for what won't pass by itself or doesn't pass in time.
    """
    with requests.Session() as session, TransferProgress(f"fetch_file {file.name}", file.bytes) as progress:
        session.max_redirects = patience.redirects
        transfer = _Transfer(session, address, file, partial, patience, progress)
        best, failed = partial.size, 0
        while partial.size < file.bytes:
            try:
                transfer.receive()
            except PassingError as fault:
                if partial.size >= best + patience.progress_bytes:
                    best, failed = partial.size, 0
                failed += 1
                if failed >= patience.attempts:
                    kind = NotThereError if fault.unreachable else RefusedError
                    raise kind(
                        f"{transfer.where}: expected it to be sent, found: {fault}, in {failed} attempts in a row; try again "
                        f"later, it goes on from {partial.size} of {file.bytes} bytes"
                    ) from None
                wait = _wait_s(failed, fault, patience)
                progress.say(
                    f"{transfer.where}: {fault}, at {partial.size} of {file.bytes} bytes; goes on in {wait:.1f} s"
                )
                time.sleep(wait)


def _wait_s(failed: int, fault: PassingError, patience: Patience) -> float:
    if fault.retry_after is not None:
        return min(seconds_of(fault.retry_after), patience.longest_asked_wait_s)
    longest = min(patience.first_wait_s * 2 ** (failed - 1), patience.longest_wait_s)
    # Clients that failed together shouldn't come back together.
    return longest * random.uniform(0.5, 1.0)


def seconds_of(retry_after: str) -> float:
    """Seconds from now that a Retry-After header (seconds, or a date) asks for; 0 if it can't be understood."""
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0


@dataclass(frozen=True)
class _Transfer:
    """Requests for the rest of one file."""

    session: requests.Session
    address: str
    file: PinnedFile
    partial: Partial
    patience: Patience
    progress: TransferProgress

    @property
    def where(self) -> str:
        """How messages call the file and its place."""
        return f"{self.file.name} from {readable_address(self.address)}"

    def receive(self) -> None:
        """One request: add to the partial file what it brings; raises PassingError or RefusedError."""
        headers = {"Accept-Encoding": "identity"}
        if self.partial.size:
            headers["Range"] = f"bytes={self.partial.size}-"
            if self.partial.validator:
                headers["If-Range"] = self.partial.validator
        timeout = (self.patience.connect_s, self.patience.silence_s)
        try:
            with self.session.get(self.address, headers=headers, stream=True, timeout=timeout) as response:
                self._check(response)
                self.progress.show(self.partial.size)
                self._read(response.raw)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise fault_of_error(error, self.where) from None
        if self.partial.size < self.file.bytes:
            raise PassingError("the connection ended early")

    def _check(self, response: requests.Response) -> None:
        """Raise what a response deserves by its status and headers; prepare the partial file for its body."""
        if response.status_code == 416:
            self.partial.restart()
            raise PassingError("the server has no such range")
        if response.status_code not in (200, 206):
            raise fault_of_status(response.status_code, response.headers, self.where)
        if response.headers.get("Content-Type", "").partition(";")[0].strip().lower() == "text/html":
            raise RefusedError(f"{self.where}: expected the file, found a web page; correct the address")
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise RefusedError(
                f"{self.where}: expected the file as it is, found it compressed on the way; use another address"
            )
        part = response.status_code == 206
        found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "")) if part else None
        total = found[2] if found else "" if part else response.headers.get("Content-Length", "")
        if total.isdigit() and int(total) != self.file.bytes:
            raise RefusedError(
                f"{self.where}: expected {self.file.bytes} bytes, found {total}: another file than the study pins; "
                "correct the study or the address"
            )
        if part:
            self._begin_part(int(found[1]) if found else None, response.headers.get("ETag"))
        else:
            self._begin_whole(response.headers)

    def _begin_whole(self, headers: Mapping[str, str]) -> None:
        """Prepare for a body that begins at the file's start."""
        if self.partial.size:
            self.progress.say(f"{self.where}: it comes from the start, and what was there is dropped")
            self.partial.restart()
        self.partial.note_version(headers)

    def _begin_part(self, first: int | None, etag: str | None) -> None:
        """Prepare for a body that begins at byte `first`, which should go on where the partial file stands."""
        stands = self.partial.size
        if first != stands:
            self.partial.restart()
            raise PassingError(f"no part that begins at byte {stands}")
        if self.partial.etag and etag and etag != self.partial.etag:
            # A server that sends a part although If-Range doesn't hold.
            self.partial.restart()
            raise PassingError("the file has changed on the server")
        self.partial.resumed = stands > 0
        self.progress.say(f"{self.where}: goes on at byte {stands} of {self.file.bytes}")

    def _read(self, raw: urllib3.BaseHTTPResponse) -> None:
        started, size = time.monotonic(), self.partial.size
        # read1 returns what has come; read would wait for a whole block, and never notice a server that drips.
        while block := raw.read1(_BLOCK):
            if self.partial.size + len(block) > self.file.bytes:
                self.partial.restart()
                raise RefusedError(
                    f"{self.where}: expected {self.file.bytes} bytes, found more: another file than the study pins"
                )
            self.partial.append(block)
            self.progress.show(self.partial.size)
            now = time.monotonic()
            if now - started >= self.patience.window_s:
                if self.partial.size - size < self.patience.slowest_bytes_per_s * (now - started):
                    raise PassingError(f"less than {self.patience.slowest_bytes_per_s:.0f} bytes a second")
                started, size = now, self.partial.size
