"""Shared by tests of downloads: a file of random bytes, its pins, and short waits."""

import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest

from far_side import PATIENCE_S
from superres.data.download.fetch import fetch_file
from superres.data.download.http import Patience
from superres.data.sources.source import Download, PinnedFile
from superres.device.base.errors import UserError

from .file_server import Served

SIZE = 3_000_000
CONTENT = np.random.default_rng(0).bytes(SIZE)
OTHER = np.random.default_rng(1).bytes(SIZE)
# Long timeouts, for a slow machine only. Tests of connections that are given up use shorter ones.
HASTE = Patience(
    attempts=5,
    progress_bytes=200_000,
    first_wait_s=0.02,
    longest_wait_s=0.1,
    connect_s=PATIENCE_S,
    silence_s=PATIENCE_S,
    window_s=PATIENCE_S,
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
    """Return the names in the store, without its lock."""
    return {path.name for path in (folder / "store").iterdir() if not path.name.startswith(".")}


def refused(folder: Path, *places: str, **settings: object) -> str:
    """Return the one-line error of a failing fetch. No file has the final name."""
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
from superres.scripting import script_job

folder, url, sha256 = Path(sys.argv[1]), sys.argv[2], sys.argv[4]
size, limit = int(sys.argv[3]), int(sys.argv[5])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
with script_job(str(folder / "fetch.log")):
    file = PinnedFile("clip.bin", size, sha256, "error", "")
    wanted, out = Download(file, (url,)), folder / "files/clip.bin"
    fetch_file(wanted, store=folder / "store", out=out, patience=Patience(window_s=60))
"""


def program(folder: Path, server: Served, limit: int = 0) -> list[str]:
    file = pins()
    return [sys.executable, "-c", PROGRAM, str(folder), server.url, str(file.bytes), file.sha256, str(limit)]
