"""Layers and times by TensorRT's own words, in each form that its versions write them."""

import json
from dataclasses import replace
from typing import Any

import pytest

from superres.device.base.errors import UserError
from superres.device.runtimes.trt.cuda import Device
from superres.device.runtimes.trt.engine import check_int8
from superres.device.runtimes.trt.layers import (
    Tensor,
    count_convolutions,
    count_dla_layers,
    read_build_log,
    read_inspector,
)
from superres.device.runtimes.trt.session import check_origin, layer_times
from superres.report.metrics.operations import executed_convolutions

INT8 = "Thirty-two wide channel vectorized row major Int8 format"
CONVOLUTION = {
    "Name": "/conv1/Conv + /Relu",
    "LayerType": "CaskConvolution",
    "Inputs": [{"Name": "x", "Location": "Device", "Dimensions": [1, 3, 8, 8], "Format/Datatype": INT8}],
    "Outputs": [{"Name": "y", "Location": "Device", "Dimensions": [1, 96, 8, 8], "Format/Datatype": INT8}],
    "ParameterType": "Convolution",
    "Weights": {"Type": "Int8", "Count": 7200},
    "Bias": {"Type": "Float", "Count": 96},
    "TacticName": "sm80_xmma_fprop",
}
COPY = {
    "Name": "Reformatting CopyNode for Input Tensor 0 to /conv1/Conv",
    "LayerType": "Reformat",
    "Inputs": [
        {"Name": "frame", "Dimensions": [1, 8, 8, 3], "Format/Datatype": "Row major linear UInt8 format"}
    ],
    "Outputs": [{"Name": "x", "Dimensions": [1, 3, 8, 8], "Format/Datatype": "Row major linear FP16 format"}],
    "ParameterType": "Reformat",
}


def test_the_inspector_of_old_versions_names_nodes_by_their_layer():
    copy, convolution = read_inspector(json.dumps({"Layers": [COPY, CONVOLUTION], "Bindings": ["frame"]}))
    assert convolution.nodes == ("/conv1/Conv", "/Relu")
    assert convolution.is_convolution and convolution.type == "Int8"
    assert convolution.constants[0] == Tensor("weights", "Int8", (7200,))
    assert not copy.is_convolution
    assert (copy.inputs[0].type, copy.outputs[0].type) == ("UInt8", "Half")
    assert count_convolutions([copy, convolution]) == {"Int8": 1}


DYNAMIC = "N/A due to dynamic shapes"


def untold(**changes: Any) -> dict[str, Any]:
    """A convolution as an engine for several sizes describes it without a context."""
    ends = {
        key: [{**CONVOLUTION[key][0], "Dimensions": [1, -1, -1, -1], "Format/Datatype": DYNAMIC}]
        for key in ("Inputs", "Outputs")
    }
    return {**CONVOLUTION, **ends, "Weights": {"Type": DYNAMIC}, "TacticName": "", **changes}


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, "unknown"),
        ({"Weights": {"Type": "Int8", "Count": 7200}}, "Int8"),
        ({"Weights": {"Type": "Half", "Count": 7200}}, "Half"),
        ({"TacticName": "sm80_xmma_fprop_implicit_gemm_interleaved_i8i8_i8i32_f32_nchw_vect_c_32"}, "Int8"),
        ({"TacticName": "sm80_xmma_fprop_implicit_gemm_f16f16_f16f16_f16_nhwckrsc_nhwc"}, "unknown"),
        ({"Inputs": [{"Name": "x", "Format/Datatype": "Some format of the future"}]}, "unknown"),
        ({"Inputs": [{"Name": "x"}]}, "unknown"),
    ],
)
def test_a_type_that_is_not_told_is_unknown(changes, kind):
    (layer,) = read_inspector(json.dumps({"Layers": [untold(**changes)]}))
    assert count_convolutions([layer]) == {kind: 1}
    # What nobody knows is not taken for float.
    check_int8(count_convolutions([layer] * 3), "int8-entropy" if kind != "Half" else "fp16")
    assert executed_convolutions({"convolutions": {kind: 3}}) == (
        None if kind == "unknown" else 0 if kind == "Half" else 3,
        3,
    )


def test_parts_on_a_dla_are_counted():
    foreign = {
        **COPY,
        "Name": "{ForeignNode[/conv1/Conv.../Relu_1]}",
        "LayerType": "DLA",
        "ParameterType": "DLA",
    }
    assert count_dla_layers(read_inspector(json.dumps({"Layers": [COPY, foreign]}))) == 1


@pytest.mark.parametrize("separator", ["", "\x1e", "\x1f"])
def test_the_inspector_of_new_versions_names_nodes_apart(separator):
    metadata = separator.join(f"[ONNX Layer: {name}]" for name in ("/conv1/Conv", "/Relu"))
    (layer,) = read_inspector(
        json.dumps({"Layers": [{**CONVOLUTION, "Name": "fused", "Metadata": metadata}]})
    )
    assert layer.nodes == ("/conv1/Conv", "/Relu")


def test_names_alone_are_refused():
    with pytest.raises(UserError, match=r"expected the layers in detail, found .*conv1"):
        read_inspector(json.dumps({"Layers": ["/conv1/Conv + /Relu"]}))
    with pytest.raises(UserError, match="engine inspector"):
        read_inspector("no JSON")


LOG = (
    "Layers:\n"
    "Name: a, b, LayerType: correlation, Inputs: [ { Name: x, Dimensions: [1,-1,4], Strides: [4,4,1], "
    "StrideOrder: [2,1,0], Datatype: Int8, Format: (NHWC) Channel major format }], Constants: [], "
    "Outputs: [ { Name: "
    "y, Dimensions: [2], Strides: [1], StrideOrder: [0], Datatype: Half, Format: (Linear) }], TacticName: , "
    "StreamId: 0, Metadata: [ONNX Layer: /c/Conv][ONNX Layer: /Relu]\n"
    "Name: shapes, LayerType: shape_call, Inputs: [], Constants: [], Outputs: [], TacticName: , "
    "StreamId: 0, Metadata: \n"
    "\nI/O Tensors:\n Name: frame\n"
)


def test_the_builders_log_is_read_up_to_the_empty_line():
    first, second = read_build_log(LOG)
    assert first.name == "a, b" and first.nodes == ("/c/Conv", "/Relu")
    assert first.inputs == (Tensor("x", "Int8", (1, -1, 4)),)
    assert first.outputs == (Tensor("y", "Half", (2,)),)
    assert (second.kind, second.type, second.nodes) == ("shape_call", "", ())


def test_a_log_in_another_form_is_said():
    with pytest.raises(UserError, match="expected a layer, found 'Layer 1: conv'"):
        read_build_log("Layers:\nLayer 1: conv\n")


def test_times_are_told_with_the_nodes_of_their_layers():
    layers = read_inspector(json.dumps({"Layers": [COPY, CONVOLUTION]}))
    times = layer_times({"/conv1/Conv + /Relu": [0.5, 0.7], "added at run time": [0.1, 0.1]}, layers)
    assert [(time.run, time.layer, time.ms) for time in times] == [
        (0, "/conv1/Conv + /Relu", 0.5),
        (0, "added at run time", 0.1),
        (1, "/conv1/Conv + /Relu", 0.7),
        (1, "added at run time", 0.1),
    ]
    assert times[0].nodes == ("/conv1/Conv", "/Relu") and times[0].type == "Int8"
    # 96 x 3 x 5 x 5 weights at 8 x 8 positions.
    assert (times[0].shape, times[0].macs) == ((1, 3, 8, 8), 7200 * 64)
    assert (times[1].nodes, times[1].shape, times[1].macs) == ((), (), 0)
    (unknown,) = layer_times({"b": [0.1]}, [replace(layers[1], name="b", constants=())])
    assert unknown.macs is None


ORIN = {"name": "Orin", "compute_capability": "8.7"}


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        (
            {"module": "tensorrt", "version": "8.5.2", "device": ORIN},
            r"built with version 8\.5\.2, this is 10\.3\.0",
        ),
        ({"module": "tensorrt_rtx", "version": "10.3.0", "device": None}, "built with module tensorrt_rtx"),
        (
            {"module": "tensorrt", "version": "10.3.0", "device": {**ORIN, "name": "Xavier"}},
            r"built with device Xavier 8\.7, this is Orin 8\.7",
        ),
        ({}, "built with module None"),
    ],
)
def test_an_engine_from_elsewhere_is_never_opened(facts, message):
    with pytest.raises(UserError, match=f"{message}.*build it again"):
        check_origin(facts, "tensorrt", "10.3.0", Device("Orin", "8.7"))


def test_an_engine_from_here_and_one_for_any_device_are_opened():
    here = Device("Orin", "8.7")
    check_origin({"module": "tensorrt", "version": "10.3.0", "device": ORIN}, "tensorrt", "10.3.0", here)
    check_origin({"module": "tensorrt_rtx", "version": "1.7", "device": None}, "tensorrt_rtx", "1.7", here)
