"""Results are packed, checked by somebody else, and compared; and they are verified wherever they are."""

import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from project_copy import Project

STUDY = "--configfile=studies/tiny.yaml"
EXPORTED = "results/tiny/export/tiny.zip"
ARMS = 19


@pytest.fixture(scope="module")
def archive(tiny: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The archive of the tiny study, as somebody else gets it."""
    done = tiny.snakemake("--cores", "1", "export_results", STUDY)
    assert done.returncode == 0, done.stdout[-3000:]
    received = tmp_path_factory.mktemp("received")
    for name in ("tiny.zip", "tiny.zip.sha256"):
        shutil.move(tiny.folder / f"results/tiny/export/{name}", received / name)
    yield received / "tiny.zip"
    for name in ("export", "compared"):
        shutil.rmtree(tiny.folder / "results/tiny" / name, ignore_errors=True)


def test_an_archive_has_figures_and_nothing_of_this_machine(archive: Path, tiny: Project):
    with zipfile.ZipFile(archive) as opened:
        files = {name.removeprefix("tiny/"): opened.read(name) for name in opened.namelist()}
    shown = {
        path.relative_to(tiny.folder / "results/tiny").as_posix()
        for kind in (
            "*.csv",
            "*.md",
            "plots/*",
            "paper/*",
            "report/index.html",
            "arms/**/*.csv",
            "arms/**/*.json",
        )
        for path in (tiny.folder / "results/tiny").glob(kind)
    }
    assert shown < files.keys() and len([name for name in shown if name.endswith("manifest.json")]) == ARMS
    assert not [name for name in files if name.endswith((".npy", ".bin", ".onnx", ".pt"))]
    everything = b"\n".join(files.values())
    for place in (tiny.folder, Path.home()):
        assert f"{place}/".encode() not in everything


def test_somebody_else_checks_it_and_a_forged_figure_is_named(archive: Path, tiny: Project, tmp_path: Path):
    forged = tmp_path / "forged.zip"
    with zipfile.ZipFile(archive) as opened, zipfile.ZipFile(forged, "w") as out:
        for name in opened.namelist():
            content = opened.read(name)
            if name == "tiny/table1.md":
                content, number = re.subn(rb"32\.\d{4}", b"33.3333", content, count=1)
                assert number == 1
            out.writestr(name, content)
    done = tiny.snakemake("--cores", "1", "verify", "--config", f"archive={forged}")
    assert done.returncode != 0 and "Traceback" not in done.stdout
    lines = [line for line in done.stdout.splitlines() if re.match(r"\S+: expected ", line)]
    assert len(lines) == 1 and lines[0].startswith("table1.md: expected sha256 ")
    assert f"error: archive {forged}: expected all as it was packed, found 1 difference" in done.stdout


def test_the_same_results_have_no_difference(archive: Path, tiny: Project):
    done = tiny.snakemake("--cores", "1", "compare", STUDY, "--config", f"archive={archive}")
    assert done.returncode == 0, done.stdout[-3000:]
    # An archive is checked before.
    assert f"and {ARMS} manifests: 0 differences" in done.stdout
    assert f"PSNR of {ARMS} arms with equal versions, graphs and frames: all equal" in done.stdout
    rows = pl.read_csv(tiny.folder / "results/tiny/compared/tiny.csv")
    assert rows.height == ARMS and set(rows["psnr_difference_db"]) == set(rows["psnr_y_difference_db"]) == {
        0.0
    }
    assert set(rows["ratio"]) == {1.0} and rows["other"].null_count() == ARMS
    assert (tiny.folder / "results/tiny/compared/tiny.md").read_text().count("\n| ") == ARMS + 2


def test_copied_results_that_can_only_be_read_are_verified(tiny: Project, tmp_path: Path):
    copied = Project(tmp_path / "elsewhere")
    shutil.copytree(tiny.folder, copied.folder, symlinks=True, ignore=shutil.ignore_patterns(".snakemake"))
    results = copied.folder / "results"
    if os.getuid() != 0:
        subprocess.run(["chmod", "-R", "a-w", str(results)], check=True)
        prefix = []
    else:
        # Root may write whatever the rights: a mount in a namespace of its own, which ends with its process.
        mount = f"mount --bind {results} {results} && mount -o remount,bind,ro {results}"
        prefix = ["unshare", "--mount", "sh", "-c", f'{mount} && exec "$@"', "sh"]
        if subprocess.run([*prefix, "true"], check=False).returncode != 0:
            pytest.skip("no mounts here")
    command = [*prefix, *copied.command(["--cores", "1", "verify", STUDY])]
    try:
        done = subprocess.run(command, cwd=copied.folder, capture_output=True, text=True, check=False)
    finally:
        subprocess.run(["chmod", "-R", "u+w", str(results)], check=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"and {ARMS} manifests: 0 differences" in done.stderr
