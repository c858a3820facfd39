"""No room, no rights or no memory: a line says so, and the next call ends right."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from project_copy import Project

from .conftest import Undisturbed
from .small import ARM, FILES, TARGETS, SmallStudy


@pytest.fixture
def study(undisturbed: Undisturbed, tmp_path: Path) -> Iterator[SmallStudy]:
    """A copy of the study in which one arm is to be run, with a disk of its own for results if possible."""
    folder = tmp_path / "copy"
    shutil.copytree(undisturbed.study.folder, folder, symlinks=True, ignore=shutil.ignore_patterns("results"))
    (folder / "results").mkdir()
    disk = mount(folder / "results", "-t", "tmpfs", "-o", "size=50m", "tmpfs")
    shutil.copytree(undisturbed.study.folder / "results", folder / "results", dirs_exist_ok=True)
    study = SmallStudy(Project(folder))
    shutil.rmtree(study.results / ARM)
    for name in ("csv", "md"):
        (study.results / f"evaluation.{name}").unlink()
    yield study
    if disk:
        subprocess.run(["umount", "--lazy", str(folder / "results")], check=True)


def mount(folder: Path, *options: str) -> bool:
    """Mount over a folder, which only root may; return whether it is done."""
    return subprocess.run(["mount", *options, str(folder)], capture_output=True, check=False).returncode == 0


def remount(study: SmallStudy, *options: str) -> None:
    if not mount(study.folder / "results", "-o", f"remount,{','.join(options)}"):
        pytest.skip("mounting a disk needs root")


def fails_in_a_line(study: SmallStudy, expected: str) -> None:
    """Call the study, which has to say this in one line."""
    done = study.call()
    assert done.returncode != 0 and "Traceback" not in done.stdout, done.stdout[-3000:]
    assert any(expected in line and "error: " in line for line in done.stdout.splitlines()), done.stdout[
        -3000:
    ]


def assert_right(study: SmallStudy, undisturbed: Undisturbed) -> None:
    assert {name: undisturbed.contents[name] for name in study.contents()} == study.contents()
    assert not list(study.results.rglob("*.part*"))


def test_a_disk_that_fills(study: SmallStudy, undisturbed: Undisturbed):
    blocks = shutil.disk_usage(study.folder / "results").used // 1024
    remount(study, f"size={blocks + 40}k")
    fails_in_a_line(study, "expected room for")
    assert_right(study, undisturbed)
    remount(study, "size=50m")
    study.finish()
    assert study.contents() == undisturbed.contents
    study.verify()


def test_a_folder_that_is_read_only(study: SmallStudy, undisturbed: Undisturbed):
    """As a failing disk leaves it, which the kernel mounts read-only."""
    remount(study, "ro")
    done = study.call()
    assert done.returncode != 0 and "Traceback" not in done.stdout
    expected = (
        "study error: results/small: expected a folder that can be written to, found: Read-only file system;"
    )
    assert sum(line.startswith(expected) for line in done.stdout.splitlines()) == 1
    remount(study, "rw")
    study.finish()
    assert study.contents() == undisturbed.contents
    study.verify()


def test_a_folder_that_becomes_read_only(study: SmallStudy, undisturbed: Undisturbed):
    """Where a job writes, while another part can still be written to."""
    arm = study.results / ARM
    arm.mkdir(parents=True)
    if not (mount(arm, "--bind", str(arm)) and mount(arm, "-o", "remount,bind,ro")):
        pytest.skip("mounting needs root")
    try:
        fails_in_a_line(study, "ead-only file system")
        assert_right(study, undisturbed)
    finally:
        subprocess.run(["umount", "--lazy", str(arm)], check=True)
    study.finish()
    assert study.contents() == undisturbed.contents


def test_a_dry_run_where_snakemake_keeps_its_records_read_only(study: SmallStudy):
    records = study.folder / ".snakemake"
    if not (mount(records, "--bind", str(records)) and mount(records, "-o", "remount,bind,ro")):
        pytest.skip("mounting needs root")
    try:
        done = study.call("-n", *TARGETS)
    finally:
        subprocess.run(["umount", "--lazy", str(records)], check=True)
    assert done.returncode != 0 and "Traceback" not in done.stdout, done.stdout[-3000:]
    assert "expected Snakemake to read and write here, found: read-only file system" in done.stdout


def test_too_little_memory(study: SmallStudy, undisturbed: Undisturbed):
    done = subprocess.run(
        [
            "bash",
            "-c",
            'ulimit -v 1500000; exec "$@"',
            "limited",
            *study.project.command(("--cores", "2", *TARGETS, *FILES)),
        ],
        cwd=study.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0 and "Traceback" not in done.stdout + done.stderr
    assert (
        "study error: memory: expected a limit of at least 2 GiB for a process, found 1.4; lift it"
        in done.stdout + done.stderr
    )
    assert_right(study, undisturbed)
