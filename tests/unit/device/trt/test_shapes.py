"""Engines with fixed shapes and with several sizes, by TensorRT-RTX's real parser and builder."""

from pathlib import Path
from typing import Any

import pytest

from superres.device.runtimes.base import Settings
from superres.models.graphs.uint8.casts import write_casts

from .graphs import MODELS, write_graphs

pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is made for x86-64 Linux and Windows only")
FIXED = {"smallest": [32, 48], "tuned": [32, 48], "largest": [32, 48]}
SEVERAL = {"smallest": [16, 16], "tuned": [32, 48], "largest": [64, 64]}


@pytest.fixture(scope="module", params=MODELS)
def graphs(request, tmp_path_factory) -> Path:
    """The folder of a model's graphs."""
    return write_graphs(request.param, tmp_path_factory.mktemp(request.param))


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8-dummy"])
def test_both_have_the_same_types(precision, graphs, tmp_path):
    write_casts(graphs / f"{precision}.onnx", tmp_path / "casts.onnx")
    found: dict[bool, Any] = {}
    for sizes in (FIXED, SEVERAL):
        settings = Settings(precision, 1, {"frames": "uint8", "sizes": sizes, "build": {}})
        built = build_engine(tmp_path / "casts.onnx", settings)
        assert "REQUIRE_USER_ALLOCATION" in built.facts["flags"]
        found[built.facts["fixed_shapes"]] = built
    assert set(found) == {True, False}
    types = {fixed: convolution_types(built) for fixed, built in found.items()}
    assert types[True] == types[False] and sum(types[True].values()) in (3, 4, 7)
    # Fixed shapes leave no arithmetic on shapes in the engine.
    assert [layer.kind for layer in found[True].layers if "shape" in layer.kind] == []


def build_engine(model: Path, settings: Settings) -> Any:
    import tensorrt_rtx

    from superres.device.runtimes.trt import engine

    return engine.build_engine(tensorrt_rtx, "tensorrt_rtx", model, settings, None)


def convolution_types(built: Any) -> dict[tuple[str, ...], int]:
    """Count the convolutions by the types of what they read, multiply by and write."""
    counts: dict[tuple[str, ...], int] = {}
    for layer in built.layers:
        if layer.is_convolution:
            types = tuple(tensors[0].type for tensors in (layer.inputs, layer.constants, layer.outputs))
            counts[types] = counts.get(types, 0) + 1
    return counts
