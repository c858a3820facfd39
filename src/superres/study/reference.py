"""Write the keys of a study: docs/study.md for people, a JSON schema for editors.

python -m superres.study.reference
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import wrap
from typing import Any

from superres.keys import whole
from superres.study.keys.study import Study

ROOT = Path(__file__).parents[3]
SCHEMA_FILE = Path("workflow/schemas/study.schema.json")
PAGE_FILE = Path("docs/study.md")
_WIDTH = 110
# Bounds that keep pydantic's names in keys that a function checks too.
_BOUNDS = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}

Schema = Mapping[str, Any]

_INTRODUCTION = """\
# Keys of a study

Every key that a study can have: what it does, its type and its default. `make docs` generates this page from
the code.

A study is a YAML file that is laid over [`config.yaml`](../config.yaml): mappings are merged, lists and
single values are replaced. A key that is not on this page is an error.

```bash
snakemake --cores 4 all --configfile studies/tiny.yaml
```

A `[]` after a name stands for the entries of a list. In an editor with YAML support, this first line of a
study gives completion and checks while you type:

```yaml
# yaml-language-server: $schema=../workflow/schemas/study.schema.json
```
"""


def study_schema() -> dict[str, Any]:
    """Return the JSON schema of a study (draft 2020-12)."""
    schema = _clean(Study.model_json_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def study_page() -> str:
    """Return the reference of all keys, in Markdown."""
    schema = study_schema()
    keys = [*(f"[`{key}`](#{key})" for key in schema["properties"]), "[Sources](#sources)"]
    rows = [_INTRODUCTION, *_wrapped(", ".join(keys))]
    for key, rule in schema["properties"].items():
        rows += ["", *_section(key, rule, key in schema["required"], schema)]
    rows += ["", *_kinds_of_sources(schema)]
    return "\n".join(rows) + "\n"


def _clean(node: Any) -> Any:
    """Return a schema without titles and without defaults that mean a missing key."""
    if isinstance(node, list):
        return [_clean(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    cleaned = {}
    for key, value in node.items():
        if key in ("properties", "$defs"):
            cleaned[key] = {name: _clean(rule) for name, rule in value.items()}
        elif key == "description":
            cleaned[key] = " ".join(value.split())
        elif not (key == "title" and isinstance(value, str)) and not (
            key == "default" and _is_left_out(node)
        ):
            cleaned[_BOUNDS.get(key, key)] = _clean(value)
    return cleaned


def _is_left_out(rule: Schema) -> bool:
    """Return whether a default means a missing key: no value, or a text that a study can't have."""
    never_empty = "pattern" in rule or "minLength" in rule
    return rule["default"] is None or (rule["default"] == "" and never_empty)


def _section(key: str, rule: Schema, required: bool, root: Schema) -> Iterator[str]:
    """Yield the section of a top-level key, with a list of its keys."""
    yield f"## {key}"
    yield ""
    facts = _facts(rule, required, root)
    yield from _wrapped(f"{_described(rule, root)} *{facts[0].upper()}{facts[1:]}.*")
    inner, path = _entries(rule, key, root)
    if inner:
        yield ""
        yield from _keys(inner, path, root)
    for example in EXAMPLES.strip().split("\n\n"):
        if example.startswith(f"{key}:"):
            yield from ("", "```yaml", example, "```")


def _kinds_of_sources(root: Schema) -> Iterator[str]:
    """Yield the section of the kinds of sources, which clips and sets of images share."""
    source = root["$defs"]["Clip"]["properties"]["source"]
    yield "## Sources"
    yield ""
    yield from _wrapped(
        "Where frames come from: `source` of a clip, and each entry of `sources` of a calibration set or a "
        "training set. `type` is the kind, which decides the other keys."
    )
    for kind, reference in source["discriminator"]["mapping"].items():
        branch = _resolve({"$ref": reference}, root)
        yield from ("", f"### {kind}", "", *_wrapped(_described(branch, root)), "")
        yield from _keys({**branch, "properties": _without(branch["properties"], "type")}, "", root)


def _keys(schema: Schema, path: str, root: Schema) -> Iterator[str]:
    """Yield a bullet for each key of a mapping; kind by kind, if it has several kinds."""
    if "discriminator" in schema:
        name = schema["discriminator"]["propertyName"]
        for kind, reference in schema["discriminator"]["mapping"].items():
            branch = _resolve({"$ref": reference}, root)
            yield from _bullet(f"{path}.{name}: {kind}", _described(branch, root), "")
            yield from _keys({**branch, "properties": _without(branch["properties"], name)}, path, root)
        return
    for key, rule in schema["properties"].items():
        where, required = f"{path}.{key}" if path else key, key in schema.get("required", ())
        yield from _bullet(where, _described(rule, root), _facts(rule, required, root))
        inner, below = _entries(rule, where, root)
        if inner and where not in _SAID_ELSEWHERE:
            yield from _keys(inner, below, root)


def _without(properties: Schema, name: str) -> dict[str, Any]:
    return {key: rule for key, rule in properties.items() if key != name}


def _bullet(path: str, description: str, facts: str) -> Iterator[str]:
    said = f"- `{path}`: {description}" + (f" *{facts[0].upper()}{facts[1:]}.*" if facts else "")
    yield from wrap(said, _WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _entries(rule: Schema, path: str, root: Schema) -> tuple[Schema | None, str]:
    """Return the mapping of a key or of its list's entries, or None, and the path to its keys."""
    rule = _resolve(rule, root)
    if rule.get("type") == "array":
        return _entries(rule["items"], f"{path}[]", root)
    return (rule if "properties" in rule or "discriminator" in rule else None), path


def _resolve(rule: Schema, root: Schema) -> Schema:
    """Return a rule with its reference followed; the mapping, if it may be a word or a mapping."""
    mapping = next((branch for branch in rule.get("anyOf", ()) if "$ref" in branch), rule)
    if "$ref" not in mapping:
        return rule
    said = {key: value for key, value in rule.items() if key not in ("$ref", "anyOf")}
    return {**root["$defs"][mapping["$ref"].rpartition("/")[2]], **said}


def _described(rule: Schema, root: Schema) -> str:
    text = str(_resolve(rule, root).get("description", "The kind."))
    return text if text.endswith((".", "...")) else f"{text}."


def _facts(rule: Schema, required: bool, root: Schema) -> str:
    """Return type, bounds and default of a key, in words."""
    words = _kind(rule, root)
    if required:
        return f"{words}, required"
    resolved = _resolve(rule, root)
    if "default" not in resolved or isinstance(resolved["default"], dict) or "properties" in resolved:
        return words if "properties" in resolved else f"{words}, optional"
    default = resolved["default"]
    return f"{words}, default `{default if default and isinstance(default, str) else json.dumps(default)}`"


def _kind(rule: Schema, root: Schema) -> str:
    """Return the type of a value, in words."""
    if "anyOf" in rule:
        return " or ".join(_kind(branch, root) for branch in rule["anyOf"])
    rule = _resolve(rule, root)
    if "enum" in rule:
        return "one of " + ", ".join(f"`{value}`" for value in rule["enum"])
    if "const" in rule:
        return f"`{rule['const']}`"
    if rule.get("type") == "array":
        few = "one or more " if rule.get("minItems") else ""
        each = ", each once" if rule.get("uniqueItems") else ""
        return f"list of {few}{_plural(_kind(rule['items'], root))}{each}"
    if "discriminator" in rule or "properties" in rule:
        return "mapping"
    kinds = rule["type"] if isinstance(rule["type"], list) else [rule["type"]]
    names = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
    return " or ".join(names[kind] for kind in kinds) + _bounds(rule)


def _plural(kind: str) -> str:
    name = next((name for name in ("mapping", "text", "whole number") if kind.startswith(name)), "")
    return f"{name}s{kind.removeprefix(name)}" if name else f"entries, {kind}"


def _bounds(rule: Schema) -> str:
    if "minimum" in rule and "maximum" in rule:
        return f" from {whole(rule['minimum'])} to {whole(rule['maximum'])}"
    said = {
        "minimum": "{} or more",
        "exclusiveMinimum": "more than {}",
        "maximum": "{} or less",
        "exclusiveMaximum": "less than {}",
        "pattern": "of the form `{}`",
        "maxLength": "at most {} characters",
    }
    words = [text.format(whole(rule[key])) for key, text in said.items() if key in rule]
    return f" ({', '.join(words)})" if words else ""


def _wrapped(text: str) -> list[str]:
    return wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


# Keys whose own keys are described elsewhere.
_SAID_ELSEWHERE = (
    "models[].training",
    "clips[].source",
    "calibration_sets[].sources",
    "training_sets[].sources",
)

EXAMPLES = """\
packages:
  - name: matplotlib

files:
  - name: clip.y4m
    url: https://example.org/clip.y4m
    bytes: 1555203036
    sha256: e056e01fc13906dd9a84f5cc686a36888436379476577965a0866821caaf55c8

clips:
  - name: holiday
    source: {type: video, path: holiday.mp4, frames: {count: 100}}
  - name: set5
    optional: true
    source: {type: images, path: resources/Set5}

calibration_sets:
  - name: photographs
    width: 960
    height: 540
    sources:
      - {type: images, path: photographs, include: ["*.jpg"]}

calibrations:
  - name: dummy
    data: {type: random, width: 960, height: 540}
  - name: entropy
    method: entropy
    data: {type: calibration-set, name: photographs, images: 40}

sweep:
  calibrations: [entropy]
  images: [1, 5, 20]

quantizations:
  - {name: head, recipe: entropy+center, float_layers: [conv3]}

steps:
  mixed: {budget_db: 0.1}

sensitivity: {recipe: entropy, frames: 6}

training:
  training_set: training
  validation_set: validation
  steps: 40000
models:
  - {name: espcn_rgb, weights: train}

targets:
  - local
  - {name: jetson, ssh: user@jetson, runtimes: [tensorrt], power_mode: 2}

runtimes:
  - {name: pytorch, precisions: [fp32]}
  - {name: openvino, precisions: [fp32, int8-entropy, int8-entropy+center]}

latency:
  max_seconds: 60
  reference: {runtime: openvino, precision: fp32}
"""
"""An example of each key that needs one, as a study; a blank line ends each."""


def main() -> None:
    """Write both files."""
    schema = json.dumps(study_schema(), indent=2, ensure_ascii=False)
    (ROOT / SCHEMA_FILE).write_text(f"{schema}\n", encoding="utf-8")
    (ROOT / PAGE_FILE).write_text(study_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
