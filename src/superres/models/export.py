"""Networks as files for runtimes: ONNX, and TorchScript programs for PyTorch."""

import json
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx.reference import ReferenceEvaluator
from torch import nn

from superres.device.base.conventions import INPUT, OUTPUT
from superres.device.base.outputs import Outputs
from superres.models.folding import KEPT_FLOAT, fold
from superres.models.graphs.onnx_file import KEPT_FLOAT_PROPERTY, OPSET
from superres.models.networks import ArchitectureNetwork, build_network
from superres.models.settings import NetworkSettings, weights_name
from superres.models.weights import load_weights

# Tracing works at any size; height and width differ: a swap of the two would show.
_EXAMPLE_SHAPE = (1, 3, 24, 40)
_DYNAMIC = {INPUT: {2: "height", 3: "width"}, OUTPUT: {2: "any_height", 3: "any_width"}}


def export_onnx(model: str, weights: Path, onnx_out: Path, settings: NetworkSettings | None = None) -> None:
    """Write a model with its weights as one ONNX file, opset 17, float32, weights inside.

    Input `frame` 1 x 3 x H x W RGB in [0, 1], output `upscaled` 1 x 3 x sH x sW in [0, 1], s the scale;
    H and W are dynamic. The same model, weights, settings and torch give the same bytes. Raises UserError for
    an unknown model and for weights that don't fit.
    """
    network = load_deployed(model, weights, settings)
    with Outputs({"onnx": str(onnx_out)}) as outputs:
        trace_onnx(network, outputs["onnx"])
        graph_file = onnx.load_model(outputs["onnx"])
        _strip(graph_file, model)
        _fold_constants(graph_file.graph)
        _merge_padding(graph_file.graph)
        _state_output_shape(graph_file.graph)
        _name_kept_float(graph_file)
        onnx.checker.check_model(graph_file, full_check=True)
        outputs["onnx"].write_bytes(graph_file.SerializeToString(deterministic=True))


def export_program(
    model: str, weights: Path, program_out: Path, settings: NetworkSettings | None = None
) -> None:
    """Write a model with its weights as a TorchScript program: the same input and output.

    `torch.jit.load(program_out)` runs it with PyTorch's own kernels, for any H and W. It opens in
    milliseconds; a torch.export program imports PyTorch's compiler first (9 s and more) and is no faster.
    Older PyTorch, such as a Jetson's, reads it too. Raises UserError as `export_onnx` does.
    """
    network = load_deployed(model, weights, settings)
    with warnings.catch_warnings(), torch.inference_mode():
        # TorchScript is no longer developed; torch is pinned, and tests compare the program with the network.
        warnings.filterwarnings("ignore", r"`?torch\.jit\.\w+`? is", DeprecationWarning)
        warnings.filterwarnings("ignore", r"`?torch\.jit\.\w+`? is", FutureWarning)
        program = torch.jit.trace(network, torch.zeros(_EXAMPLE_SHAPE))
        with Outputs({"program": str(program_out)}) as outputs:
            torch.jit.save(program, str(outputs["program"]))


def load_deployed(model: str, weights: Path, settings: NetworkSettings | None = None) -> nn.Module:
    """Return a model with its weights in its exported form, in evaluation mode.

    `espcn_rgb` and `espcn_ycbcr` are as they were trained, the others are folded.
    """
    origin = weights_name(model)
    network = load_weights(build_network(origin, settings), weights)
    return fold(network) if model != origin or isinstance(network, ArchitectureNetwork) else network


def trace_onnx(
    network: nn.Module, path: Path, shape: Sequence[int] = _EXAMPLE_SHAPE, *, fixed: bool = False
) -> None:
    """Trace with torch's older exporter, for any height and width, or for those of `shape` alone.

    The newer one (dynamo=True) needs onnxscript and writes opset 18, which it converts down. The older one
    maps each operation to one node of opset 17, PixelShuffle to a single DepthToSpace (CRD). It is
    deprecated: torch is pinned, and tests compare the graph with PyTorch's output.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "You are using the legacy TorchScript", DeprecationWarning)
        warnings.filterwarnings("ignore", "The feature will be removed", DeprecationWarning, r"torch\.onnx\.")
        # `_fold_constants` folds the rest.
        warnings.filterwarnings("ignore", "Constant folding - Only steps=1", UserWarning)
        torch.onnx.export(
            network,
            (torch.zeros(*shape),),
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes=None if fixed else _DYNAMIC,
        )


def _fold_constants(graph: onnx.GraphProto) -> None:
    """Replace nodes that read only constants by their results.

    The exporter leaves such nodes for the widths of a padding, which must be constant for TensorRT.
    """
    fixed = {tensor.name for tensor in graph.initializer}
    computing: list[onnx.NodeProto] = []
    for node in graph.node:
        if all(name in fixed for name in node.input):
            computing.append(node)
            fixed.update(node.output)
    used = {name for node in graph.node if node not in computing for name in node.input}
    given = {node.output[0] for node in computing if node.op_type == "Constant"}
    results = [name for node in computing for name in node.output if name in used - given]
    outputs = [onnx.helper.make_empty_tensor_value_info(name) for name in results]
    part = onnx.helper.make_graph(computing, "constants", [], outputs, graph.initializer)
    opset = [onnx.helper.make_opsetid("", OPSET)]
    values = ReferenceEvaluator(onnx.helper.make_model(part, opset_imports=opset)).run(results, {})
    graph.initializer.extend(
        onnx.numpy_helper.from_array(np.asarray(value), name)
        for name, value in zip(results, values, strict=True)
    )
    kept = [node for node in graph.node if node not in computing or node.output[0] in used & given]
    del graph.node[:]
    graph.node.extend(kept)


def _merge_padding(graph: onnx.GraphProto) -> None:
    """Let convolutions pad with zeros themselves: PyTorch's pad by equal widths only, ONNX's by any."""
    amounts = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for pad in [node for node in graph.node if node.op_type == "Pad"]:
        readers = [node for node in graph.node if pad.output[0] in node.input]
        mode = [attribute.s for attribute in pad.attribute if attribute.name == "mode"]
        if mode != [b"constant"] or any(node.op_type != "Conv" for node in readers):
            continue
        top, left, bottom, right = amounts[pad.input[1]][[2, 3, 6, 7]].tolist()
        for conv in readers:
            (own,) = (attribute for attribute in conv.attribute if attribute.name == "pads")
            own.ints[:] = [a + b for a, b in zip(own.ints, (top, left, bottom, right), strict=True)]
            conv.input[0] = pad.input[0]
        graph.node.remove(pad)
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _state_output_shape(graph: onnx.GraphProto) -> None:
    """Write the output's shape, which the exporter loses after a padding."""
    graph.output[0].CopyFrom(
        onnx.helper.make_tensor_value_info(
            OUTPUT, onnx.TensorProto.FLOAT, [1, 3, "upscaled_height", "upscaled_width"]
        )
    )


def _name_kept_float(graph_file: onnx.ModelProto) -> None:
    """Write the names of the convolutions that stay in float in INT8, for `onnx_file.kept_float`."""
    kept = [
        node.output[0]
        for node in graph_file.graph.node
        if node.op_type == "Conv" and KEPT_FLOAT in node.name.split("/")
    ]
    if kept:
        onnx.helper.set_model_props(graph_file, {KEPT_FLOAT_PROPERTY: json.dumps(kept)})


def _strip(graph_file: onnx.ModelProto, model: str) -> None:
    """Remove all traces of who wrote the file and where."""
    for field in ("producer_name", "producer_version", "doc_string", "domain", "metadata_props"):
        graph_file.ClearField(field)
    graph_file.graph.name = model
    graph_file.graph.ClearField("doc_string")
    for node in graph_file.graph.node:
        node.ClearField("doc_string")
        node.ClearField("metadata_props")
