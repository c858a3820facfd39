"""Checkpoints of PyTorch: the network that spandrel finds for their tensors, as an ONNX file to adopt.

Nothing in a checkpoint is executed: torch reads tensors and plain containers of them, and refuses the rest.
"""

import importlib
import math
import os
import pickletools
import re
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
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
from superres.device.base.words import counted
from superres.file_kinds import kind_of_file, remedy
from superres.models.adoption.rewriting import first_line
from superres.models.adoption.statements import INSTALL_SPANDREL
from superres.models.export import trace_onnx

# Spandrel imports it for a network that fills holes (LaMa) and one for faces (RestoreFormer). It only works
# with the build of torch that it was made for: its wheel for CUDA doesn't beside torch for CPUs.
_TORCHVISION = ("torchvision", "torchvision.transforms", "torchvision.transforms.functional")
# Windows of attention have 8 or 16 pixels; a graph is traced on a few.
_WINDOW = 16
# The side of a graph that is for one size, which frames are cut into.
_ONE_SIZE = 128
# What differs between kernels of PyTorch and onnxruntime is far less, of values around 1.
_TOLERANCE = 1e-3
_SAVE = "save `network.state_dict()` by itself, or as .safetensors"


def export_checkpoint(checkpoint: Path, onnx_out: Path, record: Path) -> None:
    """Write the network of a checkpoint as ONNX, and what was found to a record.

    Spandrel knows the network by names and shapes of its tensors, in a state dict or in one that is wrapped
    (`params_ema`, `params`, `model`, `state_dict`, `module.`, ...). The graph is compared with the network at
    another size than that of its trace. Where it differs, a graph for one size is written. Raises UserError
    without spandrel, for a file that is no checkpoint or holds code, for an unknown network, and for one that
    ONNX can't hold.
    """
    spandrel = import_spandrel()
    with warnings.catch_warnings(), Outputs({"onnx": str(onnx_out), "record": str(record)}) as outputs:
        # What code of others warns of, the comparison finds.
        warnings.simplefilter("ignore")
        found = _recognised(spandrel, _read(checkpoint), checkpoint)
        _check(spandrel, found, checkpoint)
        one_size = _write(_Network(found).eval(), outputs["onnx"], found, checkpoint)
        facts = {
            "checkpoint": str(checkpoint),
            "checkpoint_sha256": sha256_file(checkpoint),
            "architecture": found.architecture.name,
            "tags": found.tags,
            "scale": found.scale,
            "spandrel": spandrel.__version__,
            "one_size": one_size or None,
        }
        write_json(outputs["record"], facts)
    print(
        f"{checkpoint}: {found.architecture.name}, x{found.scale}, {' '.join(found.tags)}; what has no "
        "tensors, such as activations and ranges of values, is as spandrel builds it",
        *([f"a graph for one size, as one for any fails: {one_size}"] if one_size else []),
        sep="\n  ",
        file=sys.stderr,
    )


def _check(spandrel: Any, found: Any, checkpoint: Path) -> None:
    """Raise UserError for a network for another task, and for tensors that aren't finite."""
    if not isinstance(found, spandrel.ImageModelDescriptor):
        raise UserError(
            f"{checkpoint}: expected a network from a picture to a picture, found {found.architecture.name} "
            f"for {found.purpose}"
        )
    for key, tensor in found.model.state_dict().items():
        if not tensor.isfinite().all():
            raise UserError(
                f"{checkpoint}: tensor '{key}': expected finite values, found NaN or infinity; take another "
                "file"
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


def import_spandrel() -> Any:
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
    if kind := kind_of_file(checkpoint) if whole or not checkpoint.stat().st_size else None:
        return f"{kind}; {remedy(kind, 'correct its path')}"
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
    found = (
        f"{counted(len(names), 'tensor')}, such as {', '.join(map(str, names[:3]))}"
        if names
        else "no tensors"
    )
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


def _write(network: nn.Module, path: Path, found: Any, checkpoint: Path) -> str:
    """Write the graph for any size, or for one; returns why it is for one, empty if it isn't."""
    needs, batch = found.size_requirements, (1, found.input_channels)
    multiple = math.lcm(_WINDOW, needs.multiple_of)
    short = multiple * max(2, math.ceil(needs.minimum / multiple))
    # Sides differ, as a swap of the two would show.
    traced, swapped = (*batch, short, short + multiple), (*batch, short + multiple, short)
    if not (reason := _fault(network, path, traced, swapped)):
        return ""
    side = multiple * math.ceil(_ONE_SIZE / multiple)
    one = (*batch, side, side)
    if again := _fault(network, path, one, one, fixed=True):
        name = found.architecture.name
        raise UserError(
            f"{checkpoint}: expected a network that PyTorch exports to ONNX, found {name}: {again}"
        )
    return reason


@contextmanager
def _silent() -> Iterator[None]:
    """Drop what is printed to the process's output: PyTorch's exporter prints the whole graph if it fails."""
    sys.stdout.flush()
    kept = os.dup(1)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _fault(
    network: nn.Module, path: Path, shape: Sequence[int], compared: Sequence[int], *, fixed: bool = False
) -> str:
    """Trace at a shape, and compare graph and network at another; returns what is wrong, empty if nothing."""
    try:
        with _silent():
            trace_onnx(network, path, shape, fixed=fixed)
        picture = torch.rand(*compared, generator=torch.Generator().manual_seed(0))
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        found = np.asarray(session.run(None, {INPUT: picture.numpy()})[0])
        with torch.inference_mode():
            expected = network(picture).numpy()
    except Exception as error:  # noqa: BLE001 - exporter, runtime and networks raise many kinds
        return first_line(error)
    near = found.shape == expected.shape and np.allclose(
        found, expected, rtol=0, atol=_TOLERANCE * max(1.0, float(np.abs(expected).max()))
    )
    return "" if near else f"another picture at {compared[3]}x{compared[2]} than the network's own"
