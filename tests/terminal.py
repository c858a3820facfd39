"""A terminal for tests: Snakemake runs in it, and its screen is what a person would see at the end."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_CODES = re.compile(r"\x1b\[(\d*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)")


@dataclass(frozen=True)
class Shown:
    """The end of a command on a terminal: its exit status, all that it wrote, and the last screen."""

    status: int
    written: str
    screen: list[str]


def run_on_terminal(command: Sequence[str], folder: Path) -> Shown:
    """Run a command whose output and errors go to a terminal of 100 columns."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", 40, 100, 0, 0))
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=slave,
        stderr=slave,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(slave)
    written = bytearray()
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:
            # Linux's end of a terminal that nobody writes to any more.
            break
        if not part:
            break
        written += part
    os.close(master)
    text = written.decode()
    return Shown(process.wait(), text, screen_of(text))


def screen_of(text: str) -> list[str]:
    """Return the lines of a terminal without an edge after a text with the codes that the display uses."""
    lines, row, column = [""], 0, 0
    for count, code, end, plain in _CODES.findall(text):
        if plain:
            line = lines[row].ljust(column)
            lines[row] = line[:column] + plain + line[column + len(plain) :]
            column += len(plain)
        elif end == "\r":
            column = 0
        elif end == "\n":
            row, column = row + 1, 0
            lines += [""] * (row == len(lines))
        elif code == "A":
            row = max(0, row - int(count or 1))
        elif code == "J":
            lines[row:] = [lines[row][:column]]
        else:
            # Colours.
            assert code == "m", code
    return lines
