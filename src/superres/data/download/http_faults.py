"""What can go wrong with a request, in two kinds: what can pass if it is asked again, and what can't."""

import ssl
from collections.abc import Iterator, Mapping, Sequence

import requests
import urllib3

from superres.device.base.errors import UserError

_CREDENTIALS = (401, 403, 407)
_GONE = (404, 410)
_PASSING = (408, 425, 429)


class RefusedError(UserError):
    """What asking again won't help."""


class NotThereError(RefusedError):
    """The server hasn't got the file or can't be reached: another place may have it."""


class PassingError(Exception):
    """What may be gone when it is asked again; the text says what it was.

    `retry_after` is what the server asks to wait; `unreachable` says that there was no connection at all.
    """

    def __init__(self, text: str, retry_after: str | None = None, unreachable: bool = False):
        super().__init__(text)
        self.retry_after = retry_after
        self.unreachable = unreachable


def fault_of_status(status: int, headers: Mapping[str, str], where: str) -> PassingError | RefusedError:
    """The fault behind an HTTP status that brings no file; `where` begins the message."""
    if status in _PASSING or status >= 500:
        return PassingError(f"status {status}", headers.get("Retry-After"))
    if status in _GONE:
        return NotThereError(
            f"{where}: expected the file, found that the server hasn't got it (status {status}); correct the address"
        )
    if status in _CREDENTIALS:
        return RefusedError(
            f"{where}: expected the file, found that the server doesn't let us have it (status {status}); write a user "
            "name and password for it into ~/.netrc, or take another address"
        )
    return RefusedError(f"{where}: expected the file, found status {status}; correct the address")


def fault_of_error(
    error: requests.RequestException | urllib3.exceptions.HTTPError, where: str
) -> PassingError | RefusedError:
    """The fault behind an exception of requests or urllib3.

    Their own texts are left out, for they hold whole addresses.
    """
    causes = list(_causes(error))
    refused = _refused(error, causes)
    if refused is not None:
        return RefusedError(f"{where}: {refused}")
    if isinstance(error, requests.ConnectTimeout):
        return PassingError("no answer", unreachable=True)
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return PassingError("nothing came for too long")
    if any(isinstance(cause, urllib3.exceptions.NameResolutionError) for cause in causes):
        return PassingError("no such host, or no network", unreachable=True)
    if any(isinstance(cause, urllib3.exceptions.NewConnectionError) for cause in causes):
        return PassingError("no connection", unreachable=True)
    return PassingError("the connection broke")


def _refused(error: Exception, causes: Sequence[BaseException]) -> str | None:
    """What an error that won't pass is; None for one that may."""
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"expected a certificate that can be trusted, found: {cause.verify_message or 'none'}; set "
                "REQUESTS_CA_BUNDLE if the server has one of your own authority"
            )
    if isinstance(error, requests.TooManyRedirects):
        return "expected the file, found redirects without end; correct the address"
    if isinstance(error, requests.exceptions.InvalidSchema | requests.exceptions.InvalidURL):
        return "expected http or https, found a redirect to something else; correct the address"
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and what stands behind it: urllib3 and requests wrap in arguments, `reason` and contexts."""
    waiting, seen = [error], set()
    while waiting:
        cause = waiting.pop()
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        inner = [*cause.args, getattr(cause, "reason", None), cause.__cause__, cause.__context__]
        waiting += [one for one in inner if isinstance(one, BaseException)]
