"""Scripts log what they print, end in one line for a user's mistake, and write receipts of what they made."""

import errno
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from superres import scripting
from superres.device.base.errors import UserError
from superres.device.base.outputs import sha256_file
from superres.report import receipts
from superres.scripting import script_job, script_log, threads_side_by_side

SCRIPTS = sorted((Path(__file__).parents[2] / "workflow/scripts").glob("*.py"))
STUDY = Path("results/small")
RECEIPTS = STUDY / ".receipts"


def test_output_is_on_the_terminal_and_in_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    log = tmp_path / "logs/a.log"
    with script_job(str(log)):
        print("to stdout")
        print("to stderr", file=sys.stderr)
    assert log.read_text() == "to stdout\nto stderr\n"
    assert capfd.readouterr().err == "to stdout\nto stderr\n"


def test_a_users_mistake_is_one_line_and_exit_code_1(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    log = tmp_path / "a.log"
    with pytest.raises(SystemExit) as ended, script_job(str(log)):
        raise UserError("a.png: expected an image, found text")
    assert ended.value.code == 1
    assert log.read_text() == "error: a.png: expected an image, found text\n"
    assert capfd.readouterr().err == log.read_text()


def test_anything_else_goes_on_with_its_traceback_in_the_log(tmp_path: Path):
    log = tmp_path / "a.log"
    with pytest.raises(ZeroDivisionError), script_job(str(log)):
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


def run_job(rule: str, inputs: list[str], output: str, text: str) -> None:
    """A job as a script runs it."""
    with script_job(f"{STUDY}/logs/{rule}/a.b.log", inputs, [output]):
        Path(output).parent.mkdir(parents=True, exist_ok=True)
        Path(output).write_text(text)


@pytest.fixture
def graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A graph that a job made of a user's weights."""
    monkeypatch.chdir(tmp_path)
    Path("mine.weights").write_text("weights")
    run_job("export_onnx", ["mine.weights"], f"{STUDY}/onnx/net.onnx", "graph")
    return STUDY / "onnx/net.onnx"


def test_a_job_writes_what_it_made_of_what(graph: Path):
    run_job("build_engine", [str(graph)], f"{STUDY}/arms/engine.bin", "engine")
    assert json.loads((RECEIPTS / "onnx/net.onnx.json").read_text()) == {
        "job": "export_onnx/a.b",
        "bytes": 5,
        "sha256": sha256_file(graph),
        "changed_ns": graph.stat().st_mtime_ns,
        "made_of": {},
        "read": {
            "mine.weights": {
                "bytes": 7,
                "sha256": sha256_file(Path("mine.weights")),
                "changed_ns": Path("mine.weights").stat().st_mtime_ns,
            }
        },
    }
    engine = json.loads((RECEIPTS / "arms/engine.bin.json").read_text())
    assert engine["made_of"] == {"onnx/net.onnx": sha256_file(graph)} and engine["read"] == {}


def changed_weight(path: Path) -> None:
    path.write_text("grapg")


def changed_with_the_time_kept(path: Path) -> None:
    times = path.stat().st_mtime_ns
    path.write_text("grapg")
    os.utime(path, ns=(times, times))


def longer(path: Path) -> None:
    path.write_text("graph and more")


@pytest.mark.parametrize("change", [changed_weight, changed_with_the_time_kept, longer])
def test_an_input_that_was_changed_since_is_refused(
    graph: Path, change: Callable[[Path], None], capfd, monkeypatch: pytest.MonkeyPatch
):
    change(graph)
    monkeypatch.setenv("SUPERRES_REPAIR", "snakemake repair --configfile a.yaml")
    with pytest.raises(SystemExit):
        run_job("build_engine", [str(graph)], f"{STUDY}/arms/engine.bin", "engine")
    assert capfd.readouterr().err == (
        f"error: {graph}: expected it as export_onnx made it, found it changed since; "
        "make it again: snakemake repair --configfile a.yaml\n"
    )
    # The body has not run.
    assert not (STUDY / "arms").exists() and not (RECEIPTS / "arms").exists()


def test_a_touched_file_a_users_file_and_one_without_a_receipt_are_taken(graph: Path):
    os.utime(graph, (1, 1))
    Path("mine.weights").write_text("other weights")
    (STUDY / "older.json").write_text("{}")
    inputs = [str(graph), "mine.weights", f"{STUDY}/older.json"]
    run_job("build_engine", inputs, f"{STUDY}/arms/engine.bin", "engine")
    made_of = json.loads((RECEIPTS / "arms/engine.bin.json").read_text())["made_of"]
    assert made_of["older.json"] == sha256_file(STUDY / "older.json")


def test_a_large_file_is_read_again_only_if_its_time_differs(graph: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(receipts, "_LARGE", 4)
    hashed = []
    monkeypatch.setattr(receipts, "sha256_file", lambda path: (hashed.append(path), sha256_file(path))[1])
    engine = f"{STUDY}/arms/engine.bin"
    run_job("build_engine", [str(graph)], engine, "engine")
    assert graph not in hashed
    os.utime(graph, (1, 1))
    run_job("build_engine", [str(graph)], engine, "engine")
    run_job("build_engine", [str(graph)], engine, "engine")
    assert hashed.count(graph) == 1


def test_a_job_that_failed_leaves_no_receipt_and_a_second_run_replaces_it(graph: Path):
    path = f"{STUDY}/arms/engine.bin"
    with pytest.raises(ZeroDivisionError), script_job(f"{STUDY}/logs/build_engine/a.log", [], [path]):
        raise ZeroDivisionError
    assert not (RECEIPTS / "arms").exists()
    for text in ("first", "second"):
        run_job("build_engine", [str(graph)], path, text)
        assert json.loads((RECEIPTS / "arms/engine.bin.json").read_text())["sha256"] == sha256_file(
            Path(path)
        )
    assert not list(Path().rglob("*.part"))


def test_what_lies_outside_the_study_gets_no_receipt(graph: Path):
    run_job("upscale_video", [str(graph)], "videos/large.mkv", "video")
    run_job("export_onnx", [], "results/other/onnx/net.onnx", "of another study")
    assert [path.name for path in RECEIPTS.rglob("*.json")] == ["net.onnx.json"]
    assert json.loads((RECEIPTS / "onnx/net.onnx.json").read_text())["bytes"] == 5


def test_a_copied_folder_is_whole(graph: Path, monkeypatch: pytest.MonkeyPatch):
    Path("elsewhere/results").mkdir(parents=True)
    STUDY.rename("elsewhere/results/small")
    monkeypatch.chdir("elsewhere")
    run_job("build_engine", [str(graph)], f"{STUDY}/arms/engine.bin", "engine")
    graph.write_text("grapg")
    with pytest.raises(SystemExit):
        run_job("build_engine", [str(graph)], f"{STUDY}/arms/engine.bin", "engine")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_every_script_hands_over_its_inputs_and_outputs(script: Path):
    """What a script reads and writes has receipts, but for scripts that make nothing."""
    text = script.read_text(encoding="utf-8")
    if "snakemake.output" in text:
        assert "with script_job(snakemake.log[0], snakemake.input, snakemake.output):\n" in text
    else:
        assert script.stem in ("verify", "export_results", "compare", "check_device", "clean_device")
