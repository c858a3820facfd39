"""Network addresses: check the ones that a study names, and print them without secrets."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote, urlsplit

from superres.device.base.errors import UserError

# Greedy up to the last @: a password with a slash makes the address invalid, but still must not be shown.
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)(?:\S*@)?([^?#\s'\"]*)(?:[?#][^\s'\"]*)?")


def redact(text: str) -> str:
    """Remove credentials and queries from all addresses in a text."""
    return _ADDRESS.sub(r"\1\2", text)


@contextmanager
def without_secrets() -> Iterator[None]:
    """Remove the secrets of all addresses from the message of a UserError."""
    try:
        yield
    except UserError as error:
        text = redact(str(error))
        if text == str(error):
            raise
        # Not `from error`: its message has the secret.
        raise UserError(text) from None


def is_address(place: str) -> bool:
    """Return whether a place is a network address, not a path."""
    return "://" in place


def check_address(address: str, where: str) -> None:
    """Raise UserError unless an address is http or https, names a host and holds no credentials.

    `where` is the key that names it. The message has no secrets.
    """
    host = re.split(r"[/?#]", address.partition("://")[2])[0]
    if "@" in host:
        raise UserError(
            f"{where}: expected an address without user name and password, found {redact(address)!r} with "
            "some; write them into ~/.netrc"
        )
    try:
        parts = urlsplit(address)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or re.search(r"\s", address):
        # Without a scheme it is no address to `redact`: what may be a password or a token is left out here.
        shown = re.split(r"[?#]", redact(address))[0].rpartition("@")[2]
        raise UserError(f"{where}: expected an address that begins with http:// or https://, found {shown!r}")


def readable_address(address: str) -> str:
    """Return an address without credentials and without its query, which may have tokens."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def address_below(folder: str, name: str) -> str:
    """Return the address of the file `name` in a network folder, with the folder's query."""
    parts = urlsplit(folder)
    return parts._replace(path=f"{parts.path.rstrip('/')}/{quote(name)}").geturl()
