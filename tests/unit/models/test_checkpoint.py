"""Checkpoints of others: the graph gives the picture of the network that the file was saved from."""

import importlib
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from superres.device.base.errors import UserError
from superres.models.adoption.adopt import adopt_onnx
from superres.models.adoption.checkpoint import export_checkpoint, import_spandrel
from superres.models.adoption.statements import INSTALL_SPANDREL, Adoption

from .foreign import bilinear_kernels

needs_spandrel = pytest.mark.skipif(
    find_spec("spandrel") is None, reason=f"spandrel is not installed: {INSTALL_SPANDREL}"
)

STATED = Adoption(colour="rgb", range="0..1")
SWIN = {"img_size": 16, "window_size": 8, "embed_dim": 12, "mlp_ratio": 2, "num_heads": [2, 2]}
# Module of spandrel, class, and its arguments but for the scale; the name of which is first.
NETWORKS: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "Real-ESRGAN compact": ("upscale", "Compact", "Compact", {"num_feat": 16, "num_conv": 3}),
    "SPAN": ("upscale", "SPAN", "SPAN", {"num_in_ch": 3, "num_out_ch": 3, "feature_channels": 12}),
    "ESRGAN": ("scale", "ESRGAN", "ESRGAN", {"num_filters": 8, "num_blocks": 2}),
    "ESRGAN+": ("scale", "ESRGAN", "ESRGAN", {"num_filters": 8, "num_blocks": 1, "plus": True}),
    "RCAN": ("scale", "RCAN", "RCAN", {"n_resgroups": 1, "n_resblocks": 2, "n_feats": 8, "reduction": 4}),
    "SwinIR": (
        "upscale",
        "SwinIR",
        "SwinIR",
        {**SWIN, "depths": [2, 2], "upsampler": "pixelshuffledirect"},
    ),
}


def build(name: str, scale: int = 2) -> nn.Module:
    """A network of random weights, in evaluation mode."""
    key, module, kind, arguments = NETWORKS[name]
    import_spandrel()
    torch.manual_seed(0)
    made = importlib.import_module(f"spandrel.architectures.{module}")
    return getattr(made, kind)(**{key: scale}, **arguments).eval()


def frame(height: int = 48, width: int = 64) -> np.ndarray:
    return np.random.default_rng(0).random((1, 3, height, width), np.float32)


def picture(path: Path, batch: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"frame": batch})[0])


def adopt(checkpoint: Path, stated: Adoption = STATED, scale: int | None = None) -> Path:
    """Both steps of a study, into the checkpoint's folder."""
    graph, out = checkpoint.with_name("checkpoint.onnx"), checkpoint.with_name("fp32.onnx")
    export_checkpoint(checkpoint, graph, checkpoint.with_name("checkpoint.json"))
    stated = stated.model_copy(update={"scale": scale}) if scale is not None else stated
    adopt_onnx(graph, out, checkpoint.with_name("adopted.json"), stated)
    return out


@needs_spandrel
@pytest.mark.parametrize("name", NETWORKS)
def test_the_adopted_graph_gives_the_picture_of_the_network(name: str, tmp_path: Path):
    network = build(name)
    torch.save(network.state_dict(), tmp_path / "x2.pth")
    out = adopt(tmp_path / "x2.pth", scale=2)
    with torch.inference_mode():
        expected = network(torch.from_numpy(frame())).clamp(0, 1).numpy()
    assert expected.shape == (1, 3, 96, 128) and expected.std() > 0.01
    assert np.abs(picture(out, frame()) - expected).max() < 2e-5
    # Sides that are no multiple of a window.
    assert picture(out, frame(35, 41)).shape == (1, 3, 70, 82)
    record = json.loads((tmp_path / "checkpoint.json").read_text())
    assert name.rstrip("+") in record["architecture"].replace("RealESRGAN Compact", "Real-ESRGAN compact")
    assert record["scale"] == 2 and record["spandrel"]


WRAPPED: dict[str, Callable[[Mapping[str, Tensor]], Any]] = {
    "params_ema": lambda tensors: {"params": zeros(tensors), "params_ema": tensors},
    "params": lambda tensors: {"params": tensors},
    "model": lambda tensors: {"model": tensors, "optimizer": {"state": {}, "lr": 0.1}, "epoch": 3},
    "state_dict": lambda tensors: {"state_dict": tensors, "epoch": 3},
    "module.": lambda tensors: {f"module.{name}": tensor for name, tensor in tensors.items()},
    "_orig_mod.": lambda tensors: {f"_orig_mod.{name}": tensor for name, tensor in tensors.items()},
    "generator_ema": lambda tensors: {"generator": zeros(tensors), "generator_ema": tensors, "step": 9},
    "lightning": lambda tensors: {
        "state_dict": {f"net.model.{name}": tensor for name, tensor in tensors.items()},
        "global_step": 1,
    },
}


def zeros(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: torch.zeros_like(tensor) for name, tensor in tensors.items()}


@needs_spandrel
@pytest.mark.parametrize("wrapper", WRAPPED)
def test_wrapped_tensors_are_found(wrapper: str, tmp_path: Path):
    network = build("Real-ESRGAN compact")
    torch.save(WRAPPED[wrapper](network.state_dict()), tmp_path / "x.pth")
    export_checkpoint(tmp_path / "x.pth", tmp_path / "x.onnx", tmp_path / "x.json")
    with torch.inference_mode():
        expected = network(torch.from_numpy(frame())).numpy()
    assert np.abs(picture(tmp_path / "x.onnx", frame()) - expected).max() < 2e-6


def save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)


def save_halves(tensors: Mapping[str, Tensor], path: Path) -> None:
    torch.save({name: tensor.half() for name, tensor in tensors.items()}, path)


def save_legacy(tensors: Mapping[str, Tensor], path: Path) -> None:
    torch.save(dict(tensors), path, _use_new_zipfile_serialization=False)


@needs_spandrel
@pytest.mark.parametrize(
    ("write", "name", "error"),
    [
        (save_tensors, "x.safetensors", 2e-6),
        (save_legacy, "x.pt", 2e-6),
        (save_legacy, "x.ckpt", 2e-6),
        (save_halves, "x.pth", 2e-3),
    ],
)
def test_every_kind_of_file_is_read(write: Callable, name: str, error: float, tmp_path: Path):
    network = build("Real-ESRGAN compact")
    write(network.state_dict(), tmp_path / name)
    out = adopt(tmp_path / name)
    with torch.inference_mode():
        expected = network(torch.from_numpy(frame())).clamp(0, 1).numpy()
    assert np.abs(picture(out, frame()) - expected).max() < error


@needs_spandrel
def test_the_same_checkpoint_gives_the_same_bytes(tmp_path: Path):
    torch.save(build("SPAN").state_dict(), tmp_path / "x.pth")
    for name in ("a", "b"):
        export_checkpoint(tmp_path / "x.pth", tmp_path / f"{name}.onnx", tmp_path / f"{name}.json")
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


@needs_spandrel
@pytest.mark.parametrize("found", ["ImportError('none')", "RuntimeError('operator nms does not exist')"])
def test_spandrel_loads_beside_a_torchvision_that_does_not(found: str, tmp_path: Path):
    """As torchvision's wheel for CUDA fails beside torch for CPUs; only two networks of spandrel use it."""
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision/__init__.py").write_text(f"raise {found}\n")
    program = (
        "import sys\n"
        "from superres.models.adoption.checkpoint import import_spandrel\n"
        "print(len(list(import_spandrel().MAIN_REGISTRY)), *(n for n in sys.modules if 'torchvision' in n))\n"
    )
    paths = [str(tmp_path), *sys.path]
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=True,
    )
    # No stand-in stays in sys.modules.
    assert done.stdout.split() == [str(len(list(import_spandrel().MAIN_REGISTRY)))]


@needs_spandrel
def test_a_network_that_is_not_traced_for_any_size_gets_a_graph_for_one(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    """SAFMN pools to an eighth of its input's sides, which the exporter writes as numbers."""
    import_spandrel()
    torch.manual_seed(0)
    safmn = importlib.import_module("spandrel.architectures.SAFMN").SAFMN
    network = safmn(dim=8, n_blocks=1, upscaling_factor=2).eval()
    torch.save(network.state_dict(), tmp_path / "x2.pth")
    export_checkpoint(tmp_path / "x2.pth", tmp_path / "x2.onnx", tmp_path / "x2.json")
    entry = onnx.load(tmp_path / "x2.onnx").graph.input[0]
    assert [dim.dim_value for dim in entry.type.tensor_type.shape.dim] == [1, 3, 128, 128]
    with torch.inference_mode():
        expected = network(torch.from_numpy(frame(128, 128))).numpy()
    assert np.abs(picture(tmp_path / "x2.onnx", frame(128, 128)) - expected).max() < 2e-5
    said = capfd.readouterr()
    assert "a graph for one size, as one for any fails: " in said.err and not said.out
    assert json.loads((tmp_path / "x2.json").read_text())["one_size"]


@needs_spandrel
def test_another_scale_than_that_of_the_clips_is_one_line(tmp_path: Path):
    torch.save(build("Real-ESRGAN compact", 4).state_dict(), tmp_path / "x4.pth")
    with pytest.raises(UserError, match=r"expected a network of the scale 2, .*, found x4"):
        adopt(tmp_path / "x4.pth", scale=2)
    assert "DepthToSpace" in [node.op_type for node in onnx.load(adopt(tmp_path / "x4.pth")).graph.node]


def ends_in_sigmoid() -> nn.Module:
    """A compact network whose Sigmoid gives the picture, enlarged linearly in steps of log odds.

    Its hidden layer has a hinge at each of some values of a colour, and the colour itself.
    """
    knots = np.array([0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.98])
    odds = np.log(knots / (1 - knots))
    slopes = np.diff(np.diff(odds) / np.diff(knots), prepend=0)
    first, last = np.zeros((3, len(slopes) + 1, 3, 3, 3)), np.zeros((12, 3, len(slopes) + 1, 3, 3))
    kernels = bilinear_kernels(2, 3, noise=0)
    for colour in range(3):
        first[colour, :, colour, 1, 1] = 1
        last[:, colour, :-1] = kernels[:, colour, None] * slopes[:, None, None]
        # The network adds its input, enlarged by repetition.
        last[4 * colour : 4 * colour + 4, colour, -1, 1, 1] = -1
    hinges = np.tile([*-knots[:-1], 0.0], 3)
    tensors = {
        "body.0.weight": first.reshape(-1, 3, 3, 3),
        "body.0.bias": hinges,
        "body.1.weight": np.tile([*np.zeros(len(slopes)), 1.0], 3),
        "body.2.weight": last.reshape(12, -1, 3, 3),
        "body.2.bias": np.full(12, odds[0]),
    }
    import_spandrel()
    compact = importlib.import_module("spandrel.architectures.Compact").Compact
    network = compact(num_feat=3 * (len(slopes) + 1), num_conv=0, upscale=2)
    network.load_state_dict({name: torch.from_numpy(value).float() for name, value in tensors.items()})
    return network.eval()


@needs_spandrel
def test_a_last_sigmoid_that_no_tensor_tells_of_is_named_and_can_be_stated(tmp_path: Path):
    network = ends_in_sigmoid()
    torch.save(network.state_dict(), tmp_path / "x.pth")
    with pytest.raises(UserError, match=r"with a last sigmoid, .* \d\d\.\d dB: state last_activation"):
        adopt(tmp_path / "x.pth", Adoption())
    out = adopt(tmp_path / "x.pth", Adoption(last_activation="sigmoid"))
    with torch.inference_mode():
        expected = network(torch.from_numpy(frame())).sigmoid().numpy()
    assert np.abs(picture(out, frame()) - expected).max() < 2e-6
    found = json.loads((tmp_path / "adopted.json").read_text())
    assert found["psnr_db"] > found["bicubic_db"] - 3


@needs_spandrel
def test_what_no_tensor_tells_of_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    torch.save(build("Real-ESRGAN compact").state_dict(), tmp_path / "x.pth")
    export_checkpoint(tmp_path / "x.pth", tmp_path / "x.onnx", tmp_path / "x.json")
    (line,) = capsys.readouterr().err.splitlines()
    assert "x.pth: RealESRGAN Compact, x2, 16nf 3nc; what has no tensors" in line


class Executed:
    """Touches a file when it is unpickled."""

    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.trace),)


def _unknown(path: Path) -> None:
    torch.save({"fancy.weight": torch.ones(3), "fancy.bias": torch.ones(3)}, path)


def _unfit(path: Path) -> None:
    torch.save({"body.0.weight": torch.ones(8, 3, 3, 3), "body.1.weight": torch.ones(8)}, path)


def _nan(path: Path) -> None:
    tensors = build("Real-ESRGAN compact").state_dict()
    tensors["body.2.bias"][0] = float("nan")
    torch.save(tensors, path)


def _pickled(protocol: int) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(pickle.dumps({"a": Executed(path.parent / "ran")}, protocol))


def _damaged(path: Path) -> None:
    torch.save({"a": torch.ones(10_000)}, path)
    path.write_bytes(path.read_bytes()[:20_000])


def _code(path: Path, legacy: bool = False) -> None:
    content = {"a": torch.ones(1), "b": Executed(path.parent / "ran")}
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)


def _program(path: Path) -> None:
    torch.jit.save(torch.jit.script(nn.Identity()), path)


CODE = r"found a pickle with code in it \(\w+\.mkdir\), of which nothing was run; save `network"
BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "unknown": (
        _unknown,
        r"a network that spandrel .* knows, found 2 tensors, such as fancy\.weight, .* key onnx",
    ),
    "other tensors": (
        _unfit,
        "the tensors of RealESRGAN Compact, .*, found: .*; export the network",
    ),
    "nan": (_nan, r"tensor 'body.2.bias': expected finite values"),
    "code": (_code, CODE),
    "legacy code": (partial(_code, legacy=True), CODE),
    "bare code": (_pickled(4), CODE),
    "old code": (_pickled(0), CODE),
    "network": (partial(torch.save, nn.Conv2d(1, 1, 1)), r"code in it \(torch\.nn\.modules\.conv"),
    "program": (_program, "found a TorchScript program, which is code"),
    "text": (lambda path: path.write_text("config: not a checkpoint\n\n"), "found something else"),
    "empty": (Path.touch, "found an empty file; fetch it again"),
    "damaged": (_damaged, "found none that can be read: "),
    "list": (partial(torch.save, [torch.ones(1)]), "expected tensors by name, found a list"),
    "no tensors": (partial(torch.save, {"epoch": 3}), "found no tensors"),
    "nothing": (lambda path: None, "expected a checkpoint, found nothing there; correct its path"),
    "folder": (Path.mkdir, "expected a checkpoint, found nothing there"),
}


@needs_spandrel
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", BAD)
def test_what_is_no_checkpoint_of_a_known_network_is_one_line(case: str, tmp_path: Path):
    write, message = BAD[case]
    write(tmp_path / "x.pth")
    with pytest.raises(UserError, match=message) as caught:
        export_checkpoint(tmp_path / "x.pth", tmp_path / "x.onnx", tmp_path / "x.json")
    assert "\n" not in str(caught.value) and "weights_only" not in str(caught.value)
    assert {path.name for path in tmp_path.iterdir()} <= {"x.pth"}


def test_without_spandrel_one_line_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(UserError, match=r"expected the package spandrel .*envs/checkpoints\.txt"):
        export_checkpoint(tmp_path / "x.pth", tmp_path / "x.onnx", tmp_path / "x.json")
