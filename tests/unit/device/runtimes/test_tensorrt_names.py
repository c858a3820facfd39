"""Every name of TensorRT's module that the source uses is one of TensorRT 10's or of the newest bindings."""

import ast
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from superres.device.runtimes import trt as package

FILES = sorted(Path(package.__path__[0]).glob("*.py"))


def used_names() -> set[tuple[str, ...]]:
    """Chains such as ("BuilderFlag", "TF32") that follow `trt` in the source."""
    found = set()
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            chain = []
            while isinstance(node, ast.Attribute):
                chain.insert(0, node.attr)
                node = node.value  # noqa: PLW2901 - down the chain
            if chain and isinstance(node, ast.Name) and node.id == "trt":
                found.add(tuple(chain))
    return found


def stub_names() -> set[tuple[str, ...]]:
    """Return the stubs' classes of TensorRT 10, alone and with their members, and their other names."""
    spec = find_spec("tensorrt_bindings")
    folders = list(spec.submodule_search_locations or []) if spec else []
    if not folders:
        pytest.skip("the stubs of TensorRT 10 are not here (envs/types.txt)")
    names: set[tuple[str, ...]] = set()
    inside = ""
    # Line by line: one of its signatures is no Python.
    for line in Path(folders[0], "tensorrt.pyi").read_text(encoding="utf-8").splitlines():
        if found := re.match(r"class (\w+)", line):
            inside = found[1]
            names.add((inside,))
        elif found := re.match(r"    (?:def )?(\w+)[:(]", line):
            names.add((inside, found[1]))
    return names


def test_every_name_is_known():
    trt = pytest.importorskip("tensorrt_rtx")
    stubs = stub_names()
    used = {chain for chain in used_names() if not chain[-1].startswith("__")}
    assert ("BuilderFlag", "TF32") in used and ("Runtime",) in used
    unknown = set()
    for chain in used:
        known, place = True, trt
        for name in chain[:2]:
            known, place = known and hasattr(place, name), getattr(place, name, None)
        if not known and chain[:2] not in stubs:
            unknown.add(chain)
    assert not unknown
