"""Studies at random: either one is understood, or it gets one line; nothing else ever happens."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from spoilt import fuzz
from superres.device.base.errors import UserError
from superres.study.check.files import check_study
from superres.study.check.left_out import leave_out_missing
from superres.study.load import load_study

from .strategies import JUNK, SCHEMA, studies


def understood(config: Any) -> bool:
    """Whether a study is understood; its error, if not, has to be one line."""
    try:
        check_study(leave_out_missing(load_study(config)))
    except UserError as error:
        message = str(error)
        assert message.isprintable() and 10 < len(message) < 1500, message
        return False
    return True


@fuzz(200)
@given(studies())
def test_a_study_is_understood_or_gets_one_line(config: dict[str, Any]):
    understood(config)


@fuzz(60)
@given(st.dictionaries(st.sampled_from(sorted(SCHEMA["properties"])) | st.text(max_size=4), JUNK, max_size=4))
def test_junk_gets_one_line(config: dict[str, Any]):
    assert not understood(config)
