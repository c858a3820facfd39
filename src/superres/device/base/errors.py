"""Errors that end a job without a result."""

from superres.device.base.words import printable


class UserError(Exception):
    """A mistake in a study or a file; one line: where, expected, found, and what to do.

    What a text quotes of a damaged file may be any characters: those that can't be printed are escaped.
    """

    def __init__(self, text: object = ""):
        super().__init__(printable(text))


class UnsupportedError(Exception):
    """An arm that this target can't run; the message is the reason, such as `needs a CUDA device`."""


USER_ERROR = 2
"""Exit code of a worker that ended with a UserError, whose text is its last line."""
