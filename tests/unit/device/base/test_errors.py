"""Messages for people."""

import pytest

from superres.device.base.errors import UserError


@pytest.mark.parametrize("quoted", ["\x00", "IND\x07", "a\nb", "\x1b[2J", "\ufffd\udcff", "\r", "\u2028"])
def test_a_message_is_one_line_whatever_it_quotes_of_a_file(quoted: str):
    message = str(UserError(f"a.png: expected a picture, found {quoted}"))
    assert message.isprintable() and message.startswith("a.png: expected a picture, found ")
    assert repr(quoted)[1:-1] in message


def test_a_message_in_other_scripts_stays_as_it_is():
    assert str(UserError("Gemälde/絵.png: expected …")) == "Gemälde/絵.png: expected …"
