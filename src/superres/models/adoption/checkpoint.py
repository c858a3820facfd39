"""Checkpoints of PyTorch: the network that spandrel finds for their tensors, as an ONNX file to adopt.

Nothing in a checkpoint is executed: torch reads tensors and plain containers of them, and refuses the rest.
"""

import importlib
import math
import pickletools
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnxruntime
import safetensors.torch
import torch
from torch import Tensor, nn

from superres.device.base.conventions import INPUT
from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs, sha256_file, write_json
from superres.models.adoption.rewriting import first_line
from superres.models.adoption.statements import INSTALL_SPANDREL
from superres.models.export import trace_onnx

# Spandrel imports it for a network that fills holes (LaMa) and one for faces (RestoreFormer). It only works
# with the build of torch that it was made for: its wheel for CUDA doesn't beside torch for CPUs.
_TORCHVISION = ("torchvision", "torchvision.transforms", "torchvision.transforms.functional")
# Windows of attention have 8 or 16 pixels; a graph is traced on a few.
_WINDOW = 16
# What differs between kernels of PyTorch and onnxruntime is far less, of values around 1.
_TOLERANCE = 1e-3
_SAVE = "save `network.state_dict()` by itself, or as .safetensors"


def export_checkpoint(checkpoint: Path, onnx_out: Path, record: Path) -> None:
    """Write the network of a checkpoint as ONNX for any height and width, and what was found to a record.

    Spandrel knows the network by names and shapes of its tensors, in a state dict or in one that is wrapped
    (`params_ema`, `params`, `model`, `state_dict`, `module.`, ...). The graph is compared with the network at
    another size. Raises UserError without spandrel, for a file that is no checkpoint or holds code, for an
    unknown network, and for one that ONNX can't hold at any size.
    """
    spandrel = _spandrel()
    content = _read(checkpoint)
    found = _recognised(spandrel, content, checkpoint)
    name = found.architecture.name
    if not isinstance(found, spandrel.ImageModelDescriptor):
        raise UserError(
            f"{checkpoint}: expected a network from a picture to a picture, found {name} for {found.purpose}"
        )
    for key, tensor in found.model.state_dict().items():
        if not tensor.isfinite().all():
            raise UserError(f"{checkpoint}: tensor '{key}': expected finite values, found NaN or infinity")
    network = _Network(found).eval()
    with Outputs({"onnx": str(onnx_out), "record": str(record)}) as outputs:
        needs = found.size_requirements
        sides = _sides(math.lcm(_WINDOW, needs.multiple_of), needs.minimum)
        _trace(network, outputs["onnx"], (1, found.input_channels, *sides), f"{checkpoint}: {name}")
        facts = {
            "checkpoint": str(checkpoint),
            "checkpoint_sha256": sha256_file(checkpoint),
            "architecture": name,
            "tags": found.tags,
            "scale": found.scale,
            "spandrel": spandrel.__version__,
        }
        write_json(outputs["record"], facts)
    print(
        f"{checkpoint}: {name}, x{found.scale}, {' '.join(found.tags)}; what has no tensors, such as "
        "activations and ranges of values, is as spandrel builds it",
        file=sys.stderr,
    )


class _Network(nn.Module):
    """The network as spandrel calls it: some give several outputs."""

    def __init__(self, found: Any):
        super().__init__()
        self.network = found.model.float()
        self._call = found._call_fn

    def forward(self, picture: Tensor) -> Tensor:
        # Some change their input.
        return self._call(self.network, picture.clone())


def _spandrel() -> Any:
    """Return the package; raises UserError without it."""
    try:
        with _torchvision():
            # By name: it is optional, and type checkers would miss it.
            return importlib.import_module("spandrel")
    except ImportError as error:
        raise UserError(
            f"expected the package spandrel for checkpoints, found: {error}; install it with: "
            f"{INSTALL_SPANDREL}"
        ) from error


@contextmanager
def _torchvision() -> Iterator[None]:
    """Import spandrel without torchvision, unless it works here: empty modules stand for it meanwhile."""
    try:
        importlib.import_module(_TORCHVISION[-1])
    except (ImportError, RuntimeError, OSError):
        absent = {name: _Absent(name) for name in _TORCHVISION}
    else:
        yield
        return
    sys.modules.update(absent)
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


class _Absent(ModuleType):
    """A module whose names can be imported; using one fails."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)


def _read(checkpoint: Path) -> Mapping[str, Any]:
    """Return what a file holds, tensors and plain containers of them; raises UserError for anything else."""
    if not checkpoint.is_file():
        raise UserError(f"{checkpoint}: expected a checkpoint, found nothing there; correct its path")
    try:
        if checkpoint.suffix == ".safetensors":
            return safetensors.torch.load_file(checkpoint)
        content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except Exception as error:
        found = _found(checkpoint, error)
        raise UserError(f"{checkpoint}: expected a checkpoint with tensors, found {found}") from error
    if not isinstance(content, Mapping):
        kind = type(content).__name__
        raise UserError(f"{checkpoint}: expected tensors by name, found a {kind}; {_SAVE}")
    return content


def _found(checkpoint: Path, error: Exception) -> str:
    """Return what a file is that torch refuses; its own text advises to run the code."""
    text = str(error)
    named = re.search(r"GLOBAL ([\w.]+) (?:was|whose)", text)
    if code := named[1] if named else _called(checkpoint):
        return f"a pickle with code in it ({code}), of which nothing was run; {_SAVE}"
    if "TorchScript" in text:
        return f"a TorchScript program, which is code; {_SAVE}"
    with checkpoint.open("rb") as file:
        whole = file.read(2) != b"PK" and checkpoint.suffix != ".safetensors"
    return "something else" if whole else f"none that can be read: {first_line(error)}"


def _called(checkpoint: Path) -> str:
    """Return the first function that a bare pickle names, without running it; empty if there is none."""
    texts: list[str] = []
    with checkpoint.open("rb") as file, suppress(ValueError):
        for operation, argument, _ in pickletools.genops(file):
            if operation.name in ("GLOBAL", "INST"):
                # Text that is no pickle may look like one up to here.
                named = re.fullmatch(r"([\w.]+) ([\w.]+)", str(argument))
                return ".".join(named.groups()) if named else ""
            if operation.name == "STACK_GLOBAL":
                return ".".join(texts[-2:])
            if isinstance(argument, str):
                texts.append(argument)
    return ""


def _recognised(spandrel: ModuleType, content: Mapping[str, Any], checkpoint: Path) -> Any:
    """Return spandrel's description of the network whose tensors a checkpoint holds."""
    tried: list[Mapping[str, Any]] = []
    for tensors in _state_dicts(spandrel, content):
        tried.append(tensors)
        for known in spandrel.MAIN_REGISTRY.architectures("detection"):
            if not known.detect(tensors):
                continue
            try:
                return known.architecture.load(dict(tensors))
            except Exception as error:
                raise UserError(
                    f"{checkpoint}: expected the tensors of {known.architecture.name}, which their names are "
                    f"of, found: {first_line(error)}; export the network to ONNX from its own code"
                ) from error
    names = list(max(tried, key=len, default={}))
    found = f"{len(names)} tensors, {', '.join(map(str, names[:3]))}, ..." if names else "no tensors"
    raise UserError(
        f"{checkpoint}: expected a network that spandrel {spandrel.__version__} knows, found {found}; export "
        "it to ONNX from its own code, and name that file by the key onnx"
    )


def _state_dicts(spandrel: ModuleType, content: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the tensors by name that a checkpoint may mean, averaged ones first among unknown wrappers.

    Spandrel takes off the usual wrappers; here others, and a prefix that all names share, go too.
    """
    wrapped = sorted(content.items(), key=lambda item: "ema" not in str(item[0]))
    for held in (content, *(value for _, value in wrapped if isinstance(value, Mapping))):
        tensors = spandrel.canonicalize_state_dict(dict(held))
        tensors = {str(key): value for key, value in tensors.items() if isinstance(value, Tensor)}
        while tensors:
            yield tensors
            first = {key.partition(".")[0] for key in tensors}
            shared = len(first) == 1 and all("." in key for key in tensors)
            tensors = {key.partition(".")[2]: value for key, value in tensors.items()} if shared else {}


def _sides(multiple: int, least: int) -> tuple[int, int]:
    """Return two sides that a network takes: different ones, as a swap of them would show."""
    short = multiple * max(2, math.ceil(least / multiple))
    return short, short + multiple


def _trace(network: nn.Module, path: Path, shape: tuple[int, int, int, int], where: str) -> None:
    """Write the graph, and compare it with the network at another size than the one of the trace."""
    with warnings.catch_warnings():
        # What they warn of, values that become constants, the comparison finds.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        warnings.filterwarnings("ignore", module=r"torch\.onnx\.")
        try:
            trace_onnx(network, path, shape)
        except Exception as error:
            raise UserError(
                f"{where}: expected a network that PyTorch exports to ONNX, found: {first_line(error)}"
            ) from error
    batch, channels, height, width = shape
    picture = torch.rand(batch, channels, width, height, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = network(picture).numpy()
    session = onnxruntime.InferenceSession(str(path), _quiet(), providers=["CPUExecutionProvider"])
    try:
        found = np.asarray(session.run(None, {INPUT: picture.numpy()})[0])
        same = np.allclose(found, expected, atol=_TOLERANCE * max(1.0, float(np.abs(expected).max())))
        reason = "" if same else "another picture"
    except Exception as error:  # noqa: BLE001 - onnxruntime raises many kinds
        reason = first_line(error)
    if reason:
        raise UserError(
            f"{where}: expected a graph for any size, found at {height}x{width}, after a trace at "
            f"{width}x{height}: {reason}; export it to ONNX from its own code"
        )


def _quiet() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return options
