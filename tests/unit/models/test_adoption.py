"""Networks of others, adopted: the same picture as the original between hand-written conversions."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from superres.device.base.errors import UserError
from superres.models.adoption.adopt import adopt_onnx
from superres.models.adoption.statements import Adoption, external_files
from superres.models.graphs.onnx_file import kept_float

from . import foreign

LUMA = np.array([0.299, 0.587, 0.114])
MATLAB_LUMA = np.array([65.481, 128.553, 24.966]) / 255


def run(path: Path, name: str, batch: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {name: batch})[0])


def bicubic(picture: np.ndarray, scale: int = 2) -> np.ndarray:
    """Keys' kernel with a = -0.5 and repeated borders, pixel by pixel."""
    height, width, _ = picture.shape

    def weight(d: float) -> float:
        d = abs(d)
        return (
            1.5 * d**3 - 2.5 * d**2 + 1
            if d <= 1
            else max(0, 1) * (-0.5 * d**3 + 2.5 * d**2 - 4 * d + 2) * (d < 2)
        )

    def line(size: int) -> np.ndarray:
        matrix = np.zeros((size * scale, size))
        for out in range(size * scale):
            centre = (out + 0.5) / scale - 0.5
            for tap in range(-2, 3):
                at = int(np.floor(centre)) + tap
                matrix[out, np.clip(at, 0, size - 1)] += weight(at - centre)
        return matrix

    return np.einsum("ay,yxc,bx->abc", line(height), picture, line(width))


def planes(picture: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(picture.transpose(2, 0, 1)[None].astype(np.float32))


def pixels(batch: np.ndarray) -> np.ndarray:
    return batch[0].transpose(1, 2, 0).astype(np.float64)


def by_range(path: Path, frame: np.ndarray) -> np.ndarray:
    return pixels(run(path, "image", planes(frame * 255))) / 255


def by_bgr(path: Path, frame: np.ndarray) -> np.ndarray:
    return pixels(run(path, "image", planes(frame[..., ::-1])))[..., ::-1]


def by_luma(
    path: Path, frame: np.ndarray, black: float = 0.0, row: np.ndarray = LUMA, scale: int = 2
) -> np.ndarray:
    """Luma through the network, Cb and Cr bicubically, each for itself."""
    y = frame @ row + black
    cb, cr = (frame[..., 2] - frame @ LUMA) / 1.772, (frame[..., 0] - frame @ LUMA) / 1.402
    luma = (pixels(run(path, "image", planes(y[..., None])))[..., 0] - black) / row.sum()
    chroma = bicubic(np.stack([cb, cr], axis=-1), scale)
    red = luma + 1.402 * chroma[..., 1]
    blue = luma + 1.772 * chroma[..., 0]
    green = (luma - 0.299 * red - 0.114 * blue) / 0.587
    return np.stack([red, green, blue], axis=-1)


def by_pixels(path: Path, frame: np.ndarray) -> np.ndarray:
    return run(path, "image", (frame * 255)[None].astype(np.float32))[0].astype(np.float64) / 255


def by_uint8(path: Path, frame: np.ndarray) -> np.ndarray:
    levels = np.rint(frame * 255).astype(np.uint8).transpose(2, 0, 1)[None]
    return pixels(run(path, "image", np.ascontiguousarray(levels))) / 255


def by_itself(path: Path, frame: np.ndarray) -> np.ndarray:
    return pixels(run(path, "image", planes(frame)))


def by_white(path: Path, frame: np.ndarray) -> np.ndarray:
    return pixels(run(path, "image", planes(frame))) / 255


def by_signs(path: Path, frame: np.ndarray) -> np.ndarray:
    return (pixels(run(path, "image", planes(2 * frame - 1))) + 1) / 2


def by_halves(path: Path, frame: np.ndarray) -> np.ndarray:
    return pixels(run(path, "image", planes(frame).astype(np.float16)))


def by_even_sides(path: Path, frame: np.ndarray) -> np.ndarray:
    height, width, _ = frame.shape
    padded = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return pixels(run(path, "image", planes(padded)))[: 4 * height, : 4 * width]


CASES: dict[str, tuple[Callable[[Path], Path], Callable[[Path, np.ndarray], np.ndarray], Adoption, str]] = {
    "range": (foreign.rgb, by_range, Adoption(), "rgb 0..255 NCHW 2"),
    "bgr": (foreign.bgr, by_bgr, Adoption(colour="bgr", range="0..1"), "bgr 0..1 NCHW 2"),
    "luma": (foreign.transposed_luma, by_luma, Adoption(swing="full", range="0..1"), "luma 0..1 NCHW 2"),
    "nhwc": (foreign.nhwc_bytes, by_pixels, Adoption(), "rgb 0..255 NHWC 2"),
    "uint8": (foreign.uint8_ends, by_uint8, Adoption(), "rgb 0..255 NCHW 2"),
    "normalised": (foreign.normalised, by_signs, Adoption(range="-1..1"), "rgb -1..1 NCHW 2"),
    "halves": (foreign.halves, by_halves, Adoption(range="0..1"), "rgb 0..1 NCHW 2"),
    "opset 9": (foreign.upsampled, by_itself, Adoption(range="0..1"), "rgb 0..1 NCHW 2"),
    "levels of floats": (foreign.levels_of_floats, by_white, Adoption(), "rgb 0..1 NCHW 2"),
    "two ranges": (foreign.brighter_range, by_white, Adoption(), "rgb 0..1 NCHW 2"),
    "unshuffled": (foreign.unshuffled_x4, by_even_sides, Adoption(range="0..1"), "rgb 0..1 NCHW 4"),
}


@pytest.fixture
def frame() -> np.ndarray:
    """A picture with edges, odd sides, values in 0..1 on the grid of 8 bits."""
    random = np.random.default_rng(0)
    coarse = random.integers(40, 216, (9, 11, 3)).repeat(7, 0).repeat(7, 1)[:61, :75]
    return (coarse + random.integers(-20, 20, coarse.shape)) / 255.0


@pytest.mark.parametrize("case", CASES)
def test_an_adopted_graph_is_the_network_between_conversions(case: str, frame: np.ndarray, tmp_path: Path):
    write, by_hand, stated, expected = CASES[case]
    source = write(tmp_path / "foreign.onnx")
    out, record = tmp_path / "fp32.onnx", tmp_path / "adopted.json"
    adopt_onnx(source, out, record, stated)
    found = json.loads(record.read_text())
    assert " ".join(str(found[key]) for key in ("colour", "range", "layout", "scale")) == expected
    picture = pixels(run(out, "frame", planes(frame)))
    reference = np.clip(by_hand(source, frame), 0, 1)
    # Half floats carry three digits.
    assert np.abs(picture - reference).max() < (2e-3 if case == "halves" else 2e-6)
    assert picture.shape == (found["scale"] * 61, found["scale"] * 75, 3)
    assert found["psnr_db"] > found["bicubic_db"] - 3


def test_the_same_file_gives_the_same_bytes(tmp_path: Path):
    source = foreign.normalised(tmp_path / "foreign.onnx")
    for name in ("a", "b"):
        adopt_onnx(source, tmp_path / f"{name}.onnx", tmp_path / f"{name}.json", Adoption())
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_a_fixed_size_becomes_any_size_and_reshapes_a_depth_to_space(frame: np.ndarray, tmp_path: Path):
    source, out = foreign.luma_fixed(tmp_path / "foreign.onnx"), tmp_path / "fp32.onnx"
    adopt_onnx(source, out, tmp_path / "record.json", Adoption(swing="full", range="0..1"))
    kinds = [node.op_type for node in onnx.load(out).graph.node]
    # Luma is multiplied into the first and the last convolution; chroma is added to the blocks.
    assert kinds == ["Conv", "Pad", "Conv", "Add", "DepthToSpace", "Clip"]
    assert len(kept_float(onnx.load(out))) == 1
    crop = frame[:48, :64]
    picture = pixels(run(out, "frame", planes(crop)))
    assert np.abs(picture - np.clip(by_luma(source, crop), 0, 1)).max() < 2e-6
    assert run(out, "frame", planes(frame)).shape == (1, 3, 122, 150)


def test_luma_of_matlab_is_found_by_its_swing(frame: np.ndarray, tmp_path: Path):
    source = foreign.transposed_luma(tmp_path / "foreign.onnx")
    out = tmp_path / "fp32.onnx"
    adopt_onnx(source, out, tmp_path / "record.json", Adoption(swing="studio", range="0..1"))
    by_hand = by_luma(source, frame, 16 / 255, MATLAB_LUMA)
    assert np.abs(pixels(run(out, "frame", planes(frame))) - np.clip(by_hand, 0, 1)).max() < 2e-6


def test_colours_and_ranges_are_multiplied_into_convolutions(tmp_path: Path):
    out = tmp_path / "fp32.onnx"
    adopt_onnx(foreign.rgb(tmp_path / "foreign.onnx"), out, tmp_path / "record.json", Adoption())
    assert [node.op_type for node in onnx.load(out).graph.node] == ["Conv", "DepthToSpace", "Clip"]


def test_another_reading_that_is_better_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    adopt_onnx(
        foreign.bgr(tmp_path / "f.onnx"), tmp_path / "o.onnx", tmp_path / "r.json", Adoption(range="0..1")
    )
    error = capsys.readouterr().err
    assert "rgb in 0..1, NCHW" in error
    assert "bgr in 0..255 would give" in error


def test_a_denoiser_is_adopted_by_a_photograph_with_noise(
    frame: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    source, out, record = (tmp_path / name for name in ("d.onnx", "fp32.onnx", "adopted.json"))
    adopt_onnx(foreign.denoiser(source), out, record, Adoption(scale=1))
    found = json.loads(record.read_text())
    assert (found["scale"], found["range"], found["clips_itself"]) == (1, "0..1", False)
    # Noise of 10 levels in 255; the network takes some of it away.
    assert 27.9 < found["bicubic_db"] < 28.6 < found["psnr_db"]
    assert "image to result, x1, rgb in 0..1, NCHW, float32: " in capsys.readouterr().err
    picture = pixels(run(out, "frame", planes(frame)))
    assert np.abs(picture - np.clip(pixels(run(source, "image", planes(frame))), 0, 1)).max() < 2e-6


def test_what_a_checkpoint_was_made_into_has_its_name(tmp_path: Path):
    source, ends = foreign.rgb(tmp_path / "checkpoint.onnx"), (tmp_path / "o.onnx", tmp_path / "r.json")
    message = r"^models/x3\.pth: expected a network of the scale 3, .*; write `scale: 2` at this model$"
    with pytest.raises(UserError, match=message):
        adopt_onnx(source, *ends, Adoption(scale=3), named="models/x3.pth")
    adopt_onnx(source, *ends, Adoption(), named="models/x3.pth")
    assert json.loads(ends[1].read_text())["source"] == "models/x3.pth"


def test_external_data_is_known_and_recorded(tmp_path: Path):
    source = foreign.rgb(tmp_path / "mine.onnx")
    for name in ("tensors.bin", "n" * 200):
        onnx.save(onnx.load(source), source, save_as_external_data=True, location=name, size_threshold=0)
        assert external_files(source) == [str(tmp_path / name)]
    adopt_onnx(source, tmp_path / "o.onnx", tmp_path / "r.json", Adoption())
    found = json.loads((tmp_path / "r.json").read_text())
    data = tmp_path / ("n" * 200)
    assert found["external_sha256"] == {str(data): hashlib.sha256(data.read_bytes()).hexdigest()}
    assert external_files(foreign.rgb(tmp_path / "whole.onnx")) == []
    assert external_files(tmp_path / "none.onnx") == []


def test_names_of_the_pipelines_ends_may_be_those_of_any_tensor(frame: np.ndarray, tmp_path: Path):
    model = onnx.load(foreign.rgb(tmp_path / "rgb.onnx"))
    for names in (*(node.input for node in model.graph.node), *(node.output for node in model.graph.node)):
        names[:] = [{"w": "upscaled", "blocks": "frame"}.get(name, name) for name in names]
    model.graph.initializer[-1].name = "upscaled"
    source, out = tmp_path / "odd.onnx", tmp_path / "fp32.onnx"
    onnx.save(model, source)
    assert "upscaled" in [tensor.name for tensor in model.graph.initializer]
    adopt_onnx(source, out, tmp_path / "adopted.json", Adoption())
    by_hand = np.clip(by_range(tmp_path / "rgb.onnx", frame), 0, 1)
    assert np.abs(pixels(run(out, "frame", planes(frame))) - by_hand).max() < 2e-6


@pytest.mark.parametrize("case", ["unshuffled", "luma", "nhwc"])
def test_an_adopted_graph_is_adopted_again(case: str, frame: np.ndarray, tmp_path: Path):
    write, by_hand, stated, _ = CASES[case]
    source, once, twice = (tmp_path / name for name in ("foreign.onnx", "once.onnx", "twice.onnx"))
    adopt_onnx(write(source), once, tmp_path / "once.json", stated)
    adopt_onnx(once, twice, tmp_path / "twice.json", Adoption(range="0..1"))
    reference = np.clip(by_hand(source, frame), 0, 1)
    assert np.abs(pixels(run(twice, "frame", planes(frame))) - reference).max() < 2e-6


def test_a_conversion_that_changes_the_picture_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # As ONNX's converter leaves a resize of opset 9.
    monkeypatch.setattr("superres.models.adoption.rewriting._place_resizes", lambda graph: None)
    with pytest.raises(UserError, match="expected the file's own picture after conversion to opset 17"):
        adopt_onnx(
            foreign.upsampled(tmp_path / "a.onnx"), tmp_path / "b.onnx", tmp_path / "b.json", Adoption()
        )


def _looping(path: Path) -> Path:
    """A branch by the picture's size, as scripts have it."""
    model = onnx.load(foreign.rgb(path))
    kinds = {
        name: onnx.helper.make_graph(
            [helper.make_node(name, ["image"], ["x"])],
            name,
            [],
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, None)],
        )
        for name in ("Relu", "Identity")
    }
    nodes = [
        helper.make_node("Shape", ["image"], ["shape"]),
        helper.make_node("ReduceProd", ["shape"], ["pixels"], keepdims=0),
        helper.make_node("Greater", ["pixels", "few"], ["large"]),
        helper.make_node(
            "If", ["large"], ["chosen"], then_branch=kinds["Relu"], else_branch=kinds["Identity"]
        ),
    ]
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(9), "few"))
    network = list(model.graph.node)
    network[0].input[0] = "chosen"
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *network])
    onnx.save(model, path)
    return path


def _classifier(path: Path) -> Path:
    graph = foreign.Builder()
    x = graph.add("GlobalAveragePool", ["image"], "mean")
    graph.add("Flatten", [x], "result")
    return graph.write(path, [1, 3, "h", "w"], [1, 3])


def _four_channels(path: Path) -> Path:
    graph = foreign.Builder()
    graph.add("Identity", ["image"], "result")
    return graph.write(path, [1, 4, "h", "w"], [1, 4, "h", "w"])


def _two_inputs(path: Path) -> Path:
    source = onnx.load(foreign.rgb(path))
    source.graph.input.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, [1, 3, "h", "w"]))
    onnx.save(source, path)
    return path


def _nan(path: Path) -> Path:
    graph = foreign.Builder()
    x = graph.add("Conv", ["image", graph.store("w", foreign.bilinear_kernels(2, 3))], "blocks", pads=[1] * 4)
    x = graph.add("DepthToSpace", [x], "large", blocksize=2, mode="CRD")
    graph.add("Div", [x, graph.store("zero", np.float32(0))], "result")
    return graph.write(path, [1, 3, "h", "w"], [1, 3, "a", "b"])


def _one_and_a_half(path: Path) -> Path:
    graph = foreign.Builder()
    scales = graph.store("scales", np.array([1, 1, 1.5, 1.5], np.float32))
    graph.add("Resize", ["image", "", scales], "result", mode="linear")
    return graph.write(path, [1, 3, "h", "w"], [1, 3, "a", "b"])


def _uneven(path: Path) -> Path:
    graph = foreign.Builder()
    scales = graph.store("scales", np.array([1, 1, 2, 3], np.float32))
    graph.add("Resize", ["image", "", scales], "result", mode="linear")
    return graph.write(path, [1, 3, "h", "w"], [1, 3, "a", "b"])


def _unpadded(path: Path) -> Path:
    graph = foreign.Builder()
    x = graph.add("Conv", ["image", graph.store("w", foreign.bilinear_kernels(2, 3))], "blocks")
    graph.add("DepthToSpace", [x], "result", blocksize=2, mode="CRD")
    return graph.write(path, [1, 3, "h", "w"], [1, 3, "a", "b"])


def _input_as_output(path: Path) -> Path:
    model = onnx.load(foreign.rgb(path))
    model.graph.output[0].name = "image"
    onnx.save(model, path)
    return path


def _of_the_future(path: Path) -> Path:
    graph = foreign.Builder(opset=99)
    graph.add("Identity", ["image"], "result")
    return graph.write(path, [1, 3, "h", "w"], [1, 3, "a", "b"])


def _text(path: Path) -> Path:
    path.write_text("this is no network")
    return path


def _no_text(path: Path) -> Path:
    """A node's name that isn't UTF-8: everything but Python reads it."""
    content = foreign.luma_fixed(path).read_bytes()
    name = b"\x1a\x06result"
    assert content.count(name) == 1
    path.write_bytes(content.replace(name, b"\x1a\x06\xffesult"))
    return path


@pytest.mark.parametrize(
    ("write", "stated", "message"),
    [
        (_no_text, {}, r"expected names in UTF-8, found b'\\xffesult'; export it again"),
        (_text, {}, "expected an ONNX file, found something else"),
        (_classifier, {}, "expected a network from one picture to one"),
        (_four_channels, {}, "expected 3 channels .* or 1 .*, found 4"),
        (
            _two_inputs,
            {},
            "expected a network from one picture to one .*image .*; other .*name it by the key input",
        ),
        (_nan, {}, "expected finite values, found NaN or infinity in the picture by each reading"),
        (_nan, {"colour": "rgb", "range": "0..1"}, "expected finite values, found NaN or infinity"),
        (
            foreign.rgb,
            {"colour": "luma", "range": "0..1"},
            "expected a reading that fits .*bgr in 0..1.*, found colour: luma, range: 0..1 stated",
        ),
        (foreign.rgb, {"swing": "studio"}, "expected a reading that fits .*, found swing: studio stated"),
        (foreign.uint8_ends, {"range": "0..1"}, "expected a reading that fits .*, found range: 0..1 stated"),
        (
            _one_and_a_half,
            {},
            r"expected a picture a whole number .* found 39x37 from 26x25 \(x1\.5\)",
        ),
        (
            _uneven,
            {},
            r"expected a picture a whole number of times .* found 78x50 from 26x25 \(x3\)",
        ),
        (_unpadded, {}, r"found 48x46 from 26x25 \(x1\.85\); export .* with padded convolutions"),
        (_looping, {}, "expected a graph without control flow, found If; export the network by a trace"),
        (foreign.paler, {}, "none by rgb .*; state colour: ycbcr and range: 0..1, which gives one"),
        (_input_as_output, {}, "expected a network between input and output, found image as both"),
        (_of_the_future, {}, r"expected an opset up to \d+, found 99; export it again in opset 17"),
        (foreign.rgb, {"scale": 4}, "expected a network of the scale 4, .* found x2; write `scale: 2`"),
        (foreign.rgb, {"input": "picture"}, "expected the input picture that the study names, found image"),
        (foreign.rgb, {"range": "0..1"}, "expected a picture close to bicubic.*each way gave"),
    ],
)
def test_what_is_no_super_resolution_network_is_one_line(
    write: Callable[[Path], Path], stated: dict, message: str, tmp_path: Path
):
    out = tmp_path / "fp32.onnx"
    with pytest.raises(UserError, match=message) as caught:
        adopt_onnx(write(tmp_path / "foreign.onnx"), out, tmp_path / "record.json", Adoption(**stated))
    assert "\n" not in str(caught.value)
    assert not out.exists()


def test_a_missing_file_is_one_line(tmp_path: Path):
    with pytest.raises(UserError, match="expected an ONNX file, found nothing there"):
        adopt_onnx(tmp_path / "none.onnx", tmp_path / "o.onnx", tmp_path / "r.json", Adoption())
