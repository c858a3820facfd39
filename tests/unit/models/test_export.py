import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from superres.device.base.errors import UserError
from superres.models.architectures import Plain
from superres.models.export import export_onnx, export_program
from superres.models.graphs.onnx_file import KEPT_FLOAT_PROPERTY, find_convolutions, kept_float
from superres.models.networks import NETWORKS, Network
from superres.models.settings import FOLDED_FROM, NetworkSettings, weights_name
from superres.models.weights import save_weights
from superres.report.metrics.operations import count_operations

MakeNetwork = Callable[..., Network]
EVERY_MODEL = [*NETWORKS, *FOLDED_FROM]
# The second is odd and not square; the last is the smallest that a program takes.
SIZES = [(24, 40), (33, 17), (64, 48), (2, 2)]
CASES = [
    ("espcn_rgb", NetworkSettings()),
    ("espcn_ycbcr", NetworkSettings(chroma_upsampling="bicubic")),
    ("espcn_ycbcr", NetworkSettings(chroma_upsampling="bilinear")),
    ("espcn_ycbcr", NetworkSettings(chroma_upsampling="nearest")),
    ("espcn_ycbcr_folded", NetworkSettings(chroma_upsampling="bicubic")),
    ("espcn_ycbcr_folded", NetworkSettings(chroma_upsampling="nearest")),
    ("espcn_anchor", NetworkSettings()),
    *((model, NetworkSettings()) for model in ("plain_c8_m4", "unshuffle_c32_m4", "fsrcnn", "quicksrnet_s")),
    ("mine", NetworkSettings(architecture=Plain(channels=5, layers=1, anchor="nearest", activation="prelu"))),
]


def frame_of(height: int, width: int) -> torch.Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(height))


@pytest.fixture
def weights(make_network: MakeNetwork, tmp_path: Path) -> Callable[[str], Path]:
    def write(model: str) -> Path:
        path = tmp_path / f"{model}.safetensors"
        save_weights(make_network(weights_name(model), dict(reversed(CASES)).get(model)), path)
        return path

    return write


@pytest.mark.parametrize(("model", "settings"), CASES)
def test_onnx_equals_pytorch(
    make_network: MakeNetwork,
    weights: Callable[[str], Path],
    tmp_path: Path,
    model: str,
    settings: NetworkSettings,
) -> None:
    export_onnx(model, weights(model), tmp_path / "m.onnx", settings)
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    network = make_network(weights_name(model), settings)
    for size in SIZES:
        frame = frame_of(*size)
        with torch.inference_mode():
            expected = network(frame).numpy()
        (found,) = session.run(["upscaled"], {"frame": frame.numpy()})
        assert np.abs(np.asarray(found) - expected).max() < 1e-5


@pytest.mark.filterwarnings("ignore:.torch.jit.load. is deprecated:DeprecationWarning")
@pytest.mark.parametrize(("model", "settings"), CASES)
def test_program_equals_pytorch(
    make_network: MakeNetwork,
    weights: Callable[[str], Path],
    tmp_path: Path,
    model: str,
    settings: NetworkSettings,
) -> None:
    export_program(model, weights(model), tmp_path / "m.pt", settings)
    program = torch.jit.load(tmp_path / "m.pt")
    network = make_network(weights_name(model), settings)
    for size in SIZES:
        frame = frame_of(*size)
        with torch.inference_mode():
            assert (program(frame) - network(frame)).abs().max() < 3e-6
    assert not list(tmp_path.glob("*part*"))


# Channels in x out x kernel, layer by layer; folded, a luma layer has three channels in and twelve out, and
# bicubic adds 3 x 12 x 5 x 5.
PLAIN = 3 * 96 * 25 + 96 * 48 * 9 + 48 * 12 * 9
MACS_PER_PIXEL = {
    "espcn_rgb": PLAIN,
    "espcn_ycbcr": 1 * 96 * 25 + 96 * 48 * 9 + 48 * 4 * 9,
    "espcn_ycbcr_folded": PLAIN + 3 * 12 * 25,
    "espcn_anchor": PLAIN + 3 * 12 * 25,
    **{
        f"plain_c{width}_m{hidden}": 3 * width * 9 + hidden * width**2 * 9 + width * 12 * 9 + 3 * 12 * 25
        for width, hidden in ((8, 4), (16, 4), (16, 10), (32, 4), (32, 6))
    },
    # Six by six at every second pixel, and 48 channels for blocks of 4 x 4.
    "unshuffle_c32_m4": (3 * 32 * 36 + 4 * 32**2 * 9 + 32 * 48 * 9) / 4 + 3 * 12 * 25,
    "fsrcnn": 3 * 56 * 25 + 2 * 56 * 12 + 4 * 12**2 * 9 + 56 * 12 * 25 + 3 * 12 * 25,
    "quicksrnet_s": 3 * 32 * 9 + 2 * 32**2 * 9 + 32 * 12 * 9,
    "espcn_64_32": 3 * 64 * 25 + 64 * 32 * 9 + 32 * 12 * 9 + 3 * 12 * 25,
}


@pytest.mark.parametrize("model", EVERY_MODEL)
def test_onnx_keeps_the_contract(weights: Callable[[str], Path], tmp_path: Path, model: str) -> None:
    export_onnx(model, weights(model), tmp_path / "new" / "m.onnx")
    found = onnx.load_model(tmp_path / "new" / "m.onnx")
    assert [(o.domain, o.version) for o in found.opset_import] == [("", 17)]
    (source,), (result,) = found.graph.input, found.graph.output
    assert (source.name, result.name) == ("frame", "upscaled")
    for value in (source, result):
        tensor = value.type.tensor_type
        assert tensor.elem_type == onnx.TensorProto.FLOAT
        assert [d.dim_value for d in tensor.shape.dim[:2]] == [1, 3]
        assert all(d.dim_param for d in tensor.shape.dim[2:])
    assert count_operations(tmp_path / "new" / "m.onnx").macs_per_pixel == MACS_PER_PIXEL[model]
    assert all(t.data_location == onnx.TensorProto.DEFAULT for t in found.graph.initializer)
    assert not found.producer_name
    assert {entry.key for entry in found.metadata_props} <= {KEPT_FLOAT_PROPERTY}
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["m.onnx"]


def nodes(path: Path, kind: str) -> list[dict[str, object]]:
    graph = onnx.load_model(path).graph
    return [
        {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        for node in graph.node
        if node.op_type == kind
    ]


def test_onnx_graph_is_the_papers(weights: Callable[[str], Path], tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    export_onnx("espcn_rgb", weights("espcn_rgb"), path)
    kinds = [node.op_type for node in onnx.load_model(path).graph.node if node.op_type != "Constant"]
    assert kinds == ["Conv", "Relu", "Conv", "Relu", "Conv", "DepthToSpace", "Clip"]
    assert nodes(path, "DepthToSpace") == [{"blocksize": 2, "mode": b"CRD"}]
    export_onnx("espcn_ycbcr", weights("espcn_ycbcr"), path)
    (resize,) = nodes(path, "Resize")
    assert resize["mode"] == b"cubic"
    assert resize["coordinate_transformation_mode"] == b"half_pixel"
    assert resize["cubic_coeff_a"] == -0.75
    assert len(nodes(path, "Split")) == 2
    assert nodes(path, "DepthToSpace") == [{"blocksize": 2, "mode": b"CRD"}]


def test_chroma_is_resized_by_constant_scales(weights: Callable[[str], Path], tmp_path: Path) -> None:
    export_onnx("espcn_ycbcr", weights("espcn_ycbcr"), tmp_path / "m.onnx")
    graph = onnx.load_model(tmp_path / "m.onnx").graph
    (resize,) = [node for node in graph.node if node.op_type == "Resize"]
    constants = {node.output[0]: node.attribute[0].t for node in graph.node if node.op_type == "Constant"}
    assert onnx.numpy_helper.to_array(constants[resize.input[2]]).tolist() == [1, 1, 2, 2]
    assert len(resize.input) == 3


@pytest.mark.parametrize("model", ["espcn_ycbcr_folded", "espcn_anchor"])
def test_folded_graph_has_convolutions_and_one_of_all_else(
    weights: Callable[[str], Path], tmp_path: Path, model: str
) -> None:
    path = tmp_path / "m.onnx"
    export_onnx(model, weights(model), path)
    graph = onnx.load_model(path)
    kinds = [node.op_type for node in graph.graph.node if node.op_type != "Constant"]
    assert kinds == [*["Conv", "Relu"] * 2, "Conv", "Pad", "Conv", "Add", "DepthToSpace", "Clip"]
    (pad,) = (node for node in graph.graph.node if node.op_type == "Pad")
    constants = {t.name: onnx.numpy_helper.to_array(t).tolist() for t in graph.graph.initializer}
    assert constants[pad.input[1]] == [0, 0, 2, 2, 0, 0, 2, 2]
    assert nodes(path, "Pad") == [{"mode": b"edge"}]


def test_folded_graph_says_that_its_skip_stays_in_float(
    weights: Callable[[str], Path], tmp_path: Path
) -> None:
    path = tmp_path / "m.onnx"
    export_onnx("espcn_anchor", weights("espcn_anchor"), path)
    graph = onnx.load_model(path)
    (skip,) = (node for node in graph.graph.node if "skip.weight" in node.input)
    assert kept_float(graph) == [skip.output[0]]
    assert [conv.weights for conv in find_convolutions(graph)] == [f"conv{i}.weight" for i in (1, 2, 3)]
    onnx.helper.set_model_props(graph, {KEPT_FLOAT_PROPERTY: '["nothing"]'})
    with pytest.raises(UserError, match=r"superres\.kept_float: expected outputs of conv.*found nothing"):
        find_convolutions(graph)


@pytest.mark.parametrize("model", EVERY_MODEL)
def test_same_weights_same_bytes(weights: Callable[[str], Path], tmp_path: Path, model: str) -> None:
    path = weights(model)
    for name in ("a.onnx", "b.onnx"):
        export_onnx(model, path, tmp_path / name)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_export_is_quiet(weights: Callable[[str], Path], tmp_path: Path) -> None:
    path = weights("espcn_ycbcr")
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        export_onnx("espcn_ycbcr", path, tmp_path / "m.onnx")
        export_program("espcn_ycbcr", path, tmp_path / "m.pt")
    assert not raised


def test_weights_that_do_not_fit_leave_no_file(weights: Callable[[str], Path], tmp_path: Path) -> None:
    for export in (export_onnx, export_program):
        with pytest.raises(UserError, match=r"trunk\.conv1\.weight"):
            export("espcn_rgb", weights("espcn_ycbcr"), tmp_path / "out")
    assert not (tmp_path / "out").exists()
