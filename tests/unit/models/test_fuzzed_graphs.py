"""Networks of others with bytes or nodes changed at random: either one is adopted, or one line says why not."""

from collections.abc import Callable
from pathlib import Path

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
    source, made = folder / "a.onnx", [folder / "out/fp32.onnx", folder / "out/adopted.json"]
    source.write_bytes(content)
    for path in made:
        path.unlink(missing_ok=True)
    try:
        adopt_onnx(source, *made, Adoption())
    except UserError as error:
        check_line(error, str(source))
        assert not [path for path in (folder / "out").glob("*")]
        return False
    graph = onnx.load(made[0])
    assert ([value.name for value in graph.graph.input], [value.name for value in graph.graph.output]) == (
        ["frame"],
        ["upscaled"],
    )
    return True


def test_a_changed_file_is_adopted_or_gets_one_line(folder: Path):
    seeds = [write(folder / "seed.onnx").read_bytes() for write in SEEDS]

    @fuzz(150)
    @given(spoilt(seeds))
    def adopt(changed: tuple[int, bytes]) -> None:
        adopt_or_line(folder, changed[1])

    adopt()


@st.composite
def edited(draw: st.DrawFn, seeds: list[onnx.ModelProto]) -> onnx.ModelProto:
    """A graph with up to three edits of the kind that exporters and editors of graphs get wrong."""
    model = onnx.ModelProto()
    model.CopyFrom(draw(st.sampled_from(seeds)))
    graph = model.graph
    for _ in range(draw(st.integers(1, 3))):
        if not graph.node:
            break
        node = graph.node[draw(st.integers(0, len(graph.node) - 1))]
        names = [name for other in graph.node for name in (*other.input, *other.output)] or ["image"]
        match draw(
            st.sampled_from(
                [
                    "kind",
                    "input",
                    "output",
                    "drop",
                    "attribute",
                    "dims",
                    "type",
                    "opset",
                    "tensor",
                    "ends",
                    "domain",
                ]
            )
        ):
            case "kind":
                node.op_type = draw(st.sampled_from(KINDS))
            case "input" if node.input:
                node.input[draw(st.integers(0, len(node.input) - 1))] = draw(
                    st.sampled_from([*names, "", "gone"])
                )
            case "output" if node.output:
                node.output[0] = draw(st.sampled_from([*names, "", "gone"]))
            case "drop":
                graph.node.remove(node)
            case "attribute" if node.attribute:
                attribute = node.attribute[draw(st.integers(0, len(node.attribute) - 1))]
                number = draw(st.sampled_from([-1, 0, 1, 2, 3, 7, 1 << 20, 1 << 40, -(1 << 63)]))
                if attribute.ints:
                    attribute.ints[draw(st.integers(0, len(attribute.ints) - 1))] = number
                else:
                    attribute.i = number
            case "dims":
                value = draw(st.sampled_from([*graph.input, *graph.output]))
                dims = value.type.tensor_type.shape.dim
                if dims and draw(st.booleans()):
                    dims[draw(st.integers(0, len(dims) - 1))].dim_value = draw(
                        st.sampled_from([-1, 0, 1, 2, 3, 5, 1 << 31])
                    )
                elif dims:
                    del dims[draw(st.integers(0, len(dims) - 1))]
            case "type":
                value = draw(st.sampled_from([*graph.input, *graph.output]))
                value.type.tensor_type.elem_type = draw(st.integers(0, 30))
            case "opset" if model.opset_import:
                model.opset_import[0].version = draw(st.sampled_from([-1, 0, 1, 7, 9, 13, 18, 22, 99]))
            case "tensor" if graph.initializer:
                tensor = graph.initializer[draw(st.integers(0, len(graph.initializer) - 1))]
                match draw(st.sampled_from(["dims", "type", "data", "nan", "name"])):
                    case "dims":
                        tensor.dims[:] = [*tensor.dims[:-1], draw(st.sampled_from([-1, 0, 1, 5, 1 << 40]))]
                    case "type":
                        tensor.data_type = draw(st.integers(0, 30))
                    case "data":
                        tensor.raw_data = tensor.raw_data[: draw(st.integers(0, 8))]
                    case "nan":
                        tensor.raw_data = b"\xff" * len(tensor.raw_data)
                    case _:
                        tensor.name = draw(st.sampled_from(names))
            case "ends":
                ends = draw(st.sampled_from([graph.input, graph.output]))
                if draw(st.booleans()):
                    del ends[:]
                else:
                    ends.append(
                        draw(st.sampled_from([*graph.input, *graph.output, onnx.ValueInfoProto(name="more")]))
                    )
            case "domain":
                node.domain = draw(st.sampled_from(["com.example", "ai.onnx.ml", "com.microsoft"]))
    return model


def test_an_edited_graph_is_adopted_or_gets_one_line(folder: Path):
    seeds = [onnx.load(write(folder / "seed.onnx")) for write in SEEDS]

    @fuzz(200)
    @given(edited(seeds))
    def adopt(model: onnx.ModelProto) -> None:
        adopt_or_line(folder, model.SerializeToString())

    adopt()
