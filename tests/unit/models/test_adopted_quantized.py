"""Networks that others have quantised: as they are, and their float form."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from superres.device.base.errors import UnsupportedError, UserError
from superres.device.runtimes import load_runtime
from superres.device.runtimes.base import AS_WRITTEN, Settings
from superres.models.adoption.adopt import adopt_as_is, adopt_onnx
from superres.models.adoption.statements import Adoption, is_quantized
from superres.models.graphs.footprint import measure_footprint
from superres.models.graphs.uint8.forms import PLAIN, form_of, write_form

from . import foreign, oracle
from . import foreign_quantized as quantized

WAYS = [quantized.pairs, quantized.linear, quantized.dynamic]


@pytest.fixture
def frame() -> np.ndarray:
    """A smooth picture on the grid of 8 bits."""
    random = np.random.default_rng(0)
    coarse = random.integers(30, 226, (9, 11, 3)).repeat(7, 0).repeat(7, 1)[:61, :75]
    return np.clip(coarse + random.integers(-20, 20, coarse.shape), 0, 255).astype(np.uint8)


def run(path: Path, name: str, frame: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    planes = np.ascontiguousarray(frame.transpose(2, 0, 1)[None] / np.float32(255), np.float32)
    return np.asarray(session.run(None, {name: planes})[0])[0].transpose(1, 2, 0).astype(np.float64)


def adopt(write: Callable[[Path], Path], folder: Path) -> tuple[Path, Path, Path]:
    source = write(folder / "foreign.onnx")
    fp32, record, as_is = folder / "fp32.onnx", folder / "adopted.json", folder / "as-is.onnx"
    adopt_onnx(source, fp32, record, Adoption(range="0..1"))
    adopt_as_is(source, record, as_is)
    return source, fp32, as_is


@pytest.mark.parametrize("write", WAYS)
def test_as_is_has_the_nodes_and_the_picture_of_the_file(
    write: Callable[[Path], Path], frame: np.ndarray, tmp_path: Path
):
    source, _, as_is = adopt(write, tmp_path)
    assert is_quantized(source)
    kinds = [node.op_type for node in onnx.load(source).graph.node]
    assert [node.op_type for node in onnx.load(as_is).graph.node] == [*kinds, "Clip"]
    assert np.abs(run(as_is, "frame", frame) - np.clip(run(source, "image", frame), 0, 1)).max() < 1e-6


@pytest.mark.parametrize("write", WAYS)
def test_the_float_form_is_the_network_without_rounding(
    write: Callable[[Path], Path], frame: np.ndarray, tmp_path: Path
):
    _, fp32, as_is = adopt(write, tmp_path)
    kinds = {node.op_type for node in onnx.load(fp32).graph.node}
    assert not {kind for kind in kinds if "Quantize" in kind or "Linear" in kind or "Integer" in kind}
    # By hand: the levels of weights, float data, limits where a scale of uint8 has them.
    data = frame.transpose(2, 0, 1) / 255
    for weights in (quantized._first(), quantized._second()):
        scale = np.abs(weights).reshape(len(weights), -1).max(axis=1) / 127
        scale = (scale if write is not quantized.dynamic else np.full_like(scale, scale.max())).astype(
            np.float32
        )
        levels = np.rint(weights / scale[:, None, None, None]).astype(np.float64) * scale[:, None, None, None]
        bias = (4 * scale / 255 if write is not quantized.dynamic else np.zeros_like(scale)).astype(
            np.float64
        )
        data = oracle.convolve(data, levels, bias)
        data = np.maximum(data, 0) if write is quantized.dynamic else np.clip(data, 0, 1)
    expected = np.clip(oracle.depth_to_space(data), 0, 1).transpose(1, 2, 0)
    found = run(fp32, "frame", frame)
    assert np.abs(found - expected).max() < 1e-5
    # Rounding moves it, by few levels.
    difference = np.abs(found - run(as_is, "frame", frame))
    assert 1e-4 < difference.max() < 6 / 255


def in_vectors(path: Path) -> Path:
    """Rewrite a file so that each scale and zero-point is a vector of one, as some tools write them."""
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        tensor.dims[:] = tensor.dims or [1]
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("write", WAYS)
def test_a_vector_of_one_is_a_number(write: Callable[[Path], Path], frame: np.ndarray, tmp_path: Path):
    folders = [tmp_path / name for name in ("numbers", "vectors")]
    for folder in folders:
        folder.mkdir()
    _, *numbers = adopt(write, folders[0])
    _, *vectors = adopt(lambda path: in_vectors(write(path)), folders[1])
    for files in (numbers, vectors):
        write_form(files[-1], form := files[-1].with_name("form.onnx"), form_of("onnxruntime", "int8"))
        files.append(form)
    for one, other in zip(numbers[:2], vectors[:2], strict=True):
        assert np.abs(run(one, "frame", frame) - run(other, "frame", frame)).max() < 1e-6
    kinds = [[node.op_type for node in onnx.load(files[2]).graph.node] for files in (numbers, vectors)]
    assert kinds[0] == kinds[1]


@pytest.mark.parametrize("write", WAYS)
@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_runtimes_run_it_as_it_is(
    write: Callable[[Path], Path], runtime: str, frame: np.ndarray, tmp_path: Path
):
    source, _, as_is = adopt(write, tmp_path)
    form = PLAIN if runtime == "openvino" else form_of(runtime, "int8")
    built, engine = as_is, tmp_path / "engine.bin"
    if form != PLAIN:
        write_form(as_is, built := tmp_path / "form.onnx", form)
    sizes = {name: [61, 75] for name in ("smallest", "tuned", "largest")}
    settings = Settings(AS_WRITTEN, 1, {"frames": "uint8", "sizes": sizes})
    module = load_runtime(runtime)
    if (runtime, write) == ("openvino", quantized.linear):
        # It reads no QLinearConv with a scale for each channel, and says which operator that is.
        with pytest.raises(UnsupportedError, match=r"lacks operators of this graph: .*QLinearConv"):
            module.build(built, engine, settings)
        return
    facts = module.build(built, engine, settings)
    result = module.open_engine(engine, settings).run(frame)
    expected = np.rint(255 * np.clip(run(source, "image", frame), 0, 1))
    assert np.abs(result - expected).max() <= 2
    assert np.abs(result - expected).mean() < 0.1
    # OpenVINO multiplies dynamic levels in float; onnxruntime a convolution whose result stays float.
    least = {("openvino", "dynamic"): 0, ("onnxruntime", "pairs"): 1}
    assert facts["int8_convolutions"] >= least.get((runtime, write.__name__), 2)


@pytest.mark.parametrize("write", WAYS)
def test_how_far_it_looks_is_known(write: Callable[[Path], Path], tmp_path: Path):
    _, fp32, as_is = adopt(write, tmp_path)
    assert measure_footprint(fp32).radius == 2
    # A scale that follows the picture depends on all of it.
    assert measure_footprint(as_is).radius == (None if write is quantized.dynamic else 2)


def test_a_float_file_has_no_precision_as_is(tmp_path: Path):
    source = foreign.halves(tmp_path / "foreign.onnx")
    assert not is_quantized(source)
    assert not is_quantized(tmp_path / "missing.onnx")
    adopt_onnx(source, tmp_path / "o.onnx", tmp_path / "r.json", Adoption(range="0..1"))
    with pytest.raises(UserError, match="expected a graph that is quantised already"):
        adopt_as_is(source, tmp_path / "r.json", tmp_path / "as-is.onnx")


def test_a_quantised_operator_without_float_form_is_named(tmp_path: Path):
    source = quantized.unknown(tmp_path / "foreign.onnx")
    with pytest.raises(UserError, match="QLinearSoftmax") as caught:
        adopt_onnx(source, tmp_path / "o.onnx", tmp_path / "r.json", Adoption())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("axis", [3, -1, 1])
def test_scales_along_another_axis_than_theirs_get_one_line(axis: int, tmp_path: Path):
    """Eight scales for three rows, columns or channels of a kernel."""
    source = quantized.pairs(tmp_path / "foreign.onnx")
    model = onnx.load(source)
    node = next(node for node in model.graph.node if node.op_type == "DequantizeLinear" and node.attribute)
    node.attribute[0].i = axis
    onnx.save(model, source)
    with pytest.raises(UserError, match="expected scales and zero-points that fit the values of Dequantize"):
        adopt_onnx(source, tmp_path / "fp32.onnx", tmp_path / "adopted.json", Adoption())
