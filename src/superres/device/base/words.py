"""Words of messages."""


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 frame`, `2 frames`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def printable(text: object) -> str:
    """Return a text as one line, with what can't be printed escaped: a terminal would do what it says."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(text))
