"""What Slurm did to a job is read from the plugin's messages and from Slurm's logs."""

import logging
from pathlib import Path

import pytest

from superres.study.runs.slurm import SlurmWatch, reason_of

STATE = "SLURM-job '{}' failed, SLURM status is: '{}'. Detailed failure reason unavailable."
CANCELLED = "slurmstepd: error: *** JOB 7 ON node1 CANCELLED AT 2026-11-28T20:46:49{} ***\n"


def write_log(folder: Path, text: str) -> str:
    log = folder / ".snakemake/slurm_logs/rule_a/7.log"
    log.parent.mkdir(parents=True)
    log.write_text(text, encoding="utf-8")
    return str(log)


@pytest.mark.parametrize(
    "text, reason",
    [
        (CANCELLED.format(""), "was cancelled"),
        (CANCELLED.format(" DUE TO TIME LIMIT"), "was over its time"),
        (CANCELLED.format(" DUE TO PREEMPTION"), "was preempted"),
        (CANCELLED.format(" DUE TO NODE FAILURE, SEE SLURMCTLD LOG FOR DETAILS"), "lost its node"),
        (
            "slurmstepd: error: Step 7.0 exceeded memory limit (52428800 > 10485760), being killed\n"
            "slurmstepd: error: Exceeded job memory limit\n" + CANCELLED.format(""),
            "was over its memory",
        ),
        (
            "slurmstepd: error: Detected 1 oom_kill event in StepId=7.batch. Some of the step tasks have "
            "been OOM Killed.\n",
            "was over its memory",
        ),
    ],
)
def test_slurms_log_says_why(tmp_path: Path, text: str, reason: str):
    log = write_log(tmp_path, "Building DAG of jobs...\n" + text)
    assert reason_of(None, [log]) == f"Slurm's job 7 {reason}"
    # The plugin calls all of them cancelled or failed, as the cluster keeps its accounts.
    assert reason_of(STATE.format(7, "CANCELLED"), [log]) == f"Slurm's job 7 {reason}"


@pytest.mark.parametrize(
    "state, reason",
    [
        ("TIMEOUT", "was over its time"),
        ("OUT_OF_MEMORY", "was over its memory"),
        ("NODE_FAIL", "lost its node"),
    ],
)
def test_a_state_says_why_where_no_log_does(tmp_path: Path, state: str, reason: str):
    log = write_log(tmp_path, "Building DAG of jobs...\n")
    assert reason_of(STATE.format(7, state), [log]) == f"Slurm's job 7 {reason}"


def test_a_job_that_failed_by_itself_is_none_of_slurms(tmp_path: Path):
    log = write_log(tmp_path, "error: clip a: expected a file, found nothing\n")
    assert reason_of(STATE.format(7, "FAILED"), [log]) is None
    assert reason_of(None, [log]) is None
    assert reason_of(None, []) is None


def test_a_group_that_never_started_has_no_log(tmp_path: Path):
    log = str(tmp_path / ".snakemake/slurm_logs/group_arm/12.log")
    assert reason_of(None, [log]) == "Slurm's job 12 was cancelled before it started"


def message(event: str | None, **fields: object) -> logging.LogRecord:
    return logging.makeLogRecord({"msg": "a message", "event": event, **fields})


def job(rule: str, *logs: str) -> dict[str, object]:
    return {"rule_name": rule, "rule_msg": None, "log": [*logs], "output": [f"{rule}.out"], "indent": False}


def test_each_end_is_said_once_and_kept_for_the_end_of_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    watch = SlurmWatch(seconds=3600)
    log = write_log(tmp_path, CANCELLED.format(" DUE TO TIME LIMIT"))
    watch.emit(message("job_error", **job("build_engine", "logs/a.log", log)))
    assert (
        capsys.readouterr().err == "slurm: build_engine (build_engine.out): Slurm's job 7 was over its time\n"
    )
    assert watch.why(["logs/a.log"]) == "Slurm's job 7 was over its time"
    assert watch.why(["logs/b.log"]) is None
    # The second attempt ends with an error of its own.
    Path(log).write_text("error: no room\n")
    watch.emit(message("job_error", **job("build_engine", "logs/a.log", log)))
    assert capsys.readouterr().err == "" and watch.why(["logs/a.log"]) is None


def test_the_jobs_of_a_group_are_said_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    watch = SlurmWatch(seconds=3600)
    log = write_log(tmp_path, CANCELLED.format(""))
    members = [job("build_engine", "logs/a.log"), job("measure_quality", "logs/b.log")]
    watch.emit(message("group_error", groupid="arm", aux_logs=[log], job_error_info=members))
    for member in members:
        watch.emit(message("job_error", **{**member, "indent": True}))
    assert capsys.readouterr().err == (
        "slurm: build_engine, measure_quality (build_engine.out): Slurm's job 7 was cancelled\n"
    )
    assert watch.why(["logs/a.log"]) == watch.why(["logs/b.log"]) == "Slurm's job 7 was cancelled"


def test_other_messages_are_none_of_it(capsys: pytest.CaptureFixture[str]):
    watch = SlurmWatch(seconds=3600)
    watch.emit(message(None))
    watch.emit(message("job_finished", job_id=3))
    assert capsys.readouterr().err == ""
