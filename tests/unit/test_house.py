"""The house as docs/architecture.md draws it: no two rooms import each other, no folder is long."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src/superres"
LARGEST_FOLDER = 14


def rooms_imported() -> dict[str, set[str]]:
    """Rooms, the folders of the package, by the room that imports them, also inside functions."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in PACKAGE.glob("*/**/*.py"):
        room = path.relative_to(PACKAGE).parts[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("superres."):
                other = (node.module or "").split(".")[1]
                if other != room and (PACKAGE / other).is_dir():
                    found[room].add(other)
    return found


def test_no_two_rooms_import_each_other():
    imported = rooms_imported()
    assert imported["report"] and imported["quantization"]
    circles = [(a, b) for a, others in imported.items() for b in others if a in imported.get(b, ())]
    assert circles == []
    # What travels to a device needs nothing else, and what computes knows no study.
    assert "device" not in imported
    assert not [room for room, others in imported.items() if "study" in others]


@pytest.mark.parametrize(
    "folder",
    [path for path in (ROOT / "rules", *PACKAGE.rglob("*")) if path.is_dir() and path.name != "__pycache__"],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_a_folder_has_few_entries(folder: Path):
    entries = [path.name for path in folder.iterdir() if path.name != "__pycache__"]
    assert len(entries) <= LARGEST_FOLDER, entries


def test_rules_hold_adapters_alone():
    """What a rule needs to know is typed Python in study/; its functions only hand wildcards on."""
    lines = sum(
        len(re.findall(r"^(?:def .*|    .*\S.*)$", block, re.M))
        for path in (ROOT / "rules").glob("*.smk")
        for block in re.findall(r"^def .*\n(?:(?:    .*)?\n)+", path.read_text(encoding="utf-8"), re.M)
    )
    assert 0 < lines <= 150
    assert len((ROOT / "rules/common.smk").read_text(encoding="utf-8").splitlines()) <= 150


# A number in a text, without a format of its own, before a word in the plural.
_UNCOUNTED = re.compile(
    r"\b(?:found|found only|removed|left out|among|of|expected|by)\s"
    r"\{(?!counted\()(?!'|self\._path)[^{}:!]*\} (?:more )?"
    r"(?:frame|image|picture|member|job|arm|file|entrie|name|shape|core|tensor|operator|stream)s\b"
)


def test_messages_count_in_good_english():
    found = []
    for path in PACKAGE.rglob("*.py"):
        # A text in several lines is one.
        text = re.sub(r'"\n\s*f?"', "", path.read_text(encoding="utf-8"))
        found += [f"{path.relative_to(PACKAGE)}: {match[0]}" for match in _UNCOUNTED.finditer(text)]
    assert found == []
    assert _UNCOUNTED.search('f"expected two, found {len(names)} frames"')
