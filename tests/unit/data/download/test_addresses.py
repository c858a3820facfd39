"""Addresses that a study may name, and messages about them without secrets."""

import pytest

from superres.data.download.addresses import check_address, readable_address, redact
from superres.device.base.errors import UserError


@pytest.mark.parametrize(
    "address, shown",
    [
        ("u:SECRET@h/x?token=SECRET", "'h/x'"),
        ("ftp://u:SECRET@h/x", "'ftp://h/x'"),
        ("http://u:SECRET@h/x", "'http://h/x'"),
        ("h/x#SECRET", "'h/x'"),
        ("http://h/a b?SECRET", "'http://h/a b'"),
    ],
)
def test_an_address_that_cannot_be_used_is_shown_without_its_secrets(address: str, shown: str):
    with pytest.raises(UserError) as caught:
        check_address(address, "url")
    assert "SECRET" not in str(caught.value)
    assert str(caught.value).startswith("url: expected an address") and f"found {shown}" in str(caught.value)


def test_an_address_is_printed_without_credentials_and_query():
    assert redact("get http://u:p@h/x?t=1, please") == "get http://h/x please"
    assert readable_address("https://u:p@h:8/x?t=1") == "https://h:8/x"
