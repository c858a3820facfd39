"""A pinned file from any place that has it, in spite of kills and full disks, and without secrets in logs."""

import hashlib
import json
import os
import pty
import shutil
import signal
import socket
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from far_side import wait_until
from superres.device.base.errors import UserError

from ..fetching import CONTENT, OTHER, SIZE, fetch, left, pins, program, refused
from ..file_server import Fault, Served, cut, drip, redirect, reset, status


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
    assert len(server.asked) == 1, "a file that is there is not fetched again"


def test_a_killed_download_continues(tmp_path: Path, server: Served):
    server.faults = [drip(1_000_000)]
    process = subprocess.Popen(program(tmp_path, server), stderr=subprocess.DEVNULL)
    part = tmp_path / "store/clip.bin.part"

    def is_under_way() -> bool:
        assert process.poll() is None
        return part.exists() and part.stat().st_size > 1_000_000

    wait_until(is_under_way)
    process.send_signal(signal.SIGKILL)
    process.wait()
    stood = part.stat().st_size
    assert not (tmp_path / "files/clip.bin").exists()
    assert fetch(tmp_path, server.url).read_bytes() == CONTENT
    assert server.asked[-1]["Range"] == f"bytes={stood}-"
    assert left(tmp_path) == {"clip.bin"}


def test_a_disk_that_is_full_after_all_gets_one_line(tmp_path: Path, server: Served):
    """A file size limit stands in for a full disk: the write of a block fails."""
    done = subprocess.run(program(tmp_path, server, 1_000_000), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    [error] = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert "clip.bin.part: expected room for it" in error and "continues where it stopped" in error
    assert 0 < (tmp_path / "store/clip.bin.part").stat().st_size <= 1_000_000
    assert fetch(tmp_path, server.url).read_bytes() == CONTENT
    assert "Range" in server.asked[-1]


def test_room_on_the_disk_is_asked_for_first(tmp_path: Path, server: Served):
    free = shutil.disk_usage(tmp_path).free
    message = refused(tmp_path, server.url, file=replace(pins(), bytes=free + 10**9))
    assert "free disk space" in message
    # The download fits, and so do its frames, but not both.
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
def test_secrets_of_an_address_are_sent_and_never_printed(
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
    drawn_often = threading.Event()
    server.faults = [drip(1_000_000, drawn_often.is_set)]
    control, terminal = pty.openpty()
    with subprocess.Popen(program(tmp_path, server), stderr=terminal, stdout=terminal) as process:
        os.close(terminal)
        shown = b""
        try:
            while block := os.read(control, 65536):
                shown += block
                if shown.count(b"\r") > 1:
                    drawn_often.set()
        except OSError:
            # A closed terminal on Linux.
            pass
    os.close(control)
    assert process.returncode == 0
    drawn = shown.decode().split("\r")
    assert len(drawn) > 3
    assert any(
        "fetch_file clip.bin: 100%" in text and "3.00M/3.00M" in text and "B/s" in text for text in drawn
    )
    assert "100%" not in (tmp_path / "fetch.log").read_text()
