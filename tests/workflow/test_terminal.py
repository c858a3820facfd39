"""What a person sees of a run: its cost before, its progress while it runs, and what matters at its end."""

import io
import re

import pytest
from PIL import Image

from project_copy import Project, read_jobs
from terminal import run_on_terminal

TINY = "--configfile=studies/tiny.yaml"
FRAMES, ONNX = "results/tiny/frames/portrait.hr.npy", "results/tiny/onnx/espcn_rgb/fp32.onnx"
BROKEN = """
study: bad
clips: [{name: broken, source: {type: images, path: photos}}]
"""
COST = re.compile(r"study (\w+): (\d+) jobs, about (.*) on (\d+) cores?; downloads (.*)")


def run_log(project: Project) -> str:
    (log,) = (project.folder / ".snakemake/log").glob("*.log")
    return log.read_text(encoding="utf-8")


def break_a_photo(project: Project) -> str:
    (project.folder / "photos").mkdir()
    # Its header is right: only the job that reads it notices.
    Image.effect_noise((64, 64), 50).convert("RGB").save(whole := io.BytesIO(), "PNG")
    (project.folder / "photos/a.png").write_bytes(whole.getvalue()[:-500])
    return f"--configfile={project.write_study('bad', BROKEN)}"


def test_a_dry_run_says_what_the_study_costs(project: Project):
    done = project.snakemake("-n", "--cores", "2", "all")
    cost = COST.fullmatch(done.stdout.splitlines()[-1])
    assert cost, done.stdout[-2000:]
    name, jobs, time, cores, downloads = cost.groups()
    assert (name, cores, downloads) == ("default", "2", "76 MB in 4 files")
    assert int(jobs) == read_jobs(done.stdout)["total"] and time.endswith(" min")
    packages = project.folder / "resources/packages"
    packages.mkdir(parents=True)
    (packages / "glymur-0.14.8.whl").touch()
    assert "downloads 73 MB in 3 files" in project.snakemake("-n", "all").stdout
    done = project.snakemake("-n", TINY, FRAMES)
    assert "study tiny: 1 job, about " in done.stdout and "downloads nothing" in done.stdout


def test_a_run_without_a_terminal_says_a_line_a_job(project: Project):
    done = project.snakemake("--cores", "1", TINY, FRAMES, ONNX)
    assert done.returncode == 0, done.stdout
    lines = [line for line in done.stdout.splitlines() if re.match(r"\[\d+/2\] ", line)]
    assert [line.split("; ")[0].split("] ")[0] for line in lines] == ["[1/2", "[2/2"]
    assert {line.split("; ")[0].split("] ")[1] for line in lines} == {
        "prepare_clip frames portrait",
        "export_onnx espcn_rgb",
    }
    assert re.search(r"; about \d+ s left$", lines[0])
    assert "tiny: 2 of 2 jobs done in " in done.stdout
    assert read_jobs(done.stdout)["total"] == 2
    # Snakemake's texts of jobs are in its log, and come back by --verbose.
    assert "rule export_onnx:" not in done.stdout and "rule export_onnx:" in run_log(project)
    assert "\x1b" not in done.stdout
    done = project.snakemake("--cores", "1", TINY, "--force", FRAMES, "--verbose")
    assert "rule prepare_clip:" in done.stdout and "[1/1]" not in done.stdout


def test_a_terminal_shows_progress_and_gets_its_last_lines_back(project: Project):
    shown = run_on_terminal(project.command(["--cores", "1", TINY, FRAMES, ONNX]), project.folder)
    assert shown.status == 0, shown.written
    assert re.search(r"tiny \[[#.]{24}\] 0 of 2 jobs, .* so far, about \d+ s left", shown.written)
    assert re.search(r"\n  export_onnx espcn_rgb  \d+ s", shown.written)
    assert "rule export_onnx:" not in shown.written and "rule export_onnx:" in run_log(project)
    # What was drawn is gone, and nothing of jobs is left.
    (*_, last, empty) = shown.screen
    assert empty == "" and re.fullmatch(r"tiny: 2 of 2 jobs done in \d+ s", last)
    assert not [line for line in shown.screen if "[#" in line or "[." in line]


def test_on_a_terminal_errors_come_whole_and_last(project: Project):
    study = break_a_photo(project)
    command = project.command(["--cores", "1", study, "results/bad/frames/broken.hr.npy"])
    shown = run_on_terminal(command, project.folder)
    assert shown.status == 1
    *_, whole, title, line, _ = shown.screen
    assert title == "Failed jobs:"
    assert line.startswith("  prepare_clip role=frames clip=broken: photos/a.png: expected an image that")
    log = re.search(r"\(log: (.*)\)$", line)
    assert log and "error: photos/a.png" in (project.folder / log[1]).read_text(encoding="utf-8")
    # As soon as it is known too. What the job printed itself is in the log of the run.
    assert sum("photos/a.png: expected" in text for text in shown.screen) == 2
    assert whole.startswith("Whole log: ") and "\nerror: photos/a.png" in run_log(project)
    assert "RuleException" not in shown.written


def test_what_is_asked_for_its_words_says_them_on_a_terminal(tiny: Project):
    shown = run_on_terminal(tiny.command(["--cores", "1", "verify", TINY]), tiny.folder)
    assert shown.status == 0, shown.written
    assert any(line.endswith("and 19 manifests: 0 differences") for line in shown.screen), shown.screen


def test_all_ends_with_what_to_do_and_where_to_look(tiny: Project):
    page = tiny.folder / "results/tiny/report/index.html"
    there = page.exists()
    done = tiny.snakemake("--cores", "1", TINY, "--forcerun", "write_recommendation", "--", "all")
    assert done.returncode == 0, done.stdout
    said = done.stdout[done.stdout.index("\nRecommendation for study tiny") :].strip().splitlines()
    assert said[0].startswith("Recommendation for study tiny: ")
    assert (said[-1] == "Page: results/tiny/report/index.html") == there


@pytest.mark.parametrize("option", ["--quiet", "--list"])
def test_other_calls_are_as_snakemake_has_them(project: Project, option: str):
    done = project.snakemake(*([FRAMES] if option == "--quiet" else []), "--cores", "1", TINY, option)
    assert done.returncode == 0, done.stdout
    assert "[1/1]" not in done.stdout
