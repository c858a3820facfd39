"""Figures in prose: each stands in a file that its paragraph names, or in a table that a CSV file makes.

A paragraph, an entry of a list or a row of a table names its files in a comment, which readers don't see:
`<!-- from: int8/methods -->` is docs/figures/int8/methods.csv. Limits and settings name the code or the study
that has them, such as `<!-- from: config.yaml -->`. Words behind it, `<!-- from: int8/methods: minmax -->`,
take only the rows that have them all.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pages
import pytest

ROOT = Path(__file__).parents[3]
# Every sentence of docs/study.md is that of a study's key.
PAGES = [page for page in pages.pages() if page.name != "study.md"]
GENERATED = re.compile(r"<!-- figures: .*?<!-- end -->|^```.*?^```|`[^`\n]*`", re.DOTALL | re.M)
SOURCE = re.compile(r"<!-- from: (.*?) -->")
MEASURED = re.compile(
    r"(?<![\w.,])(\d+(?:\.\d+)?)(?: to \d+(?:\.\d+)?| or \d+(?:\.\d+)?)?"
    r"(?: ?(dB|FPS|%|ms)(?!\w)| (times)(?= as| less| more| faster)|x(?= [a-z]| \w+ FP))"
)
IN_WORDS = re.compile(
    r"\bhalves the|\bhalf of the (?:time|loss|gain)|\b(?:a|an|two|three) (?:half|third|quarter|fifth|tenth)s?"
    r"(?= less| more| of (?!a level))|, half in|\btwice (?:that|their|as)|\ba \d+th of"
    r"|\b(?!some|few|within)\w+ (?:minutes|hours)\b"
)


ESTIMATED = re.compile(r"\*[Ee]st\.\*")


def blocks(text: str) -> Iterator[str]:
    """Paragraphs, entries of lists and rows of tables, without what is generated, estimates and code."""
    prose = GENERATED.sub(lambda found: "\n" * found[0].count("\n"), text)
    found = re.split(r"\n\s*\n|\n(?=\s*(?:[-*|]|\d+\.) )", prose)
    yield from (block for block in found if not ESTIMATED.search(block))


def source(name: str) -> tuple[Path, set[str]]:
    """The file of a source, and the words that its rows must have.

    It is a CSV file of docs/figures/, without its ending, or any file of this project.
    """
    file, _, words = name.partition(": ")
    return ROOT / file if Path(file).suffix else pages.FIGURES / f"{file}.csv", {*words.split()}


def numbers(path: Path, words: set[str]) -> set[float]:
    """All numbers in the lines of a file that have all of some words."""
    lines = path.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if words <= {*re.split(r"[,\"` ]+", line)}]
    found = re.findall(r"\d+(?:_\d+)*(?:\.\d+)?", "\n".join(kept))
    return {float(number.replace("_", "")) for number in found}


def faults(text: str) -> list[str]:
    """Return what a page claims without a source, and figures that their source doesn't have."""
    found = []
    for block in blocks(text):
        sources = [source(name) for named in SOURCE.findall(block) for name in named.split(", ")]
        prose = SOURCE.sub("", block)
        claims = [*MEASURED.finditer(prose), *IN_WORDS.finditer(prose)]
        if claims and not sources:
            found.append(f"no source of {claims[0][0]!r}: {' '.join(prose.split())[:100]}")
        found += [f"no file {path.relative_to(ROOT)}" for path, _ in sources if not path.is_file()]
        known = {number for path, words in sources if path.is_file() for number in numbers(path, words)}
        for claim in MEASURED.finditer(prose) if sources else ():
            value, digits = float(claim[1]), len(claim[1].partition(".")[2])
            wanted = known | {100 * number for number in known} if claim[2] == "%" else known
            if not any(round(number, digits) == value for number in wanted):
                found.append(f"{claim[0]!r} isn't in {', '.join(path.name for path, _ in sources)}")
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_figures_in_prose_name_the_file_they_stand_in(page: Path):
    assert faults(page.read_text(encoding="utf-8")) == []


CSV = "networks/choices/chroma"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("INT8 loses 0.41 dB.", "no source of '0.41 dB'"),
        ("INT8 is 3.5x default PyTorch.", "no source of '3.5x'"),
        ("It is 12 times as fast.", "no source of '12 times'"),
        ("- one\n- It reaches 30 FPS.", "no source of '30 FPS'"),
        ("| a | 87% |", "no source of '87%'"),
        ("The step halves the loss.", "no source of 'halves the'"),
        ("It loses a third less.", "no source of 'a third'"),
        ("It takes ten minutes.", "no source of 'ten minutes'"),
        (f"It loses 0.42 dB. <!-- from: {CSV} -->", "'0.42 dB' isn't in chroma.csv"),
        ("It loses 0.41 dB. <!-- from: networks/none -->", "no file docs/figures/networks/none.csv"),
        (f"It loses 0.41 dB. <!-- from: {CSV}: bicubic -->", "'0.41 dB' isn't in chroma.csv"),
        (f"It loses 0.41 dB. <!-- from: {CSV} -->\n\nIt loses 0.49 dB.", "no source of '0.49 dB'"),
    ],
)
def test_a_claim_without_its_source_is_found(text: str, fault: str):
    assert fault in "\n".join(faults(text))


@pytest.mark.parametrize(
    "text",
    [
        f"It loses 0.41 dB. <!-- from: {CSV} -->",
        f"Repeated chroma loses 0.4 dB <!-- from: {CSV} -->\non `park`.",
        "<!-- figures: a/b -->\n| 3 dB |\n<!-- end -->",
        "```\n30 FPS\n```",
        "Frames of 540 x 960, kernels of 5x5, `0.5 dB`, PSNR [dB].",
    ],
)
def test_generated_figures_code_and_sizes_are_no_claims(text: str):
    assert faults(text) == []
