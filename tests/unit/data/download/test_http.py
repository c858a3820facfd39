"""Downloads from a real server on loopback: recovery from every kind of break, and refusals."""

import hashlib
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path

import pytest

from far_side import wait_until

from ..fetching import CONTENT, HASTE, OTHER, SIZE, fetch, left, pins, refused
from ..file_server import (
    Fault,
    Served,
    chunked,
    cut,
    drip,
    hang,
    hang_before_the_answer,
    redirect,
    reset,
    serving,
    status,
)

BREAKS: dict[str, list[Fault]] = {
    "cut off": [cut(1_000_000)],
    "cut off again and again": [cut(500_000)] * 5,
    "reset": [reset(1_000_000)],
    "hangs": [hang(1_000_000)],
    "drips": [drip(1_000_000)],
    "hangs before it answers": [cut(1_000_000), hang_before_the_answer],
    "a burst of 503": [cut(1_000_000), status(503), status(503), status(500)],
    "429 that asks to wait": [cut(1_000_000), status(429, Retry_After="1")],
    "no such range": [cut(1_000_000), status(416)],
    "body without length that ends too early": [chunked(CONTENT[:1_000_000], whole=False)],
    "body without length that seems to end well": [chunked(CONTENT[:1_000_000])],
}


# The client closes these connections. On a slow machine it may close others too.
GIVEN_UP = {
    "hangs": replace(HASTE, silence_s=2.0),
    "drips": replace(HASTE, window_s=0.4),
    "hangs before it answers": replace(HASTE, silence_s=2.0),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_download_continues(tmp_path: Path, server: Served, name: str):
    faults = BREAKS[name]
    server.faults = list(faults)
    started = time.monotonic()
    assert fetch(tmp_path, server.url, patience=GIVEN_UP.get(name, HASTE)).read_bytes() == CONTENT
    assert server.faults == []
    assert left(tmp_path) == {"clip.bin"}
    later = [asked for asked in server.asked[1:] if "Range" in asked]
    assert later
    starts = [int(asked["Range"].removeprefix("bytes=").removesuffix("-")) for asked in later]
    assert starts == sorted(starts) and starts[0] > 0
    assert all(asked.get("If-Range") in ('"one"', None) for asked in later)
    if name != "no such range" and not name.startswith("body"):
        # All but a chunked first answer have an ETag to compare.
        assert all(asked["If-Range"] == '"one"' for asked in later)
        if name in GIVEN_UP:
            wait_until(lambda: server.given_up == 1)
        else:
            assert server.sent == SIZE, "no byte is sent twice"
    if name == "429 that asks to wait":
        assert time.monotonic() - started >= 1


def test_last_modified_stands_in_for_an_etag(tmp_path: Path, server: Served):
    server.etag, server.last_modified = 'W/"weak"', formatdate(0, usegmt=True)
    server.faults = [cut(1_000_000)]
    assert fetch(tmp_path, server.url).read_bytes() == CONTENT
    assert server.asked[1]["If-Range"] == server.last_modified


def changes(server: Served, then: Callable[[], None]) -> Fault:
    """Send a part of another version, then restore the server's own."""

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
        "honours If-Range": "starts again; the bytes before are dropped",
        "ignores If-Range": "changed on the server",
        "has no validators": "downloading it again in one piece",
    }
    assert expected[kind] in said


def test_a_server_without_ranges_sends_it_all_again(tmp_path: Path, server: Served):
    server.ranges = False
    server.faults = [cut(1_000_000)]
    assert fetch(tmp_path, server.url).read_bytes() == CONTENT
    assert [("Range" in asked) for asked in server.asked] == [False, True]


def test_a_part_of_other_pins_is_dropped(tmp_path: Path, server: Served):
    (tmp_path / "store").mkdir()
    (tmp_path / "store/clip.bin.part").write_bytes(b"x" * 1000)
    (tmp_path / "store/clip.bin.part.json").write_text(json.dumps({"sha256": "0" * 64, "etag": '"one"'}))
    assert fetch(tmp_path, server.url).read_bytes() == CONTENT
    assert "Range" not in server.asked[0]


REFUSALS: dict[str, tuple[Fault, str, str]] = {
    "404": (status(404), "the server doesn't have it (status 404)", "correct the address"),
    "410": (status(410), "status 410", "correct the address"),
    "403": (status(403), "denies access (status 403)", "netrc"),
    "401": (status(401), "status 401", "netrc"),
    "400": (status(400), "status 400", "correct the address"),
    "a web page": (
        lambda h: h.answer(200, b"<html>" + b"x" * (SIZE - 6), Content_Type="text/html; charset=utf-8"),
        "found a web page",
        "correct the address",
    ),
    "too short": (
        lambda h: h.answer(200, b"x" * 1000),
        f"expected {SIZE} bytes, found 1000",
        "correct the study",
    ),
    "too long": (
        chunked(CONTENT + b"more"),
        f"expected {SIZE} bytes, found more",
        "not the file that the study pins",
    ),
    "compressed": (
        lambda h: h.answer(200, b"x", Content_Encoding="gzip"),
        "compressed on the way",
        "another address",
    ),
    "another content": (
        lambda h: h.answer(200, OTHER),
        f"found {hashlib.sha256(OTHER).hexdigest()}",
        "correct the study",
    ),
    "redirect elsewhere": (
        redirect("ftp://127.0.0.1/clip.bin"),
        "redirect to something else",
        "correct the address",
    ),
}


@pytest.mark.parametrize(("fault", "found", "advice"), REFUSALS.values(), ids=REFUSALS.keys())
def test_permanent_faults_are_refused_at_once(
    tmp_path: Path, server: Served, fault: Fault, found: str, advice: str
):
    server.faults = [fault] * 3
    message = refused(tmp_path, server.url)
    assert found in message and advice in message and "clip.bin" in message
    assert len(server.asked) == 1
    assert left(tmp_path) == set()


@pytest.mark.parametrize("name", ["too short", "a web page", "404", "compressed"])
def test_a_refusal_keeps_the_bytes_that_arrived(tmp_path: Path, server: Served, name: str):
    """As with a network that asks for a login in between."""
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
def test_an_untrusted_certificate_is_refused(tmp_path: Path, monkeypatch, capsys):
    pem, key = tmp_path / "own.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=own"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(pem)]
    subprocess.run(command, check=True, capture_output=True)
    pem.write_text(pem.read_text() + key.read_text())
    with serving(CONTENT, certificate=pem) as server:
        assert "certificate that can be trusted" in refused(tmp_path, server.url)
        assert server.asked == [] and "continues in" not in capsys.readouterr().err
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(pem))
        assert fetch(tmp_path, server.url).read_bytes() == CONTENT


def test_retries_end_and_the_bytes_stay(tmp_path: Path, server: Served):
    server.faults = [cut(1_000_000), *[status(503)] * 20]
    message = refused(tmp_path, server.url)
    assert "status 503, in 5 attempts in a row" in message and f"continues from 1000000 of {SIZE}" in message
    assert len(server.asked) == 5
    server.faults = []
    assert fetch(tmp_path, server.url).read_bytes() == CONTENT
    assert server.asked[-1]["Range"] == "bytes=1000000-"


def test_waits_double_and_differ(tmp_path: Path, server: Served, capsys):
    server.faults = [status(503)] * 4
    patience = replace(HASTE, first_wait_s=0.2, longest_wait_s=0.4)
    assert fetch(tmp_path, server.url, patience=patience).read_bytes() == CONTENT
    waits = [float(wait) for wait in re.findall(r"continues in ([\d.]+) s", capsys.readouterr().err)]
    longest = [0.2, 0.4, 0.4, 0.4]
    # Printed to a tenth.
    assert len(waits) == 4 and all(
        0.5 * most - 0.05 <= wait <= most + 0.05 for most, wait in zip(longest, waits, strict=True)
    )


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("2", (2, 2)),
        # A slow machine may take minutes to read it.
        ("in 1 h", (3000, 3600)),
        ("soon", (0, 0)),
        ("Thu, 01 Jan 1970 00:00:00 GMT", (0, 0)),
        ("9000", (7200, 7200)),
    ],
)
def test_retry_after_is_seconds_or_a_date(
    tmp_path: Path, server: Served, monkeypatch, asked: str, expected: tuple[float, float]
):
    """A malformed header means no wait, and a long wait is cut."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    header = asked.replace("in 1 h", formatdate(time.time() + 3600, usegmt=True))
    server.faults = [status(503, Retry_After=header)]
    fetch(tmp_path, server.url, patience=replace(HASTE, longest_asked_wait_s=7200))
    assert expected[0] <= slept[0] <= expected[1]
