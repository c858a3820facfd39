"""The files written from the keys of a study are up to date and complete."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from superres.study.reference import EXAMPLES, PAGE_FILE, SCHEMA_FILE, study_page, study_schema

ROOT = Path(__file__).parents[3]
STUDIES = ("config.yaml", *sorted(f"studies/{path.name}" for path in ROOT.glob("studies/*.yaml")))


def mappings(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every mapping that the schema describes, by where it stands."""
    if isinstance(node, list):
        for i, entry in enumerate(node):
            yield from mappings(entry, f"{path}[{i}]")
    elif isinstance(node, dict):
        if node.get("type") == "object":
            yield path, node
        for key, value in node.items():
            yield from mappings(value, f"{path}.{key}")


def test_the_files_are_what_the_keys_give():
    hint = "run `make docs`"
    assert json.loads((ROOT / SCHEMA_FILE).read_text(encoding="utf-8")) == study_schema(), hint
    assert (ROOT / PAGE_FILE).read_text(encoding="utf-8") == study_page(), hint


def test_every_key_is_described():
    schema = study_schema()
    bare = [
        f"{path}.{key}"
        for path, mapping in mappings(schema)
        for key, rule in mapping["properties"].items()
        if "description" not in rule and "$ref" not in rule and "const" not in rule
    ]
    bare += [name for name, rule in schema["$defs"].items() if "description" not in rule]
    assert bare == []


def test_every_mapping_is_closed():
    assert [
        path for path, mapping in mappings(study_schema()) if mapping["additionalProperties"] is not False
    ] == []


def test_the_schema_is_one_that_editors_read():
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(study_schema())
    assert not [
        key for path, node in mappings(study_schema()) for key in node if key in ("ge", "le", "gt", "lt")
    ]


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_names_the_schema_and_fits_it(name: str):
    """What a study lacks stands in config.yaml, which it is laid over."""
    jsonschema = pytest.importorskip("jsonschema")
    text = (ROOT / name).read_text(encoding="utf-8")
    first = text.splitlines()[0].removeprefix("# yaml-language-server: $schema=")
    assert ((ROOT / name).parent / first).resolve() == ROOT / SCHEMA_FILE
    validator = jsonschema.Draft202012Validator(study_schema())
    errors = [error for error in validator.iter_errors(yaml.safe_load(text)) if error.validator != "required"]
    assert errors == []


def test_the_examples_are_a_study_that_fits_the_schema():
    jsonschema = pytest.importorskip("jsonschema")
    study = yaml.safe_load(EXAMPLES)
    assert len(study) == len(EXAMPLES.strip().split("\n\n")) + 1 and "models" in study
    errors = list(jsonschema.Draft202012Validator(study_schema()).iter_errors(study))
    assert [error.message for error in errors] == ["'study' is a required property"]
    assert study_page().count("```yaml") == len(study) - 1 + 1


def test_the_page_has_every_key_and_no_long_line():
    page = study_page()
    assert max(map(len, page.splitlines())) <= 110
    for key in study_schema()["properties"]:
        assert f"\n## {key}\n" in page
    # A bound, a default and a kind of source, as the code has them.
    assert "`latency.min_iterations`" in page and "*Whole number (5 or more), default `50`.*" in page
    assert "\n### y4m\n" in page
