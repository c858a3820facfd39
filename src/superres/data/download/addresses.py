"""Addresses on the network: which a study may name, and how they are printed without secrets."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote, urlsplit

from superres.device.base.errors import UserError

# Greedy up to the last @: a password with a slash in it is no valid address, and still must not be shown.
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)(?:\S*@)?([^?#\s'\"]*)(?:[?#][^\s'\"]*)?")


def redact(text: str) -> str:
    """A text with the credentials and queries of all addresses in it left out."""
    return _ADDRESS.sub(r"\1\2", text)


@contextmanager
def without_secrets() -> Iterator[None]:
    """Leave the secrets of all addresses out of a UserError's message."""
    try:
        yield
    except UserError as error:
        text = redact(str(error))
        if text == str(error):
            raise
        # Not `from error`, whose message has the secret.
        raise UserError(text) from None


def is_address(place: str) -> bool:
    """Whether a place is an address on the network, and not a folder."""
    return "://" in place


def check_address(address: str, where: str) -> None:
    """Raise UserError unless an address is http or https, names a host and holds no credentials.

    `where` is the key that names it. What is secret in the address isn't in the message.
    """
    host = re.split(r"[/?#]", address.partition("://")[2])[0]
    if "@" in host:
        raise UserError(
            f"{where}: expected an address without user name and password, found {redact(address)!r} with "
            "some; write them into ~/.netrc, which is read"
        )
    try:
        parts = urlsplit(address)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or re.search(r"\s", address):
        raise UserError(
            f"{where}: expected an address that begins with http:// or https://, found {redact(address)!r}"
        )


def readable_address(address: str) -> str:
    """An address without its query, where tokens are, and without credentials."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def address_below(folder: str, name: str) -> str:
    """The address of the file `name` in a folder on the network; a query of the folder's goes with it."""
    parts = urlsplit(folder)
    return parts._replace(path=f"{parts.path.rstrip('/')}/{quote(name)}").geturl()
