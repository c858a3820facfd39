"""The lock of a study, and the errors of failed jobs."""

import errno
import fcntl
from pathlib import Path
from typing import Any

import pytest

from superres.device.base.errors import UserError
from superres.study.runs import during
from superres.study.runs.during import FailedJob, lock_study


def test_a_second_call_waits_for_the_first(tmp_path: Path):
    first = lock_study("a", tmp_path / "a")
    with pytest.raises(UserError, match=r"^a is being run by another call of snakemake: wait for it"):
        lock_study("a", tmp_path / "a")
    first.close()
    lock_study("a", tmp_path / "a").close()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EINVAL])
def test_a_file_system_without_locks_is_said(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def refuse(*_: object) -> None:
        raise OSError(number, "no locks here")

    monkeypatch.setattr(fcntl, "flock", refuse)
    lock_study("a", tmp_path / "a").close()
    assert capsys.readouterr().err == (
        f"study a: the file system of {tmp_path / 'a'} has no locks: don't run it twice at once\n"
    )


def test_results_that_can_not_be_written(tmp_path: Path):
    (tmp_path / "results").symlink_to("/proc")
    with pytest.raises(UserError, match="results/a: expected a folder that can be written to, found: "):
        lock_study("a", tmp_path / "results/a")


def test_a_recommendation_is_the_last_thing_that_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    path = tmp_path / "recommendation.json"
    path.write_text('{"summary": ["Recommendation", "local: ship \\u00b1"]}', encoding="utf-8")
    kept: list[tuple[Any, ...]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(during.atexit, "register", lambda *call: kept.append(call))
        during.tell_recommendation(path)
        during.tell_recommendation(tmp_path / "none.json")
    ((tell, text),) = kept
    tell(text)
    assert capfd.readouterr().err == "\nRecommendation\nlocal: ship ±\n"


LOGS = {
    "error: first\nsome work\nerror: last, of b.png\n": "last, of b.png",
    "Traceback (most recent call last):\n  File x\nE: two\n": "E: two (its traceback is in {log})",
    "some work\n": "ended without a message; look above, or into {log}",
    "": "ended without a message; look above",
}


@pytest.mark.parametrize("text", LOGS)
def test_a_failed_job_says_its_error_in_full(text: str, tmp_path: Path):
    log = tmp_path / "a.log"
    log.write_text(text)
    job = FailedJob("prepare_clip", {"role": "frames", "clip": "a"}, [str(log)])
    assert job.line == f"prepare_clip role=frames clip=a: {LOGS[text].format(log=log)}"


def test_a_log_that_a_full_disk_left_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(during, "no_room", lambda *_: "no space left on device")
    job = FailedJob("export_onnx", {}, [str(tmp_path / "gone/a.log")])
    assert job.line.startswith(
        "export_onnx: outputs: expected room for them on the disk, found none (no space"
    )


def test_what_a_scheduler_did_comes_before_what_is_left_in_the_log(tmp_path: Path):
    log = tmp_path / "a.log"
    log.write_text("error: of an earlier run\n")
    job = FailedJob("export_onnx", {}, [str(log)], "Slurm's job 7 was over its memory")
    assert job.line == "export_onnx: Slurm's job 7 was over its memory"


def test_of_a_group_only_those_are_told_that_failed_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    told: list[str] = []
    monkeypatch.setattr(during.atexit, "register", lambda _, text: told.append(text))
    (tmp_path / "bad.log").write_text("error: no such thing\n")
    bad, ended = (FailedJob(name, {}, [str(tmp_path / f"{name}.log")]) for name in ("bad", "ended"))
    during.tell_at_the_end([[bad, ended]])
    assert told == ["\nFailed jobs:\n  bad: no such thing\n"]
    during.tell_at_the_end([[ended]])
    assert told[1] == "\nFailed jobs:\n  ended: ended without a message; look above\n"
