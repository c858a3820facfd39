"""Every graph that the pipeline makes for TensorRT obeys the rules of its parsers of 8.5, 8.6 and 10.1."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from superres.models.graphs.uint8.casts import write_casts
from superres.quantization.qdq import quantize_onnx

from .graphs import MODELS, write_graphs
from .parser_rules import VERSIONS, find_violations

PRECISIONS = ("fp32", "fp16", "int8-dummy", "int8-mixed", "int8-pertensor")


@pytest.fixture(scope="module", params=MODELS)
def graphs(request, tmp_path_factory) -> Path:
    """The folder of a model's graphs on planes and, with the prefix `casts-`, on frames."""
    folder = write_graphs(request.param, tmp_path_factory.mktemp(request.param))
    fp32, ranges = folder / "fp32.onnx", folder / "ranges.json"
    quantize_onnx(fp32, ranges, folder / "int8-mixed.onnx", float_layers=["conv1"])
    quantize_onnx(fp32, ranges, folder / "int8-pertensor.onnx", pair_before_relu=False)
    for precision in PRECISIONS:
        write_casts(folder / f"{precision}.onnx", folder / f"casts-{precision}.onnx")
    return folder


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("form", ["", "casts-"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_graph_is_one_that_the_parser_reads(precision, form, version, graphs):
    model = onnx.load(graphs / f"{form}{precision}.onnx")
    assert find_violations(model, version) == []


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = write_graphs("espcn_ycbcr", tmp_path_factory.mktemp("ycbcr"))
    write_casts(folder / "int8-dummy.onnx", folder / "casts.onnx")
    return folder


def constant(name: str, value: Any) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        for tensor in model.graph.initializer:
            if tensor.name == name:
                tensor.CopyFrom(numpy_helper.from_array(np.asarray(value), name))

    return change


def of_kind(model: onnx.ModelProto, kind: str) -> onnx.NodeProto:
    return next(node for node in model.graph.node if node.op_type == kind)


def newer_opset(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 19


def quantised_bias(model: onnx.ModelProto) -> None:
    convolution = of_kind(model, "Conv")
    bias = next(t for t in model.graph.initializer if t.name == convolution.input[2])
    size = bias.dims[0]
    parts = {"levels": np.ones(size, np.int32), "scale": np.float32(1e-4), "zero": np.int32(0)}
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(v), f"b_{k}") for k, v in parts.items())
    node = helper.make_node("DequantizeLinear", ["b_levels", "b_scale", "b_zero"], ["b"], name="bias/DQ")
    convolution.input[2] = "b"
    model.graph.node.insert(0, node)


def drop_zero_point(model: onnx.ModelProto) -> None:
    del of_kind(model, "QuantizeLinear").input[2]


def other_axis(model: onnx.ModelProto) -> None:
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name == "axis" and node.op_type == "QuantizeLinear":
                attribute.i = 1


def uint8_in_between(model: onnx.ModelProto) -> None:
    cast = of_kind(model, "Cast")
    name = cast.input[0]
    model.graph.node.insert(0, helper.make_node("Reshape", [name, "s"], ["r"], name="reshaped"))
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, -1, 4, 3]), "s"))
    cast.input[0] = "r"


def cast_uint8_to_int32(model: onnx.ModelProto) -> None:
    of_kind(model, "Cast").attribute[0].i = TensorProto.INT32


def antialiased(model: onnx.ModelProto) -> None:
    of_kind(model, "Resize").attribute.append(helper.make_attribute("antialias", 1))


def unknown_operator(model: onnx.ModelProto) -> None:
    of_kind(model, "Relu").op_type = "Gelu"


REFUSED = {
    "opset": (newer_opset, r"^graph: opset at most 17: found 19$"),
    "zero-point": (
        constant("frame_luma_zero_point", np.int8(3)),
        r"QuantizeLinear \(QuantizeLinear\): zero points are zero and int8: \S+ is 3",
    ),
    "asymmetric": (
        constant("frame_luma_zero_point", np.uint8(0)),
        r"\(QuantizeLinear\): zero points are zero and int8: \S+ is uint8",
    ),
    "scale": (
        constant("frame_luma_scale", np.float16(0.5)),
        r"scales are positive float32: \S+ is float16",
    ),
    "no zero-point": (drop_zero_point, r"\(QuantizeLinear\): a pair has scale and zero point: 2 inputs"),
    "axis": (other_axis, r"scales of channels are of weights: 96 scales along axis 1 of \(96, 1, 5, 5\)"),
    "bias": (quantised_bias, r"^bias/DQ \(DequantizeLinear\): no quantised bias: b_levels is int32"),
    "uint8": (uint8_in_between, r"^reshaped \(Reshape\): uint8 at the ends alone: frame is uint8"),
    "cast": (cast_uint8_to_int32, r"\(Cast\): casts of uint8 are from and to float: from uint8 to int32"),
    "resize": (antialiased, r"\(Resize\): modes of resize: antialias"),
    "operator": (unknown_operator, r"\(Gelu\): an operator that no rule is written for"),
}


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_a_parser_refuses_is_named_with_the_node_and_the_rule(change, message, folder):
    model = onnx.load(folder / "casts.onnx")
    # Constants have the names of the tensors that they belong to.
    (luma, *_) = [
        tensor.name.removesuffix("_zero_point")
        for tensor in model.graph.initializer
        if tensor.name.endswith("_zero_point")
    ]
    rename(model, luma, "frame_luma")
    assert find_violations(model, 8.5) == []
    change(model)
    found = "\n".join(find_violations(model, 8.5))
    assert re.search(message, found, re.M), found


def rename(model: onnx.ModelProto, old: str, new: str) -> None:
    """Rename a tensor's scale and zero-point."""
    names = {f"{old}{end}": f"{new}{end}" for end in ("_scale", "_zero_point")}
    for tensor in model.graph.initializer:
        tensor.name = names.get(tensor.name, tensor.name)
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
