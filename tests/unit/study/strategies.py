"""Random studies: real ones with entries replaced, by values that the schema allows or by anything."""

import copy
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st
from snakemake.utils import update_config

Schema = Mapping[str, Any]
Place = tuple[tuple[Any, ...], Schema]

ROOT = Path(__file__).parents[3]
SCHEMA = json.loads((ROOT / "workflow/schemas/study.schema.json").read_text(encoding="utf-8"))


def read_study(name: str) -> dict[str, Any]:
    """Return a study merged over the default, as Snakemake does."""
    config, study = (
        yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))
        for path in ("config.yaml", f"studies/{name}.yaml")
    )
    update_config(config, study)
    return config


BASES = {name: read_study(name) for name in ("tiny", "paper", "fixed-point", "train-local", "int8")}

# Names that studies have and names that none has, so that references hit and miss.
NAMES = st.sampled_from(
    [
        "park",
        "photographs",
        "minmax",
        "dummy",
        "entropy",
        "training",
        "psychopy",
        "matplotlib",
        "a",
        "b.zip",
        "x" * 60,
    ]
)
JUNK = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-2, 2),
        st.integers(),
        st.floats(),
        st.text(max_size=8),
        st.dates(),
        NAMES,
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | NAMES, inner, max_size=3)
    ),
    max_leaves=4,
)


def resolve(schema: Schema) -> Schema:
    """A schema with its reference followed."""
    if "$ref" not in schema:
        return schema
    target: Any = SCHEMA
    for part in schema["$ref"].removeprefix("#/").split("/"):
        target = target[part]
    return {**target, **schema}


def conforming(schema: Schema) -> st.SearchStrategy[Any]:
    """What a schema allows, but for what only the package knows."""
    schema = resolve(schema)
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if branches := schema.get("oneOf", schema.get("anyOf")):
        return st.one_of([conforming(branch) for branch in branches])
    if isinstance(schema["type"], list):
        return st.one_of([conforming({**schema, "type": kind}) for kind in schema["type"]])
    kinds = {
        "object": _objects,
        "array": _arrays,
        "boolean": _booleans,
        "integer": _integers,
        "number": _numbers,
    }
    return kinds.get(schema["type"], _texts)(schema)


def _objects(schema: Schema) -> st.SearchStrategy[Any]:
    rules = {key: conforming(rule) for key, rule in schema["properties"].items()}
    needed = {key: rules.pop(key) for key in schema.get("required", ())}
    return st.fixed_dictionaries(needed, optional=rules)


def _arrays(schema: Schema) -> st.SearchStrategy[Any]:
    unique_by = repr if schema.get("uniqueItems") else None
    return st.lists(
        conforming(schema["items"]), min_size=schema.get("minItems", 0), max_size=3, unique_by=unique_by
    )


def _booleans(_: Schema) -> st.SearchStrategy[Any]:
    return st.booleans()


def _integers(schema: Schema) -> st.SearchStrategy[Any]:
    low, high = schema.get("minimum", 0), schema.get("maximum", 10**9)
    return st.integers(low, min(high, low + 40)) | st.integers(low, high)


def _numbers(schema: Schema) -> st.SearchStrategy[Any]:
    low, high = schema.get("minimum", schema.get("exclusiveMinimum", -400)), schema.get("maximum", 400)
    return st.floats(low, high, exclude_min="exclusiveMinimum" in schema)


def _texts(schema: Schema) -> st.SearchStrategy[Any]:
    pattern = schema.get("pattern")
    return NAMES | (st.from_regex(pattern, fullmatch=True) if pattern else st.text(max_size=12))


def branch_of(config: Mapping[str, Any], schema: Schema) -> Schema:
    """The schema of a mapping that may be of several kinds or a word instead, by what is written."""
    branches = [resolve(branch) for branch in schema.get("oneOf", schema.get("anyOf", ()))]
    for branch in branches:
        kind = branch.get("properties", {}).get("type", {}).get("const", config.get("type"))
        if "properties" in branch and kind == config.get("type"):
            return branch
    return schema


def places(config: Any, schema: Schema, path: tuple[Any, ...] = ()) -> Iterator[Place]:
    """Every entry that the schema knows, there or not, by its path, with its schema."""
    schema = resolve(schema)
    if isinstance(config, Mapping):
        schema = branch_of(config, schema)
    if path:
        yield path, schema
    if isinstance(config, Mapping):
        for key, rule in schema.get("properties", {}).items():
            if key in config:
                yield from places(config[key], rule, (*path, key))
            else:
                yield (*path, key), rule
    elif isinstance(config, list):
        for i, entry in enumerate(config):
            yield from places(entry, schema.get("items", {}), (*path, i))


@st.composite
def studies(draw: st.DrawFn) -> dict[str, Any]:
    """A real study with one to three entries replaced, added, doubled or taken out."""
    config = copy.deepcopy(BASES[draw(st.sampled_from(sorted(BASES)))])
    for _ in range(draw(st.integers(1, 3))):
        known = list(places(config, SCHEMA))
        # By depth first: most entries lie deep, and a study would hardly ever lose its clips.
        depth = draw(st.sampled_from(sorted({len(path) for path, _ in known})))
        path, rule = draw(st.sampled_from([place for place in known if len(place[0]) == depth]))
        _edit(draw, config, path, rule)
    return config


def _edit(draw: st.DrawFn, config: Any, path: tuple[Any, ...], rule: Schema) -> None:
    *parents, last = path
    for part in parents:
        config = config[part]
    present = isinstance(config, list) or last in config
    what = draw(st.sampled_from(["allowed", "allowed", "junk", *(["remove", "again"] if present else [])]))
    if what == "remove":
        del config[last]
    elif what == "again":
        entry = copy.deepcopy(config[last])
        if isinstance(config, list):
            config.append(entry)
        else:
            config[draw(st.text(max_size=4))] = entry
    else:
        config[last] = draw(conforming(rule) if what == "allowed" and rule else JUNK)
