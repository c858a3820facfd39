"""Pages: tables match their CSV files, lines fit, links lead to files and headings."""

import math
import re
from pathlib import Path

import graphs
import pages
import pytest
import yaml

from superres.study.load import load_study
from superres.study.paths import Paths

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *pages.pages()]
LONGEST = 110
# What lies beside a repository's files where it is shown: the files of its last release.
RELEASES = "../../../releases/latest/download"


def lines_of(page: Path) -> list[str]:
    return page.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tables_are_those_of_the_csv_files(page: Path):
    text = page.read_text(encoding="utf-8")
    assert pages.render(text) == text, "run `make docs`"


def test_every_csv_file_stands_on_a_page_and_says_where_it_comes_from():
    shown = {name for page in PAGES for _, name, *_ in pages.MARKED.findall(page.read_text(encoding="utf-8"))}
    for path in pages.FIGURES.rglob("*.csv"):
        run = yaml.safe_load((path.parent / "run.yaml").read_text(encoding="utf-8"))
        assert {"command", "commit", "date", "machine"} <= run.keys(), path.parent
        folder = path.parent.relative_to(pages.FIGURES)
        assert f"{folder}/run" in shown, folder
        assert folder == Path("default") or f"{folder}/{path.stem}" in shown, path


def test_a_figure_that_differs_is_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/speed.csv").write_text("Network,ms\nsmall,1.5\n", encoding="utf-8")
    monkeypatch.setattr(pages, "FIGURES", tmp_path)
    page = "<!-- figures: run/speed -->\n\n<!-- end -->\n"
    written = pages.render(page)
    assert written == (
        "<!-- figures: run/speed -->\n| Network |  ms |\n| ------- | --: |\n| small   | 1.5 |\n<!-- end -->\n"
    )
    (tmp_path / "run/speed.csv").write_text("Network,ms\nsmall,1.6\n", encoding="utf-8")
    assert pages.render(written) != written


def test_what_int8_adds_is_worked_out_from_the_psnr_of_the_mean_error(monkeypatch: pytest.MonkeyPatch):
    """INT8 adds 5.5 levels squared to an error of 50 on one clip and to one of 2 on the other."""
    rows = [
        {"runtime": "openvino", "model": "espcn_rgb", "precision": precision, "clip": clip, "status": "ok"}
        | {"psnr_of_mean_db": str(10 * math.log10(255**2 / (fp32 + added)))}
        for clip, fp32 in ((pages.CLIP, 50.0), (pages.SMOOTH, 2.0))
        for precision, added in (("fp32", 0.0), ("int8-dummy", 5.5))
    ]
    monkeypatch.setattr(pages, "_metrics", lambda clip: [row for row in rows if row["clip"] == clip])
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in pages.added().splitlines()]
    assert cells[0] == ["Network", "Clip", "Error of FP32", "INT8 dummy adds"]
    assert cells[2:] == [
        ["ESPCN_RGB", f"`{pages.CLIP}`", "50.00", "5.50 (2.3)"],
        ["", f"`{pages.SMOOTH}`", "2.00", "5.50 (2.3)"],
    ]
    # An older study lacks the column.
    for row in rows:
        del row["psnr_of_mean_db"]
    assert pages.added() == pages.NOT_MEASURED


def test_the_answer_has_at_most_six_rows_and_columns_and_no_gap():
    rows = [line.strip("|").split("|") for line in pages.answer().splitlines()]
    assert len(rows) - 2 <= 6
    assert len(rows[0]) <= 6
    assert all(cell.strip(" -") for row in rows[2:] for cell in row)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_lines_fit(page: Path):
    long = [
        line
        for line in lines_of(page)
        if len(line) > LONGEST and not line.startswith("|") and " " in line.strip()
    ]
    assert long == []


def test_the_readme_is_short():
    assert len(lines_of(ROOT / "README.md")) <= 150
    assert max(map(len, lines_of(ROOT / "README.md"))) <= LONGEST


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page: Path):
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target == f"{RELEASES}/index.html":
            continue
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), target
        assert not anchor or anchor in {_anchor(line) for line in lines_of(file) if line.startswith("#")}, (
            target
        )


def test_a_release_has_the_page_that_is_linked():
    release = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8"))
    (job,) = release["jobs"].values()
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert commands[0] == "make all" and commands[1].endswith(" verify")
    page = Paths(load_study(yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8")))).page
    assert page in commands[-1] and Path(page).name == "index.html"
    assert f"({RELEASES}/index.html)" in (ROOT / "docs/results.md").read_text(encoding="utf-8")


def test_the_picture_of_the_rules_is_that_of_the_default_study():
    drawn = (graphs.PICTURES / "rules.svg").read_text(encoding="utf-8")
    edges = graphs.description(graphs.without_shortcuts(graphs.rules()))
    assert edges.replace(">", "&gt;") in drawn, "run `make docs`"


def test_shortcuts_of_a_graph_are_left_out():
    assert graphs.without_shortcuts({("a", "b"), ("b", "c"), ("a", "c")}) == {("a", "b"), ("b", "c")}


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lstrip("# ").lower()).replace(" ", "-")


def test_the_time_of_the_default_study_is_of_as_many_arms_as_its_figures():
    """A new default study brings its own time: see "Add a thing" in docs/architecture.md."""
    timed = {
        row["Default study"]: row["Measured"]
        for row in pages.read_rows(pages.FIGURES / "speed/study/time.csv")
    }
    rows = pages.read_rows(pages.FIGURES / "default/metrics.csv")
    assert int(timed["arms"]) == len({(row["runtime"], row["model"], row["precision"]) for row in rows})
