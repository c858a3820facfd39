"""Clocks that jump and copies without times: no change is hidden, and nothing is done for nothing."""

import os
import random
import re
import shutil
import time
from pathlib import Path

import pytest

from project_copy import Project, read_jobs

from .conftest import Undisturbed
from .small import ARM, TARGETS, SmallStudy

DAY = 86400.0


@pytest.fixture
def study(undisturbed: Undisturbed, tmp_path: Path) -> SmallStudy:
    """A copy of the study in another place, with the times of its files."""
    folder = tmp_path / "elsewhere"
    shutil.copytree(undisturbed.study.folder, folder, symlinks=True)
    return SmallStudy(Project(folder))


def shift(folder: Path, seconds: float) -> None:
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            changed = path.stat().st_mtime + seconds
            os.utime(path, (changed, changed))


def planned(study: SmallStudy) -> dict[str, int]:
    done = study.call("-n", *TARGETS)
    assert done.returncode == 0, done.stdout[-3000:]
    return read_jobs(done.stdout)


def test_a_copy_without_times_has_nothing_to_do_but_what_changed(study: SmallStudy, undisturbed: Undisturbed):
    """As `cp -r` or an unpacked archive leaves them: in any order, some from tomorrow."""
    rng = random.Random(0)
    for path in sorted(study.folder.rglob("*")):
        if path.is_file():
            mine = path.is_relative_to(study.folder / "results") or path.is_relative_to(
                study.folder / "photos"
            )
            changed = time.time() + rng.uniform(-DAY, DAY if mine else 0)
            os.utime(path, (changed, changed))
    assert planned(study) == {}
    assert study.contents() == undisturbed.contents
    # An older photograph in place of the one that was read, of the same size: times say nothing.
    photo = study.folder / "photos/1.png"
    content = bytearray(photo.read_bytes())
    other = (study.folder / "photos/0.png").read_bytes()
    photo.write_bytes(other)
    os.utime(photo, (time.time() - DAY, time.time() - DAY))
    jobs = planned(study)
    assert (jobs["prepare_clip"], jobs["measure_quality"]) == (1, 2) and "export_onnx" not in jobs
    photo.write_bytes(content)
    os.utime(photo, (time.time() - DAY, time.time() - DAY))
    study.finish()
    assert study.contents() == undisturbed.contents
    study.verify()
    assert planned(study) == {}


def test_a_clock_that_is_set_back_hides_no_change(study: SmallStudy, undisturbed: Undisturbed):
    """A run was killed between two jobs, and then the clock jumped back a day: what is older looks newer."""
    shutil.rmtree(study.results / ARM)
    (study.results / f".receipts/{ARM}/engine.bin.json").unlink()
    # The graph was quantised by earlier ranges: these were made anew, and then the run was killed.
    receipt = study.results / ".receipts/onnx/espcn_rgb/int8-minmax.onnx.json"
    text = receipt.read_text()
    edited = re.sub(r'("refined/espcn_rgb/minmax\+reducerange.json": ")[0-9a-f]{8}', r"\g<1>00000000", text)
    assert edited != text
    receipt.write_text(edited)
    shift(study.folder / "results", DAY)
    done = study.call("-n", *TARGETS)
    assert "24.0 h ahead of the clock" in done.stdout
    jobs = read_jobs(done.stdout)
    assert jobs["quantize_onnx"] == 1 and jobs["build_engine"] == 1 and "prepare_clip" not in jobs
    study.finish()
    assert study.contents() == undisturbed.contents
    study.verify()
    assert planned(study) == {}


def test_results_without_snakemakes_records_are_made_again(study: SmallStudy, undisturbed: Undisturbed):
    """Nobody would see that the study says something else by now: another border, in another checkout."""
    shutil.rmtree(study.folder / ".snakemake")
    done = study.call("-n", *TARGETS)
    assert "expected Snakemake's records of results/small in .snakemake/metadata, found none" in done.stdout
    assert "Traceback" not in done.stdout
    assert read_jobs(done.stdout)["total"] == 21
    # The records are brought too: then there is nothing to do.
    shutil.copytree(undisturbed.study.folder / ".snakemake", study.folder / ".snakemake", dirs_exist_ok=True)
    assert planned(study) == {}
