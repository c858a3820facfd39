"""A program of benchmarks/ as a module."""

import importlib.util
from types import ModuleType

from project_copy import ROOT


def load_benchmark(name: str) -> ModuleType:
    """Import benchmarks/{name}.py without running it."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"benchmarks/{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
