"""Rewrite a foreign graph to what the pipeline works on: opset 17, float32, any size, plain convolutions."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from onnx import TensorProto, helper, numpy_helper, version_converter

from superres.device.base.errors import UserError
from superres.file_kinds import kind_of_file, remedy
from superres.models.adoption.statements import Activation
from superres.models.graphs.onnx_file import OPSET, attributes

_OTHER_FLOATS = (TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)
_IR_VERSION = 8
# The first opset in which a Resize says where its pixels lie.
_PLACED_RESIZE = 11


def read_foreign(path: Path) -> onnx.ModelProto:
    """Return the graph of an ONNX file with its external data; raises UserError if it can't be read."""
    if not path.is_file():
        raise UserError(f"{path}: expected an ONNX file, found nothing there; correct its path")
    if (kind := kind_of_file(path)) is not None:
        raise UserError(f"{path}: expected an ONNX file, found {kind}; {remedy(kind, 'correct its path')}")
    try:
        model = onnx.load(str(path))
    except (DecodeError, ValueError) as error:
        raise UserError(
            f"{path}: expected an ONNX file, found something else: {first_line(error)}"
        ) from error
    except (OSError, onnx.checker.ValidationError) as error:
        raise UserError(
            f"{path}: expected its external data beside it, found: {first_line(error)}"
        ) from error
    if not model.graph.node or not model.graph.output:
        raise UserError(f"{path}: expected an ONNX graph with nodes and outputs, found an empty one")
    _check(model, path)
    return model


def _check(model: onnx.ModelProto, path: Path) -> None:
    """Raise UserError for a graph that breaks the rules of ONNX.

    The shape of an output may be unknown, and the version of another domain than ONNX's.
    """
    if (name := next(_not_text(model), None)) is not None:
        raise UserError(f"{path}: expected names in UTF-8, found {name[:40]!r}; export it again")
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    for value in copied.graph.output:
        value.type.tensor_type.shape.SetInParent()
    stated = {entry.domain for entry in model.opset_import} | {"", "ai.onnx"}
    for domain in sorted({node.domain for node in model.graph.node} - stated):
        copied.opset_import.append(helper.make_opsetid(domain, 1))
    try:
        onnx.checker.check_model(copied)
        for tensor in copied.graph.initializer:
            numpy_helper.to_array(tensor)
    except (onnx.checker.ValidationError, ValueError, TypeError, RuntimeError) as error:
        raise UserError(
            f"{path}: expected a sound ONNX graph, found: {first_line(error)}; export it again"
        ) from error


def _not_text(message: Message) -> Iterator[bytes]:
    """Yield names that aren't UTF-8, which protobuf gives as bytes; nobody reads descriptions."""
    for field, value in message.ListFields():
        entries: Any = [value] if isinstance(value, str | bytes | Message) else value
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for entry in entries:
                yield from _not_text(entry)
        elif field.type == FieldDescriptor.TYPE_STRING and field.name != "doc_string":
            yield from (entry for entry in entries if isinstance(entry, bytes))


def normalised(model: onnx.ModelProto, path: Path, notes: list[str]) -> onnx.ModelProto:
    """Return a graph in opset 17 with floats of 32 bits, constants folded; `notes` gets what couldn't be.

    Initialisers are no inputs, and only domains that a node uses remain. Shapes of the file are dropped:
    they may be wrong.
    """
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    used = {node.domain or "ai.onnx" for node in model.graph.node} | {"ai.onnx"}
    kept = [entry for entry in model.opset_import if (entry.domain or "ai.onnx") in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    model = _in_opset(model, path, notes)
    _to_float32(model.graph)
    model.graph.ClearField("value_info")
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    return model


def _in_opset(model: onnx.ModelProto, path: Path, notes: list[str]) -> onnx.ModelProto:
    found = next((e.version for e in model.opset_import if e.domain in ("", "ai.onnx")), 1)
    model.ir_version = max(model.ir_version, _IR_VERSION) if found <= OPSET else model.ir_version
    if found == OPSET:
        return model
    if found > (newest := onnx.defs.onnx_opset_version()):
        raise UserError(
            f"{path}: expected an opset up to {newest}, found {found}; export it again in opset {OPSET}"
        )
    try:
        converted = version_converter.convert_version(model, OPSET)
    except Exception as error:
        if found < OPSET:
            raise UserError(
                f"{path}: expected a graph that ONNX converts from opset {found} to {OPSET}, found: "
                f"{first_line(error)}; export it again in opset {OPSET}"
            ) from error
        notes.append(f"stays in opset {found}: TensorRT 8 reads no opset beyond {OPSET}")
        return model
    notes.append(f"converted from opset {found} to {OPSET}")
    converted.ir_version = _IR_VERSION
    if found < _PLACED_RESIZE:
        _place_resizes(converted.graph)
    return converted


def _place_resizes(graph: onnx.GraphProto) -> None:
    """Let resizes of old opsets begin at the first pixel, as runtimes run them; ONNX's converter doesn't."""
    for node in graph.node:
        if node.op_type == "Resize":
            places = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
            kept = [entry for entry in node.attribute if entry.name not in places]
            del node.attribute[:]
            node.attribute.extend(
                [*kept, *(helper.make_attribute(key, each) for key, each in places.items())]
            )


def _to_float32(graph: onnx.GraphProto) -> None:
    """Make other floats of weights, casts, constants and the values between them float32."""
    for tensor in graph.initializer:
        if tensor.data_type in _OTHER_FLOATS:
            tensor.CopyFrom(_float32(tensor))
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR and attribute.t.data_type in _OTHER_FLOATS:
                attribute.t.CopyFrom(_float32(attribute.t))
            elif attribute.name in ("to", "dtype") and attribute.i in _OTHER_FLOATS:
                attribute.i = TensorProto.FLOAT
    for value in (*graph.input, *graph.output, *graph.value_info):
        tensor = value.type.tensor_type
        if tensor.elem_type in _OTHER_FLOATS:
            tensor.elem_type = TensorProto.FLOAT


def _float32(tensor: onnx.TensorProto) -> onnx.TensorProto:
    return numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name)


def with_size(model: onnx.ModelProto, name: str, dims: Sequence[int | str]) -> onnx.ModelProto:
    """Return a copy whose input has these dimensions; nothing else is known of shapes."""
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    for value in copied.graph.input:
        if value.name == name:
            value.CopyFrom(helper.make_tensor_value_info(name, value.type.tensor_type.elem_type, list(dims)))
    return copied


def simplified(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the graph after onnxruntime's basic optimisations: folded constants, fused normalisation.

    They use standard operators alone and change no result.
    """
    with tempfile.TemporaryDirectory(prefix="superres-") as folder:
        out = Path(folder, "simplified.onnx")
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(out)
        options.log_severity_level = 3
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        found = onnx.load(str(out))
    used = {node.domain or "ai.onnx" for node in found.graph.node} | {"ai.onnx"}
    kept = [entry for entry in found.opset_import if (entry.domain or "ai.onnx") in used]
    del found.opset_import[:]
    found.opset_import.extend(kept)
    del found.graph.value_info[:]
    return found


def refuse_control_flow(model: onnx.ModelProto, where: str) -> None:
    """Raise UserError for nodes that hold graphs: they read tensors that aren't among the nodes' inputs."""
    graphs = (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)
    held = [node.op_type for node in model.graph.node if {entry.type for entry in node.attribute} & {*graphs}]
    if held:
        raise UserError(
            f"{where}: expected a graph without control flow, found {', '.join(dict.fromkeys(held))}; export "
            "the network by a trace, which follows one branch and unrolls loops"
        )


def add_activation(model: onnx.ModelProto, output: str, activation: Activation) -> None:
    """Put an activation behind the node that gives an output."""
    before = f"{output}/before_{activation}"
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = [before if name == output else name for name in names]
    kind = activation.capitalize()
    model.graph.node.append(helper.make_node(kind, [before], [output], f"{output}/{kind}"))


def rewrite_transposed(model: onnx.ModelProto) -> int:
    """Replace transposed convolutions with a stride by a convolution and DepthToSpace; return how many.

    Exact: output pixel s q + r sees inputs q + d with the weights at r + p - s d. INT8 has no such kernels in
    some runtimes. Those whose output isn't `stride` times as large stay, as do grouped and dilated ones.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes: list[onnx.NodeProto] = []
    count = 0
    for node in model.graph.node:
        replaced = _as_convolution(node, constants, model.graph) if node.op_type == "ConvTranspose" else None
        count += replaced is not None
        nodes += replaced or [node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return count


def add_biases(model: onnx.ModelProto) -> None:
    """Give convolutions without a bias one of zeros: steps of INT8 recipes correct it."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Conv" and node.input[1] in constants and len([*filter(None, node.input)]) == 2:
            name = f"{node.output[0]}/zero.bias"
            zeros = np.zeros(constants[node.input[1]].dims[0], np.float32)
            model.graph.initializer.append(numpy_helper.from_array(zeros, name))
            node.input[:] = [*node.input[:2], name]


def _as_convolution(
    node: onnx.NodeProto, constants: dict[str, onnx.TensorProto], graph: onnx.GraphProto
) -> list[onnx.NodeProto] | None:
    given = attributes(node)
    names = list(node.input[1:])
    if not all(name in constants for name in names) or given.get("group", 1) != 1:
        return None
    weights = numpy_helper.to_array(constants[names[0]]).astype(np.float64)
    found = _phases(weights, given)
    if found is None:
        return None
    kernels, stride = found
    prefix = f"{node.output[0]}/convolution"
    added = [numpy_helper.from_array(kernels.astype(np.float32), f"{prefix}.weight")]
    if len(names) > 1:
        bias = numpy_helper.to_array(constants[names[1]]).astype(np.float32).repeat(stride**2)
        added.append(numpy_helper.from_array(bias, f"{prefix}.bias"))
    graph.initializer.extend(added)
    half = kernels.shape[-1] // 2
    return [
        helper.make_node(
            "Conv",
            [node.input[0], *(tensor.name for tensor in added)],
            [f"{prefix}/blocks"],
            f"{prefix}/Conv",
            kernel_shape=list(kernels.shape[2:]),
            pads=[half] * 4,
        ),
        helper.make_node(
            "DepthToSpace",
            [f"{prefix}/blocks"],
            list(node.output),
            f"{prefix}/DepthToSpace",
            blocksize=stride,
            mode="CRD",
        ),
    ]


def _phases(weights: np.ndarray, given: dict[str, Any]) -> tuple[np.ndarray, int] | None:
    """Return the kernels (out s s) x in x k x k of a transposed convolution's phases, and s."""
    strides = set(given.get("strides", [1, 1]))
    size = weights.shape[-1]
    pads = given.get("pads", [0, 0, 0, 0])
    extra = given.get("output_padding", [0, 0])
    square = len(strides) == 1 and weights.shape[2] == size and pads[0] == pads[1] and pads[2] == pads[3]
    plain = set(given.get("dilations", [1])) == {1} and given.get("auto_pad", b"NOTSET") == b"NOTSET"
    if not square or not plain or "output_shape" in given:
        return None
    stride, before = strides.pop(), pads[0]
    if stride < 2 or size - stride - pads[0] - pads[2] + extra[0] or extra[0] != extra[1]:
        return None
    taps = {
        (phase, offset): phase + before - stride * offset
        for phase in range(stride)
        for offset in range(-size, size + 1)
        if 0 <= phase + before - stride * offset < size
    }
    reach = max(abs(offset) for _, offset in taps)
    inputs, outputs = weights.shape[:2]
    kernels = np.zeros((outputs, stride, stride, inputs, 2 * reach + 1, 2 * reach + 1))
    for (i, down), row in taps.items():
        for (j, across), column in taps.items():
            kernels[:, i, j, :, down + reach, across + reach] = weights[:, :, row, column].T
    return kernels.reshape(-1, inputs, 2 * reach + 1, 2 * reach + 1), stride


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, cut off after 200 characters; its class if it has no text."""
    text = str(error).strip()
    return text.splitlines()[0][:200] if text else type(error).__name__
