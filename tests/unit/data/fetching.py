"""What the tests of downloads share: a file of random bytes, its pins, and little patience."""

import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest

from superres.data.download.fetch import fetch_file
from superres.data.download.http import Patience
from superres.data.sources.source import Download, PinnedFile
from superres.device.base.errors import UserError

from .file_server import Served

SIZE = 3_000_000
CONTENT = np.random.default_rng(0).bytes(SIZE)
OTHER = np.random.default_rng(1).bytes(SIZE)
HASTE = Patience(
    attempts=5,
    progress_bytes=200_000,
    first_wait_s=0.02,
    longest_wait_s=0.1,
    connect_s=2,
    silence_s=0.5,
    window_s=0.4,
    slowest_bytes_per_s=10_000,
    redirects=4,
)


def pins(content: bytes = CONTENT, mismatch: str = "error", name: str = "clip.bin") -> PinnedFile:
    return PinnedFile(name, len(content), hashlib.sha256(content).hexdigest(), mismatch, "http://a/b")  # pyright: ignore[reportArgumentType]


def fetch(
    folder: Path, *places: str, file: PinnedFile | None = None, patience: Patience = HASTE, room: int = 0
) -> Path:
    file = file or pins()
    out = folder / "files" / file.name
    fetch_file(
        Download(file, places),
        store=folder / "store",
        out=out,
        room=[(folder / "results", room)],
        patience=patience,
    )
    return out


def left(folder: Path) -> set[str]:
    """Names in the store, but for its lock."""
    return {path.name for path in (folder / "store").iterdir() if not path.name.startswith(".")}


def refused(folder: Path, *places: str, **settings: object) -> str:
    """The one line of a fetch that fails; nothing has got the file's name."""
    with pytest.raises(UserError) as caught:
        fetch(folder, *places, **settings)  # pyright: ignore[reportArgumentType]
    message = str(caught.value)
    assert "\n" not in message and "expected" in message and "found" in message
    assert not (folder / "files" / "clip.bin").exists()
    assert not (folder / "store" / "clip.bin").exists()
    return message


PROGRAM = """
import resource, sys
from pathlib import Path
from superres.data.download.http import Patience
from superres.data.download.fetch import fetch_file
from superres.data.sources.source import Download, PinnedFile
from superres.scripting import script_log

folder, url, size, sha256, limit = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4], int(sys.argv[5])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
with script_log(str(folder / "fetch.log")):
    file = PinnedFile("clip.bin", size, sha256, "error", "")
    fetch_file(Download(file, (url,)), store=folder / "store", out=folder / "files/clip.bin", patience=Patience(window_s=60))
"""


def program(folder: Path, server: Served, limit: int = 0) -> list[str]:
    file = pins()
    return [sys.executable, "-c", PROGRAM, str(folder), server.url, str(file.bytes), file.sha256, str(limit)]
