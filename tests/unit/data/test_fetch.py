"""Downloads from a real server on loopback: what comes back from every kind of break, and what is refused."""

import hashlib
import json
import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path

import numpy as np
import pytest

from superres.data.download import Patience, seconds_of
from superres.data.fetch import fetch_file
from superres.data.sources import Download, PinnedFile
from superres.device.errors import UserError

from .file_server import Fault, Served, chunked, cut, drip, hang, redirect, reset, serving, status

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


@pytest.fixture
def server() -> Iterator[Served]:
    with serving(CONTENT) as served:
        yield served


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


def test_a_download_is_whole_and_has_a_receipt(tmp_path: Path, server: Served, capsys):
    out = fetch(tmp_path, server.url)
    assert out.read_bytes() == CONTENT
    assert out.is_symlink() and out.resolve() == (tmp_path / "store/clip.bin").resolve()
    assert left(tmp_path) == {"clip.bin"}
    receipt = json.loads(out.with_name("clip.bin.receipt.json").read_text())
    assert receipt["sha256"] == receipt["pinned_sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert receipt["bytes"] == SIZE
    [asked] = server.asked
    assert "Range" not in asked and asked["Accept-Encoding"] == "identity"
    assert "3.00M/3.00M, 100 %" in capsys.readouterr().err
    fetch(tmp_path, server.url)
    assert len(server.asked) == 1, "what is there is not asked for again"


BREAKS: dict[str, list[Fault]] = {
    "cut off": [cut(1_000_000)],
    "cut off again and again": [cut(500_000)] * 5,
    "reset": [reset(1_000_000)],
    "hangs": [hang(1_000_000, 3)],
    "drips": [drip(1_000_000, 5)],
    "hangs before it answers": [cut(1_000_000), lambda handler: time.sleep(1.5)],
    "a burst of 503": [cut(1_000_000), status(503), status(503), status(500)],
    "429 that asks to wait": [cut(1_000_000), status(429, Retry_After="1")],
    "no such range": [cut(1_000_000), status(416)],
    "body without length that ends too early": [chunked(CONTENT[:1_000_000], whole=False)],
    "body without length that seems to end well": [chunked(CONTENT[:1_000_000])],
}


@pytest.mark.parametrize("faults", BREAKS.values(), ids=BREAKS.keys())
def test_a_broken_download_goes_on(tmp_path: Path, server: Served, faults: list[Fault]):
    server.faults = list(faults)
    started = time.monotonic()
    assert fetch(tmp_path, server.url).read_bytes() == CONTENT
    assert left(tmp_path) == {"clip.bin"}
    later = [asked for asked in server.asked[1:] if "Range" in asked]
    assert later
    for asked in later:
        first = int(asked["Range"].removeprefix("bytes=").removesuffix("-"))
        assert first > 0
        assert asked.get("If-Range") in ('"one"', None)
    if faults not in (BREAKS["no such range"], *(BREAKS[name] for name in BREAKS if name.startswith("body"))):
        # A chunked first answer has no ETag to compare, all others have.
        assert all(asked["If-Range"] == '"one"' for asked in later)
        assert server.sent < SIZE + 300_000, "nothing comes twice"
    if faults is BREAKS["429 that asks to wait"]:
        assert time.monotonic() - started >= 1


def test_last_modified_stands_in_for_an_etag(tmp_path: Path, server: Served):
    server.etag, server.last_modified = 'W/"weak"', formatdate(0, usegmt=True)
    server.faults = [cut(1_000_000)]
    assert fetch(tmp_path, server.url).read_bytes() == CONTENT
    assert server.asked[1]["If-Range"] == server.last_modified


def changes(server: Served, then: Callable[[], None]) -> Fault:
    """Send a part of another version, and become what the server is."""

    def fault(handler) -> None:
        served, server.content, server.etag = server.content, OTHER, '"before"'
        cut(1_000_000)(handler)
        server.content, server.etag = served, '"one"'
        then()

    return fault


@pytest.mark.parametrize("kind", ["honours If-Range", "ignores If-Range", "has no validators"])
def test_a_file_that_changes_between_parts_is_never_pieced_together(
    tmp_path: Path, server: Served, kind: str, capsys
):
    def then() -> None:
        server.honours_if_range = kind == "honours If-Range"

    server.faults = [changes(server, then)]
    if kind == "has no validators":
        (tmp_path / "store").mkdir()
        (tmp_path / "store/clip.bin.part").write_bytes(OTHER[:1_000_000])
        (tmp_path / "store/clip.bin.part.json").write_text(json.dumps({"sha256": pins().sha256}))
        server.faults, server.etag = [], None
    assert fetch(tmp_path, server.url).read_bytes() == CONTENT
    said = capsys.readouterr().err
    expected = {
        "honours If-Range": "comes from the start",
        "ignores If-Range": "changed on the server",
        "has no validators": "again in one piece",
    }
    assert expected[kind] in said


def test_a_server_without_ranges_sends_it_all_again(tmp_path: Path, server: Served):
    server.ranges = False
    server.faults = [cut(1_000_000)]
    assert fetch(tmp_path, server.url).read_bytes() == CONTENT
    assert [("Range" in asked) for asked in server.asked] == [False, True]


def test_a_part_of_other_pins_is_not_gone_on_with(tmp_path: Path, server: Served):
    (tmp_path / "store").mkdir()
    (tmp_path / "store/clip.bin.part").write_bytes(b"x" * 1000)
    (tmp_path / "store/clip.bin.part.json").write_text(json.dumps({"sha256": "0" * 64, "etag": '"one"'}))
    assert fetch(tmp_path, server.url).read_bytes() == CONTENT
    assert "Range" not in server.asked[0]


REFUSALS: dict[str, tuple[Fault, str, str]] = {
    "404": (status(404), "the server hasn't got it (status 404)", "correct the address"),
    "410": (status(410), "status 410", "correct the address"),
    "403": (status(403), "doesn't let us have it (status 403)", "netrc"),
    "401": (status(401), "status 401", "netrc"),
    "400": (status(400), "status 400", "correct the address"),
    "a web page": (
        lambda h: h.answer(200, b"<html>" + b"x" * (SIZE - 6), Content_Type="text/html; charset=utf-8"),
        "found a web page",
        "correct the address",
    ),
    "too short": (lambda h: h.answer(200, b"x" * 1000), f"expected {SIZE} bytes, found 1000", "correct the study"),
    "too long": (chunked(CONTENT + b"more"), f"expected {SIZE} bytes, found more", "another file"),
    "compressed": (lambda h: h.answer(200, b"x", Content_Encoding="gzip"), "compressed on the way", "another address"),
    "another content": (lambda h: h.answer(200, OTHER), f"found {hashlib.sha256(OTHER).hexdigest()}", "correct the study"),
    "redirect elsewhere": (redirect("ftp://127.0.0.1/clip.bin"), "redirect to something else", "correct the address"),
}  # fmt: skip


@pytest.mark.parametrize(("fault", "found", "advice"), REFUSALS.values(), ids=REFUSALS.keys())
def test_what_cannot_pass_is_refused_at_once(
    tmp_path: Path, server: Served, fault: Fault, found: str, advice: str
):
    server.faults = [fault] * 3
    message = refused(tmp_path, server.url)
    assert found in message and advice in message and "clip.bin" in message
    assert len(server.asked) == 1
    assert left(tmp_path) == set()


@pytest.mark.parametrize("name", ["too short", "a web page", "404", "compressed"])
def test_what_is_refused_costs_nothing_of_what_came(tmp_path: Path, server: Served, name: str):
    """As where a network asks for a login in between."""
    server.faults = [cut(1_000_000), REFUSALS[name][0]]
    refused(tmp_path, server.url)
    assert fetch(tmp_path, server.url).read_bytes() == CONTENT
    assert server.asked[-1]["Range"] == "bytes=1000000-"


def test_redirects_are_followed_and_loops_end(tmp_path: Path, server: Served):
    server.faults = [redirect("/elsewhere/clip.bin")]
    assert fetch(tmp_path, server.url).read_bytes() == CONTENT
    server.faults = [redirect("/round/and/round")] * 50
    message = refused(tmp_path / "loop", server.url)
    assert "redirects without end" in message
    assert len(server.asked) < 10


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path, monkeypatch):
    pem, key = tmp_path / "own.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=own"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(pem)]
    subprocess.run(command, check=True, capture_output=True)
    pem.write_text(pem.read_text() + key.read_text())
    with serving(CONTENT, certificate=pem) as server:
        started = time.monotonic()
        assert "certificate that can be trusted" in refused(tmp_path, server.url)
        assert time.monotonic() - started < 2 and server.asked == []
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(pem))
        assert fetch(tmp_path, server.url).read_bytes() == CONTENT


def test_patience_ends_and_what_came_stays(tmp_path: Path, server: Served):
    server.faults = [cut(1_000_000), *[status(503)] * 20]
    message = refused(tmp_path, server.url)
    assert "status 503, in 5 attempts in a row" in message and f"goes on from 1000000 of {SIZE}" in message
    assert len(server.asked) == 5
    server.faults = []
    assert fetch(tmp_path, server.url).read_bytes() == CONTENT
    assert server.asked[-1]["Range"] == "bytes=1000000-"


def test_waits_double_and_retry_after_is_read():
    assert seconds_of("7") == 7
    assert 50 < seconds_of(formatdate(time.time() + 60, usegmt=True)) <= 60
    assert seconds_of(formatdate(0)) == seconds_of("soon") == 0


PROGRAM = """
import resource, sys
from pathlib import Path
from superres.data.download import Patience
from superres.data.fetch import fetch_file
from superres.data.sources import Download, PinnedFile
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


def test_a_killed_download_goes_on(tmp_path: Path, server: Served):
    server.faults = [drip(1_000_000, 30)]
    process = subprocess.Popen(program(tmp_path, server), stderr=subprocess.DEVNULL)
    part = tmp_path / "store/clip.bin.part"
    end = time.monotonic() + 30
    while not (part.exists() and part.stat().st_size > 1_000_000):
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    stood = part.stat().st_size
    assert not (tmp_path / "files/clip.bin").exists()
    assert fetch(tmp_path, server.url).read_bytes() == CONTENT
    assert server.asked[-1]["Range"] == f"bytes={stood}-"
    assert left(tmp_path) == {"clip.bin"}


def test_a_disk_that_is_full_after_all_gets_one_line(tmp_path: Path, server: Served):
    """A limit of the file's size is met where a full disk is: the write of a block fails."""
    done = subprocess.run(program(tmp_path, server, 1_000_000), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    [error] = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert "clip.bin.part: expected room for it" in error and "goes on where it stopped" in error
    assert 0 < (tmp_path / "store/clip.bin.part").stat().st_size <= 1_000_000
    assert fetch(tmp_path, server.url).read_bytes() == CONTENT
    assert "Range" in server.asked[-1]


def test_room_on_the_disk_is_asked_for_first(tmp_path: Path, server: Served):
    free = shutil.disk_usage(tmp_path).free
    message = refused(tmp_path, server.url, file=replace(pins(), bytes=free + 10**9))
    assert "free disk space" in message
    # The download fits, and what is made of it fits, but not both.
    assert "free disk space" in refused(tmp_path, server.url, room=free - 1000)
    assert server.asked == []


def test_a_folder_that_has_it_is_used_in_place(tmp_path: Path, server: Served):
    own = tmp_path / "own"
    own.mkdir()
    (own / "clip.bin").write_bytes(CONTENT)
    out = fetch(tmp_path, str(own / "clip.bin"), server.url)
    assert out.resolve() == own / "clip.bin" and out.read_bytes() == CONTENT
    assert server.asked == [] and left(tmp_path) == set()


@pytest.mark.parametrize(("content", "found"), [(OTHER, "found [0-9a-f]{64}"), (b"short", "found 5: ")])
def test_another_file_in_a_folder_is_named_and_not_used(
    tmp_path: Path, server: Served, content: bytes, found: str
):
    (tmp_path / "clip.bin").write_bytes(content)
    with pytest.raises(UserError, match=rf"{tmp_path}/clip\.bin: expected .*{found}"):
        fetch(tmp_path, str(tmp_path / "clip.bin"), server.url)
    assert not (tmp_path / "files/clip.bin").exists()
    assert server.asked == []


def test_the_next_place_is_asked_where_a_mirror_has_nothing(tmp_path: Path, server: Served, capsys):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{closed.getsockname()[1]}/clip.bin"
        server.faults = [status(404)]
        places = (str(tmp_path / "no/clip.bin"), nobody, server.url + "?mirror", server.url)
        assert fetch(tmp_path, *places).read_bytes() == CONTENT
    said = capsys.readouterr().err
    assert "no connection, in 5 attempts" in said and "status 404" in said
    assert [asked["path"] for asked in server.asked] == ["/files/clip.bin?mirror", "/files/clip.bin"]


def test_two_runs_download_once(tmp_path: Path, server: Served):
    server.faults = [lambda handler: (time.sleep(0.3), handler.send_file())[0]]
    threads = [threading.Thread(target=fetch, args=(tmp_path, server.url)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.asked) == 1
    assert (tmp_path / "files/clip.bin").read_bytes() == CONTENT


SECRET = "s3cr3t"
FAULTS_OF_SECRETS: list[list[Fault]] = [
    [cut(1_000_000), reset(1000)],
    [status(404)],
    [status(403)],
    [redirect(f"/there?token={SECRET}")] * 20,
    [redirect(f"http://u:{SECRET}@127.0.0.1:1/x")],
    [redirect(f"gopher://{SECRET}/x")],
    [status(503, Retry_After="0")] * 20,
    [lambda h: h.answer(200, OTHER)],
    [lambda h: h.answer(200, b"<html>", Content_Type="text/html")],
]


@pytest.mark.parametrize("faults", FAULTS_OF_SECRETS)
def test_what_is_secret_in_an_address_is_sent_and_never_said(
    tmp_path: Path, server: Served, faults: list[Fault], capsys
):
    server.faults = list(faults)
    message = ""
    try:
        fetch(tmp_path, f"{server.url}?token={SECRET}")
    except UserError as error:
        message = str(error)
    assert server.asked[0]["path"].endswith(f"?token={SECRET}")
    captured = capsys.readouterr()
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    for text in (message, captured.out, captured.err, *(content.decode("latin-1") for content in written)):
        assert SECRET not in text


def test_a_terminal_gets_a_bar(tmp_path: Path, server: Served):
    server.faults = [drip(1_000_000, 1.5)]
    control, terminal = pty.openpty()
    with subprocess.Popen(program(tmp_path, server), stderr=terminal, stdout=terminal) as process:
        os.close(terminal)
        shown = b""
        try:
            while block := os.read(control, 65536):
                shown += block
        except OSError:
            # How a terminal ends on Linux.
            pass
    os.close(control)
    assert process.returncode == 0
    drawn = shown.decode().split("\r")
    assert len(drawn) > 3
    assert any(
        "fetch_file clip.bin: 100%" in text and "3.00M/3.00M" in text and "B/s" in text for text in drawn
    )
    assert "100%" not in (tmp_path / "fetch.log").read_text()
