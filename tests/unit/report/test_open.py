"""The page of a study in a browser."""

import os
import stat
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def run(*arguments: str, folder: Path, browser: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "BROWSER": browser}
    return subprocess.run(
        [sys.executable, "-m", "superres.report.open", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_page_opens_in_the_browser_of_the_user(tmp_path: Path):
    browser, seen = tmp_path / "browser", tmp_path / "seen"
    browser.write_text(f'#!/bin/sh\necho "$1" > {seen}\n')
    browser.chmod(browser.stat().st_mode | stat.S_IEXEC)
    (tmp_path / "a b.html").write_text("<p>")
    done = run("a b.html", folder=tmp_path, browser=str(browser))
    assert done.returncode == 0, done.stderr
    address = f"file://{tmp_path}/a%20b.html"
    assert done.stdout == f"{address}\n" == seen.read_text()


def test_a_study_that_has_not_run_has_no_page(tmp_path: Path):
    done = run("none.html", folder=tmp_path, browser="false")
    assert done.returncode == 1
    assert done.stderr == "error: expected a page at none.html, found none; run `all` of its study first\n"
    for study in ("tiny", "mine"):
        (tmp_path / f"results/{study}/report").mkdir(parents=True)
        (tmp_path / f"results/{study}/report/index.html").touch()
    done = run("results/tyni/report/index.html", folder=tmp_path, browser="false")
    assert done.returncode == 1
    assert done.stderr.endswith("there are those of mine, tiny: make open STUDY=mine\n")


def test_make_opens_the_page_of_the_study(tmp_path: Path):
    page = tmp_path / "results/tiny/report/index.html"
    page.parent.mkdir(parents=True)
    page.write_text("<p>")
    browser, seen = tmp_path / "browser", tmp_path / "seen"
    browser.write_text(f'#!/bin/sh\necho "$1" > {seen}\n')
    browser.chmod(browser.stat().st_mode | stat.S_IEXEC)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "BROWSER": str(browser)}
    # The environment is there: this Python's.
    binaries = f"BIN={Path(sys.executable).parent}"
    command = [
        "make",
        "--no-print-directory",
        "-f",
        str(ROOT / "Makefile"),
        "-o",
        "setup",
        "open",
        "STUDY=tiny",
        binaries,
    ]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{page.as_uri()}\n" == seen.read_text()
