"""Networks of others, changed at random: either one is adopted, or one line says why not."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spoilt import check_line, fuzz, spoilt
from superres.device.base.errors import UserError
from superres.models.adoption.adopt import adopt_onnx
from superres.models.adoption.statements import Adoption

from . import foreign, foreign_quantized

SEEDS: tuple[Callable[[Path], Path], ...] = (
    foreign.rgb,
    foreign.luma_fixed,
    foreign.nhwc_bytes,
    foreign.uint8_ends,
    foreign.transposed_luma,
    foreign.normalised,
    foreign.halves,
    foreign_quantized.pairs,
    foreign_quantized.linear,
)
# Operators that take as many inputs as others, and some that nobody has.
KINDS = ("Relu", "Conv", "Add", "Transpose", "Reshape", "Cast", "Loop", "If", "Resize", "Nonsense", "")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def adopt_or_line(folder: Path, content: bytes) -> bool:
    """Whether a file is adopted; its error, if not, has to be one line, and nothing is left."""
    source = folder / "a.onnx"
    made = folder / "out/fp32.onnx"
    record = folder / "out/adopted.json"
    source.write_bytes(content)
    for path in (made, record):
        path.unlink(missing_ok=True)
    try:
        adopt_onnx(source, made, record, Adoption())
    except UserError as error:
        check_line(error, str(source))
        assert not list((folder / "out").glob("*"))
        return False
    graph = onnx.load(made)
    assert ([value.name for value in graph.graph.input], [value.name for value in graph.graph.output]) == (
        ["frame"],
        ["upscaled"],
    )
    return True


def test_a_changed_file_is_adopted_or_gets_one_line(folder: Path):
    seeds = [write(folder / "seed.onnx").read_bytes() for write in SEEDS]

    @fuzz(80)
    @given(spoilt(seeds))
    def adopt(changed: tuple[int, bytes]) -> None:
        adopt_or_line(folder, changed[1])

    adopt()


Draw = st.DrawFn
NUMBERS = st.sampled_from([-1, 0, 1, 2, 3, 7, 1 << 20, 1 << 40, -(1 << 63)])


def chosen(draw: Draw, entries: Sequence[Any]) -> Any:
    return entries[draw(st.integers(0, len(entries) - 1))]


def edit_node(draw: Draw, graph: onnx.GraphProto) -> None:
    """Another operator, domain, input or output; or no such node."""
    node = chosen(draw, graph.node)
    names = [name for other in graph.node for name in (*other.input, *other.output)]
    name = draw(st.sampled_from([*names, "", "gone"]))
    what = draw(st.sampled_from(["kind", "domain", "input", "output", "drop"]))
    if what == "kind":
        node.op_type = draw(st.sampled_from(KINDS))
    elif what == "domain":
        node.domain = draw(st.sampled_from(["com.example", "ai.onnx.ml", "com.microsoft"]))
    elif what == "drop":
        graph.node.remove(node)
    elif names := node.input if what == "input" else node.output:
        names[draw(st.integers(0, len(names) - 1))] = name


def edit_attribute(draw: Draw, graph: onnx.GraphProto) -> None:
    """Another number."""
    if attributes := [entry for node in graph.node for entry in node.attribute]:
        attribute = chosen(draw, attributes)
        if attribute.ints:
            attribute.ints[draw(st.integers(0, len(attribute.ints) - 1))] = draw(NUMBERS)
        else:
            attribute.i = draw(NUMBERS)


def edit_ends(draw: Draw, graph: onnx.GraphProto) -> None:
    """Another size, number of dimensions or type; more ends or none."""
    ends = graph.input if draw(st.booleans()) else graph.output
    what = draw(st.sampled_from(["size", "fewer", "type", "more", "none"]))
    if what == "more":
        ends.append(draw(st.sampled_from([*graph.input, *graph.output, onnx.ValueInfoProto(name="more")])))
    elif what == "none" or not ends:
        del ends[:]
    elif what == "type":
        chosen(draw, ends).type.tensor_type.elem_type = draw(st.integers(0, 30))
    elif dims := chosen(draw, ends).type.tensor_type.shape.dim:
        if what == "size":
            chosen(draw, dims).dim_value = draw(st.sampled_from([-1, 0, 1, 2, 3, 5, 1 << 31]))
        else:
            del dims[draw(st.integers(0, len(dims) - 1))]


def edit_tensor(draw: Draw, graph: onnx.GraphProto) -> None:
    """Other dimensions, type or name; too few values, or NaN."""
    if not graph.initializer:
        return
    tensor = chosen(draw, graph.initializer)
    what = draw(st.sampled_from(["dims", "type", "data", "nan", "name"]))
    if what == "dims":
        tensor.dims[:] = [*tensor.dims[:-1], draw(NUMBERS)]
    elif what == "type":
        tensor.data_type = draw(st.integers(0, 30))
    elif what == "data":
        tensor.raw_data = tensor.raw_data[: draw(st.integers(0, 8))]
    elif what == "nan":
        tensor.raw_data = b"\xff" * len(tensor.raw_data)
    else:
        tensor.name = chosen(draw, graph.node).output[0]


EDITS = (edit_node, edit_node, edit_attribute, edit_ends, edit_tensor)


@st.composite
def edited(draw: st.DrawFn, seeds: list[onnx.ModelProto]) -> onnx.ModelProto:
    """A graph with up to three edits of the kind that exporters and editors of graphs get wrong."""
    model = onnx.ModelProto()
    model.CopyFrom(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 3))):
        if model.graph.node:
            draw(st.sampled_from(EDITS))(draw, model.graph)
    if draw(st.integers(0, 9)) == 0:
        model.opset_import[0].version = draw(st.sampled_from([-1, 0, 1, 7, 9, 13, 18, 22, 99]))
    return model


def test_an_edited_graph_is_adopted_or_gets_one_line(folder: Path):
    seeds = [onnx.load(write(folder / "seed.onnx")) for write in SEEDS]

    @fuzz(120)
    @given(edited(seeds))
    def adopt(model: onnx.ModelProto) -> None:
        adopt_or_line(folder, model.SerializeToString())

    adopt()
