"""The lock of a study, and the errors of failed jobs."""

import errno
import fcntl
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

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


def test_a_target_that_no_rule_has_is_told_the_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    known, shown = ["all", "int8-tuned", "fp32", "write_table"], ["int8-tuned", "fp32", "all"]
    asked = ["all", "write_table", "int8-tunde", "results/a/table1.csv", "xyz"]
    near, far = during.unknown_targets(asked, known, shown)
    assert near == (
        "expected a target that this study has, found 'int8-tunde' (did you mean int8-tuned?); "
        "it has: all, fp32, int8-tuned"
    )
    assert far.endswith("found 'xyz'; it has: all, fp32, int8-tuned")


def test_a_file_that_the_study_does_not_make_is_told_the_nearest(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    (tmp_path / "results/there.csv").touch()
    known = ["results/a/table1.md", "results/a/plots/fps.svg", "results/a/plots/fps.png"]
    made = "results/a/made.json"
    rules = [SimpleNamespace(input=[lambda _: made, "results/a/{name}.csv"], output=known)]
    jobs = [SimpleNamespace(input=[], output=[made])]
    asked = ["all", "results/there.csv", *known, made, "results/a/plots/fpss.svg", "results/xyz/q/w.txt"]
    near, far = during.unknown_files(asked, jobs, rules)
    assert near.startswith(
        "expected a file that this study makes, found 'results/a/plots/fpss.svg' "
        "(did you mean results/a/plots/fps.svg"
    )
    assert far.endswith("found 'results/xyz/q/w.txt'; snakemake --list has its targets")


@pytest.fixture
def at_the_end(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is said when the process ends."""
    texts: list[str] = []
    monkeypatch.setattr(during.atexit, "register", lambda _, text: texts.append(text))
    return texts


def test_a_recommendation_is_the_last_thing_that_is_said(tmp_path: Path, at_the_end: list[str]):
    during.tell_results(tmp_path / "none", whole=True)
    assert at_the_end == []
    path = tmp_path / "recommendation.json"
    path.write_text('{"summary": ["Recommendation", "local: ship \\u00b1"]}', encoding="utf-8")
    during.tell_results(tmp_path, whole=False)
    assert at_the_end == ["\nRecommendation\nlocal: ship ±\n"]


def ended(name: str, read: Sequence[str] = (), output: Sequence[str] = ()) -> SimpleNamespace:
    """A job, as Snakemake has it."""
    return SimpleNamespace(rule=SimpleNamespace(name=name), input=list(read), output=list(output))


def test_the_end_is_what_the_run_was_for(tmp_path: Path, at_the_end: list[str]):
    (tmp_path / "recommendation.json").write_text('{"summary": ["Recommendation"]}', encoding="utf-8")
    video = "out dir/a ü.mkv"
    during.tell_end([ended("build_engine", output=["e.bin"])], tmp_path, video)
    assert at_the_end == []
    during.tell_end([ended("upscale_video", output=[video]), ended("upscale", [video])], tmp_path, video)
    made = ended("write_recommendation", output=["results/a/r.json"])
    during.tell_end([made, ended("recommend", ["results/a/r.json"])], tmp_path, None)
    assert at_the_end == ["Video: out dir/a ü.mkv\n", "\nRecommendation\n"]


def test_a_run_of_some_files_ends_with_their_folder(tmp_path: Path, at_the_end: list[str]):
    arms = ["results/a/arms/x/m.json", "results/a/arms/y/m.json"]
    jobs = [ended("write_manifest", ["e.bin"], arms), ended("int8-entropy", arms)]
    during.tell_end(jobs, tmp_path, None)
    jobs = [ended("profile", ["results/a/profile.csv", "results/a/plots/operations.svg"])]
    during.tell_end(jobs, tmp_path, None)
    assert at_the_end == ["Results: results/a/arms\n", "Results: results/a\n"]


def test_a_whole_study_also_says_what_did_not_run_and_where_its_page_is(
    tmp_path: Path, at_the_end: list[str], capfd: pytest.CaptureFixture[str]
):
    (tmp_path / "recommendation.json").write_text('{"summary": ["Recommendation"]}', encoding="utf-8")
    arms = ("pytorch,fp32,ok", "tensorrt,fp16,not run: no GPU", "openvino,bf16,not run: no AMX, no AVX")
    rows = [
        ",".join(["local", "espcn_rgb", clip, *arm.split(",", 2)[:2], f'"{arm.split(",", 2)[2]}"'])
        for clip in ("park", "rooms")
        for arm in (*arms, "tensorrt,fp32,not run: no GPU")
    ]
    header = "target,model,clip,runtime,precision,status"
    (tmp_path / "metrics.csv").write_text("\n".join([header, *rows]), encoding="utf-8")
    during.tell_results(tmp_path, whole=True)
    (tmp_path / "report").mkdir()
    (tmp_path / "report/index.html").write_text("<p>", encoding="utf-8")
    during.tell_results(tmp_path, whole=True)
    without, text = at_the_end
    assert text == without + f"Page: {tmp_path}/report/index.html\n"
    # Each arm once, though it has a row a clip.
    assert without.splitlines()[1:] == [
        "Recommendation",
        "Not run: no GPU: TensorRT FP16 ESPCN_RGB, TensorRT FP32 ESPCN_RGB",
        "Not run: no AMX, no AVX: OpenVINO BF16 ESPCN_RGB",
    ]
    during.tell(text)
    assert capfd.readouterr().err == text


def test_failed_jobs_are_said_once_each_below_the_log_of_the_run(tmp_path: Path, at_the_end: list[str]):
    log = tmp_path / "b.log"
    log.write_text("error: of b\n")
    jobs = [FailedJob("b", {}, [str(log)]), FailedJob("a", {"clip": "x"}, []), FailedJob("b", {}, [str(log)])]
    during.tell_failures(jobs, ["whole.log"])
    during.tell_failures([], ["whole.log"])
    assert at_the_end == [
        "\nWhole log: whole.log\nFailed jobs:\n"
        "  a clip=x: ended without a message: killed, or without memory\n"
        f"  b: of b (log: {log})\n"
    ]


def test_the_seconds_of_a_job_are_those_of_its_record():
    assert during.seconds_between(10.0, 12.5) == 2.5
    # A link has the time of the file that it leads to.
    assert during.seconds_between(10.0, 3.0) is None
    assert during.seconds_between(None, 3.0) is None


LOGS = {
    "error: first\nsome work\nerror: last, of b.png\n": "last, of b.png (log: {log})",
    "Traceback (most recent call last):\n  File x\nE: two\n": "E: two (log: {log})",
    "some work\n": "ended without a message: killed, or without memory (log: {log})",
    "": "ended without a message: killed, or without memory",
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
    assert job.line == f"export_onnx: Slurm's job 7 was over its memory (log: {log})"


def test_of_a_group_only_those_are_told_that_failed_themselves(tmp_path: Path):
    (tmp_path / "bad.log").write_text("error: no such thing\n")
    bad, ended = (FailedJob(name, {}, [str(tmp_path / f"{name}.log")]) for name in ("bad", "ended"))
    assert during.culprits([bad, ended]) == [bad]
    assert during.culprits([ended]) == [ended]
