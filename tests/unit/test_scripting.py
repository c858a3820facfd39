"""Scripts log what they print and end in one line for a user's mistake."""

import errno
import os
import sys
from pathlib import Path

import pytest

from superres import scripting
from superres.device.base.errors import UserError
from superres.scripting import script_log, threads_side_by_side


def test_output_is_on_the_terminal_and_in_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    log = tmp_path / "logs/a.log"
    with script_log(str(log)):
        print("to stdout")
        print("to stderr", file=sys.stderr)
    assert log.read_text() == "to stdout\nto stderr\n"
    assert capfd.readouterr().err == "to stdout\nto stderr\n"


def test_a_users_mistake_is_one_line_and_exit_code_1(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    log = tmp_path / "a.log"
    with pytest.raises(SystemExit) as ended, script_log(str(log)):
        raise UserError("a.png: expected an image, found text")
    assert ended.value.code == 1
    assert log.read_text() == "error: a.png: expected an image, found text\n"
    assert capfd.readouterr().err == log.read_text()


def test_anything_else_goes_on_with_its_traceback_in_the_log(tmp_path: Path):
    log = tmp_path / "a.log"
    with pytest.raises(ZeroDivisionError), script_log(str(log)):
        raise ZeroDivisionError
    assert "Traceback" in log.read_text()
    assert "ZeroDivisionError" in log.read_text()


def test_a_full_disk_is_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended, script_log(str(tmp_path / "a.log")):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert ended.value.code == 1
    said = "error: outputs: expected room for them on the disk, found none (no space left on device); free"
    assert capfd.readouterr().err.startswith(said)
    assert (tmp_path / "a.log").read_text().startswith(said)


def test_a_log_on_a_full_disk_ends_no_job(capfd: pytest.CaptureFixture[str]):
    """Nothing can be written to /dev/full, and closing it fails too."""
    with script_log("/dev/full"):
        print("work")
    assert capfd.readouterr().err == "work\n"


def test_a_log_that_can_not_be_made_is_one_line(tmp_path: Path):
    (tmp_path / "logs").write_text("a file")
    with pytest.raises(SystemExit) as ended, script_log(str(tmp_path / "logs/a.log")):
        pass
    assert str(ended.value.code).startswith(f"error: {tmp_path}/logs/a.log: expected to write a log, found: ")


def test_a_name_of_any_bytes_is_logged(tmp_path: Path):
    with script_log(str(tmp_path / "a.log")):
        print(os.fsdecode(b"caf\xe9"), file=sys.stderr)
    assert (tmp_path / "a.log").read_text() == "caf\\udce9\n"


@pytest.mark.parametrize(("given", "processors", "used"), [(2, 2, 1), (4, 16, 4), (8, 8, 4), (1, 1, 1)])
def test_two_jobs_side_by_side_share_the_processors(
    monkeypatch: pytest.MonkeyPatch, given: int, processors: int, used: int
):
    monkeypatch.setattr(scripting, "usable_cpus", lambda: processors)
    assert threads_side_by_side(given) == used
