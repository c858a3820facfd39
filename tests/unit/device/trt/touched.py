"""What the source asks of TensorRT's objects, found in the source itself."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from superres.device import runtimes
from superres.device.runtimes import trt

FILES = sorted(
    [*Path(trt.__path__[0]).glob("*.py"), *Path(next(iter(runtimes.__path__))).glob("tensorrt*.py")]
)
MODULE = "trt"
# What the methods of TensorRT's classes return; annotations in the source tell the rest.
RETURNS = {
    (MODULE, "Builder"): "Builder",
    (MODULE, "OnnxParser"): "OnnxParser",
    (MODULE, "Runtime"): "Runtime",
    ("Builder", "create_network"): "INetworkDefinition",
    ("Builder", "create_builder_config"): "IBuilderConfig",
    ("Builder", "create_optimization_profile"): "IOptimizationProfile",
    ("Builder", "build_serialized_network"): "IHostMemory",
    ("INetworkDefinition", "get_input"): "ITensor",
    ("OnnxParser", "get_error"): "ParserError",
    ("Runtime", "deserialize_cuda_engine"): "ICudaEngine",
    ("ICudaEngine", "create_execution_context"): "IExecutionContext",
    ("ICudaEngine", "create_engine_inspector"): "EngineInspector",
    ("ICudaEngine", "create_runtime_config"): "IRuntimeConfig",
    ("IBuilderConfig", "create_timing_cache"): "ITimingCache",
    ("IBuilderConfig", "get_timing_cache"): "ITimingCache",
    ("ITimingCache", "serialize"): "IHostMemory",
}


@dataclass
class Touched:
    """(class, name) pairs that the source uses as they are, and those that it asks for first.

    `unknown` are names that are used on objects whose class wasn't found.
    """

    used: set[tuple[str, str]] = field(default_factory=set)
    asked: set[tuple[str, str]] = field(default_factory=set)
    unknown: set[tuple[str, str]] = field(default_factory=set)


def find_touched() -> Touched:
    """Read all files of the runtime."""
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in FILES]
    functions = {
        node.name: annotated(node.returns)
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and annotated(node.returns)
    }
    touched = Touched()
    for tree in trees:
        for scope in scopes(tree):
            Reader(functions, touched).read(scope)
    return touched


def annotated(node: ast.expr | None) -> str | None:
    """Return the class of TensorRT that an annotation names, the first of a tuple's."""
    for part in ast.walk(node) if node is not None else ():
        if (
            isinstance(part, ast.Attribute)
            and isinstance(part.value, ast.Name)
            and part.value.id == "tensorrt"
        ):
            return part.attr
    return None


def scopes(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield classes and functions outside of them; attributes of `self` are known all over a class."""
    yield from (node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef))


class Reader:
    """Follows classes of TensorRT through the names of one scope."""

    def __init__(self, functions: dict[str, str | None], touched: Touched):
        self._functions = functions
        self._touched = touched
        self._known: dict[str, str] = {MODULE: MODULE, "self._trt": MODULE}

    def read(self, scope: ast.AST) -> None:
        # Twice, as a method may stand before the one that sets an attribute.
        for _ in range(2):
            for node in ast.walk(scope):
                self._learn(node)
        for node in ast.walk(scope):
            self._note(node)

    def _learn(self, node: ast.AST) -> None:
        if isinstance(node, ast.arg) and (kind := annotated(node.annotation)):
            self._known[node.arg] = kind
        if isinstance(node, ast.AnnAssign) and (kind := annotated(node.annotation) or self._kind(node.value)):
            self._known[ast.unparse(node.target)] = kind
        if isinstance(node, ast.Assign) and (kind := self._kind(node.value)):
            target = node.targets[0]
            first = target.elts[0] if isinstance(target, ast.Tuple) else target
            self._known[ast.unparse(first)] = kind

    def _kind(self, node: ast.AST | None) -> str | None:
        """Return the class of an expression's value; an enumeration stands for its members."""
        if isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node) in self._known:
            return self._known[ast.unparse(node)]
        if isinstance(node, ast.Attribute) and self._kind(node.value) == MODULE:
            return node.attr
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute):
                return RETURNS.get((self._kind(node.func.value) or "", node.func.attr))
            if isinstance(node.func, ast.Name):
                return self._functions.get(node.func.id)
        return None

    def _note(self, node: ast.AST) -> None:
        if isinstance(node, ast.Attribute) and not node.attr.startswith("__"):
            kind = self._kind(node.value)
            if kind is None:
                self._touched.unknown.add((ast.unparse(node.value), node.attr))
            else:
                self._touched.used.add((kind, node.attr))
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("hasattr", "getattr")
            and isinstance(name := node.args[1], ast.Constant)
        ):
            kind = self._kind(node.args[0])
            if kind is not None:
                self._touched.asked.add((kind, str(name.value)))
