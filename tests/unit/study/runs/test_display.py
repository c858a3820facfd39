"""What a run shows: the lines of a terminal, and a line a job elsewhere."""

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake.logging import DefaultFormatter
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry

from superres.study.runs.display import LogHandler, block, explain, machine_error, register, show
from superres.study.runs.plan import Plan, PlannedJob
from terminal import screen_of

SETTINGS = dict.fromkeys(
    ("dryrun", "verbose", "printshellcmds", "debug_dag", "nocolor", "stdout", "show_failed_logs"), False
)


def handler(**settings: object) -> LogHandler:
    made = LogHandler(SimpleNamespace(**{**SETTINGS, "quiet": None, **settings}), None)  # pyright: ignore
    made.setFormatter(DefaultFormatter())
    return made


def record(
    event: LogEvent | None, text: str = "", level: int = logging.INFO, **facts: Any
) -> logging.LogRecord:
    made = logging.LogRecord("snakemake", level, __file__, 1, text, (), None)
    vars(made).update(facts, **({"event": event} if event else {}))
    return made


def two_jobs(folder: Path) -> Plan:
    logs = [folder / f"{name}.log" for name in "ab"]
    return Plan(
        [
            PlannedJob(1, "prepare_clip", {"role": "frames", "clip": "a"}, (str(logs[0]),), guess_s=30.0),
            PlannedJob(2, "measure_quality", {"model": "m", "of_clip": ".b"}, (str(logs[1]),), guess_s=30.0),
            PlannedJob(3, "all", guess_s=0.0),
        ],
        1,
    )


def test_snakemake_knows_the_plugin_under_its_name():
    register()
    register()
    plugin: Any = LoggerPluginRegistry().get_plugin("superres")
    assert plugin.log_handler is LogHandler
    plugin.validate_settings(plugin.get_settings(SimpleNamespace()))


def test_the_lines_of_a_terminal(tmp_path: Path):
    plan = two_jobs(tmp_path)
    assert block(plan, "s", 0.0, 0.0) == [f"s [{'.' * 24}] 0 of 3 jobs, 1 s so far, about 60 s left"]
    plan.start(1, 0.0)
    plan.start(2, 5.0)
    Path(plan.jobs[1].log[0]).write_text("begin\nprepare_clip a: 3/12, 1/s\rprepare_clip a: 6/12, 1.2/s\n\n")
    Path(plan.jobs[2].log[0]).write_bytes(b"\x1b[31mred\xff\n")
    bar, *jobs = block(plan, "s", 0.0, 15.0)
    # Half of the first is done after 15 s, 20 s of the second are left.
    assert bar == f"s [{'#' * 7}{'.' * 17}] 0 of 3 jobs, 15 s so far, about 35 s left"
    assert jobs == [
        "  prepare_clip frames a  15 s  6/12, 1.2/s",
        "  measure_quality m b  10 s   [31mred\ufffd",
    ]
    for number in (1, 2, 3):
        plan.end(number, 30.0)
    assert block(plan, "s", 0.0, 30.0) == [f"s [{'#' * 24}] 3 of 3 jobs, 30 s so far, ending"]


def test_elsewhere_a_line_a_job(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    shown = handler()
    shown.emit(record(None, "Building DAG of jobs..."))
    show([object(), shown], two_jobs(tmp_path), "s", [])
    shown.emit(record(None, "Select jobs to execute..."))
    shown.emit(record(LogEvent.JOB_INFO, "text of the job", jobid=1))
    shown.emit(record(LogEvent.JOB_FINISHED, "Finished jobid: 1", job_id=1))
    shown.emit(record(LogEvent.JOB_INFO, "text of the job", jobid=2))
    shown.emit(record(LogEvent.JOB_ERROR, "Error in rule", logging.ERROR, jobid=2))
    shown.emit(record(LogEvent.ERROR, "RuleException: ...", logging.ERROR, exception="RuleException"))
    shown.emit(record(LogEvent.ERROR, "files are missing", logging.ERROR, exception="MissingOutputException"))
    shown.emit(record(None, "a warning", logging.WARNING))
    shown.close()
    shown.close()
    *lines, last = capfd.readouterr().err.splitlines()
    assert lines[:2] == ["Building DAG of jobs...", "s: 3 jobs, about 60 s"]
    # A job took no time, so the guess for the other becomes a bit shorter.
    assert lines[2].startswith("[1/3] prepare_clip frames a; about ")
    assert lines[3].startswith("[2/3] failed: measure_quality m b; about ")
    assert lines[4:] == ["files are missing", "a warning"]
    assert last == "s: 1 of 3 jobs done in 1 s, 1 failed"


def test_jobs_that_end_with_an_interrupted_run_have_not_failed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    shown = handler()
    show([shown], two_jobs(tmp_path), "s", [])
    shown.emit(record(LogEvent.JOB_INFO, "text of the job", jobid=1))
    shown.emit(record(LogEvent.JOB_INFO, "text of the job", jobid=2))
    shown.emit(record(None, "Terminating processes on user request, this might take some time."))
    shown.emit(record(LogEvent.JOB_ERROR, "Error in rule", logging.ERROR, jobid=2))
    shown.emit(record(LogEvent.JOB_FINISHED, "Finished jobid: 1", job_id=1))
    shown.emit(record(LogEvent.ERROR, "At least one job did not complete successfully.", logging.ERROR))
    shown.close()
    _, stopping, ended, last = capfd.readouterr().err.splitlines()
    assert stopping == "s: stopping, running jobs end first"
    assert ended.startswith("[1/3] prepare_clip frames a; about ")
    assert last == "s: 1 of 3 jobs done in 1 s; stopped: the same call goes on from here"


@pytest.mark.parametrize("option", ["verbose", "printshellcmds", "quiet"])
def test_who_asks_for_more_or_less_gets_snakemakes_texts(
    option: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    shown = handler(**{option: True})
    show([shown], two_jobs(tmp_path), "s", [])
    shown.emit(record(LogEvent.JOB_FINISHED, "Finished jobid: 1", job_id=1))
    shown.close()
    assert capfd.readouterr().err.splitlines()[-1] == "Finished jobid: 1"


def test_the_screen_of_the_tests_is_that_of_a_terminal():
    assert screen_of("a\nbb\nc\x1b[1A\r\x1b[Jd\n") == ["a", "d", ""]
    assert screen_of("abc\rx") == ["xbc"]
    assert screen_of("\x1b[33mred\x1b[0m") == ["red"]


REFUSED = """Traceback (most recent call last):

  File "snakemake/io/__init__.py", line 1273, in remove
    os.remove(file)

OSError: [Errno 30] Read-only file system: 'results/a/engine.bin'
"""


def test_what_the_machine_refuses_to_snakemake_is_one_line():
    line = (
        "error: results/a/engine.bin: expected Snakemake to read and write here, found: read-only file "
        "system; give it room and rights, and run it again"
    )
    assert machine_error(REFUSED) == line
    for error in (
        "PermissionError: [Errno 13] Permission denied: 'a b'",
        "OSError: [Errno 28] No space left",
    ):
        assert str(machine_error(f"Traceback (most recent call last):\n\n{error}")).startswith("error: ")
    for other in (
        "OSError: [Errno 30] Read-only file system: 'a'",
        "Traceback (most recent call last):\n\nFileNotFoundError: [Errno 2] No such file or directory: 'a'",
        "Traceback (most recent call last):\n\nKeyError: 'a'",
        "",
    ):
        assert machine_error(other) is None


MISSING = "MissingInputException in rule a:\nMissing input files for rule a:\n    affected files:\n        {}"
LACKING = {
    "MissingRuleException:\nNo rule to produce results/s/x.csv.": True,
    MISSING.format("results/s/x.onnx\n        results/s/y.onnx"): True,
    # A file of the user's, too: nothing else would name it.
    MISSING.format("results/s/x.onnx\n        photos/a.png"): False,
    "CyclicGraphException in rule a": False,
}


@pytest.mark.parametrize("text", LACKING)
@pytest.mark.parametrize("known", [True, False])
def test_a_target_that_the_study_lacks_is_said_once(
    text: str, known: bool, capfd: pytest.CaptureFixture[str]
):
    shown = handler()
    explain([shown, object()], lambda: [] if known else ["found x"], "results/s")
    shown.emit(record(LogEvent.ERROR, text, logging.ERROR))
    assert (text in capfd.readouterr().err) == (known or not LACKING[text])
    # Who asks for more gets it all.
    shown = handler(verbose=True)
    explain([shown], lambda: ["found x"], "results/s")
    shown.emit(record(LogEvent.ERROR, text, logging.ERROR))
    assert text in capfd.readouterr().err


def test_results_on_a_read_only_disk_are_one_line(capfd: pytest.CaptureFixture[str]):
    text = (
        "ProtectedOutputException in rule build_page:\nWrite-protected output files for rule build_page:\n"
        "    output: results/s/report/index.html\n    affected files:\n        results/s/report/index.html"
    )
    handler().emit(record(LogEvent.ERROR, text, logging.ERROR))
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("error: results/s/report/index.html: expected a file that can be written, found ")
