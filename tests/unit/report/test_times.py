"""Times of a study's files follow what their receipts say, whatever a copy or a clock did to them."""

import base64
import os
import shutil
import time
from pathlib import Path

import pytest

from superres.device.base.locks import lock
from superres.report.receipts import Receipts
from superres.report.times import settle_times
from superres.scripting import script_job

STUDY, RECORDS = Path("results/a"), Path(".snakemake/metadata")
GRAPH, ENGINE, SCORES = STUDY / "onnx/net.onnx", STUDY / "arms/engine.bin", STUDY / "arms/quality.csv"
SOURCE = Path("mine.weights")
HOUR = 3600.0


def run_job(rule: str, inputs: list[Path], output: Path, text: str) -> None:
    with script_job(f"{STUDY}/logs/{rule}/x.log", list(map(str, inputs)), [str(output)]):
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text)
    RECORDS.mkdir(parents=True, exist_ok=True)
    (RECORDS / base64.urlsafe_b64encode(str(output).encode()).decode()).write_text("{}")


def set_age(path: Path, hours: float) -> None:
    changed = time.time() - hours * HOUR
    os.utime(path, (changed, changed))


def old() -> set[Path]:
    """The files that Snakemake would make again."""
    return {path for path in (GRAPH, ENGINE, SCORES) if path.stat().st_mtime == 0}


@pytest.fixture(autouse=True)
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights of a user, a graph of them, its engine, and what that gives; each newer than its input."""
    monkeypatch.chdir(tmp_path)
    SOURCE.write_text("weights")
    run_job("export_onnx", [SOURCE], GRAPH, "graph")
    run_job("build_engine", [GRAPH], ENGINE, "engine")
    run_job("measure_quality", [ENGINE], SCORES, "scores")
    for hours, path in enumerate((SCORES, ENGINE, GRAPH, SOURCE), start=2):
        set_age(path, hours)


def times() -> list[float]:
    return [path.stat().st_mtime for path in (SOURCE, GRAPH, ENGINE, SCORES)]


def test_what_is_right_stays_as_it_is():
    before = times()
    assert settle_times(STUDY) == [] and times() == before


def test_an_older_file_in_place_of_the_one_that_was_read_is_a_change():
    SOURCE.write_text("weightz")
    set_age(SOURCE, 9)
    assert settle_times(STUDY) == [] and old() == {GRAPH}


def test_the_same_content_with_another_time_is_none():
    SOURCE.write_text("weights")
    set_age(SOURCE, 9)
    assert settle_times(STUDY) == [] and not old()


@pytest.mark.parametrize("content", ["weightz", "more weights"])
def test_a_change_that_times_show_is_left_to_snakemake(content: str):
    SOURCE.write_text(content)
    assert settle_times(STUDY) == [] and not old()


def test_a_copy_without_times_has_the_times_of_its_contents():
    shutil.copytree(STUDY, "copy", copy_function=shutil.copy)
    shutil.rmtree(STUDY)
    Path("copy").rename(STUDY)
    set_age(GRAPH, -0.001)
    assert settle_times(STUDY) == [] and not old()
    assert len(set(times()[1:])) == 1


def test_a_clock_that_was_set_back_hides_nothing():
    """The graph was made anew, the run was killed, and then the clock went back: the engine looks newer."""
    run_job("export_onnx", [SOURCE], GRAPH, "another graph")
    log = STUDY / "logs/build_engine/x.log"
    for path in (ENGINE, SCORES, log):
        set_age(path, -24)
    (line,) = settle_times(STUDY)
    assert line == f"files of {STUDY} are 24.0 h ahead of the clock, which was set back: they get its time"
    assert old() == {ENGINE}
    assert max(SCORES.stat().st_mtime, log.stat().st_mtime) <= time.time()
    # Said once.
    assert settle_times(STUDY) == [] and old() == {ENGINE}


def test_results_without_snakemakes_records_are_made_again():
    shutil.rmtree(RECORDS)
    (line,) = settle_times(STUDY)
    assert line == (
        f"expected Snakemake's records of {STUDY} in {RECORDS}, found none: a call makes all of it again"
    )
    assert old() == {GRAPH, ENGINE, SCORES}


def test_records_in_a_database_count():
    shutil.rmtree(RECORDS)
    RECORDS.with_suffix(".db").write_bytes(b"")
    assert settle_times(STUDY) == [] and not old()


def test_nothing_is_touched_while_the_study_is_run():
    shutil.rmtree(RECORDS)
    with (STUDY / ".lock").open("w") as file:
        assert lock(file)
        assert settle_times(STUDY) == [] and not old()


def test_a_large_source_is_known_by_size_and_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("superres.report.receipts._LARGE_SOURCE", 3)
    run_job("export_onnx", [SOURCE], GRAPH, "graph")
    assert Receipts(STUDY).read("onnx/net.onnx").read[str(SOURCE)].sha256 is None  # pyright: ignore[reportOptionalMemberAccess]
    assert settle_times(STUDY) == [] and not old()
    set_age(SOURCE, 9)
    assert settle_times(STUDY) == [] and old() == {GRAPH}


def test_a_new_study_has_no_times():
    assert settle_times(Path("results/b")) == []
