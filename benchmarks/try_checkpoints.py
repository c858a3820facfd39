"""Try which networks that spandrel knows are exported and adopted, and write what came of each as CSV.

    .venv/bin/python benchmarks/try_checkpoints.py > docs/figures/checkpoints/tried.csv
    .venv/bin/python benchmarks/try_checkpoints.py Compact SPAN

Each is a small network of random weights, saved by PyTorch as a checkpoint. The difference is that of the
adopted graph from spandrel's own picture.
"""

import csv
import importlib
import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch

from superres.device.base.errors import UserError
from superres.models.adoption.adopt import adopt_onnx
from superres.models.adoption.checkpoint import export_checkpoint, import_spandrel
from superres.models.adoption.statements import Adoption

_SWIN: Mapping[str, Any] = {
    "upscale": 2,
    "img_size": 16,
    "window_size": 8,
    "embed_dim": 12,
    "mlp_ratio": 2,
    "num_heads": [2, 2],
    "depths": [2, 2],
    "upsampler": "pixelshuffle",
}
_DAT: Mapping[str, Any] = {
    "upscale": 2,
    "img_size": 16,
    "embed_dim": 32,
    "depth": [2],
    "num_heads": [2],
    "split_size": [8, 8],
}
# Class, and the arguments of a small network for x2. Its module has the same name, or the one before the /.
NETWORKS: Mapping[str, Mapping[str, Any]] = {
    "Compact": {"upscale": 2, "num_feat": 16, "num_conv": 3},
    "SPAN": {"upscale": 2, "num_in_ch": 3, "num_out_ch": 3, "feature_channels": 12},
    "ESRGAN": {"scale": 2, "num_filters": 8, "num_blocks": 2},
    "RCAN": {"scale": 2, "n_resgroups": 1, "n_resblocks": 2, "n_feats": 8, "reduction": 4},
    "PLKSR": {"upscaling_factor": 2, "dim": 16, "n_blocks": 2},
    "PLKSR/RealPLKSR": {"upscaling_factor": 2, "dim": 16, "n_blocks": 2},
    "MoSR": {"upscale": 2, "n_block": 2, "dim": 16},
    "MoESR": {"scale": 2, "dim": 16, "n_blocks": 1, "n_block": 1, "upsample_dim": 16},
    "SAFMN": {"upscaling_factor": 2, "dim": 16, "n_blocks": 2},
    "SeemoRe": {"scale": 2, "num_layers": 1, "embedding_dim": 16, "num_experts": 3},
    "SwiftSRGAN": {"upscale_factor": 2, "num_channels": 16, "num_blocks": 2},
    "RealCUGAN/UpCunet2x": {},
    "DITN": {"upscale": 2, "dim": 12, "ITL_blocks": 1, "SAL_blocks": 1},
    "OmniSR": {"up_scale": 2, "num_feat": 16, "res_num": 1, "block_num": 1},
    "SwinIR": _SWIN,
    "Swin2SR": _SWIN,
    "HAT": {**_SWIN, "squeeze_factor": 4},
    "DRCT": {**_SWIN, "gc": 4},
    "DAT": _DAT,
    "ATD": {**_SWIN, "category_size": 16, "num_tokens": 8, "reducted_dim": 4},
    "CRAFT": {"upscale": 2, "embed_dim": 12, "depths": [2], "num_heads": [2]},
    "FDAT": {"scale": 2, "embed_dim": 16, "num_groups": 1, "depth_per_group": 1, "num_heads": 2},
}
_SIDES = (64, 96)
_LONGEST = 90


@dataclass(frozen=True)
class Tried:
    """What came of a network."""

    network: str
    result: str
    difference: str


def try_network(name: str, folder: Path) -> Tried:
    """Save a network as a checkpoint, export and adopt it, and compare pictures."""
    module, _, kind = name.partition("/")
    architectures = importlib.import_module(f"spandrel.architectures.{module}")
    shown = f"{module} ({kind})" if kind else module
    torch.manual_seed(0)
    made = getattr(architectures, kind or module)(**NETWORKS[name])
    checkpoint, graph, out = (folder / file for file in ("x2.pth", "graph.onnx", "adopted.onnx"))
    torch.save(made.state_dict(), checkpoint)
    records = folder / "checkpoint.json", folder / "adopted.json"
    try:
        export_checkpoint(checkpoint, graph, records[0])
        adopt_onnx(graph, out, records[1], Adoption(colour="rgb", range="0..1", scale=2))
    except UserError as error:
        return Tried(shown, f"refused: {str(error).partition(', found ')[2][:_LONGEST]}", "")
    facts, adopted = (json.loads(record.read_text(encoding="utf-8")) for record in records)
    if facts["one_size"]:
        return Tried(shown, "in tiles", "")
    frame = np.random.default_rng(0).random((1, 3, *_SIDES), np.float32)
    expected = import_spandrel().ModelLoader().load_from_file(checkpoint)(torch.from_numpy(frame.copy()))
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    difference = np.abs(np.asarray(session.run(None, {"frame": frame})[0]) - expected.numpy()).max()
    multiple = adopted["multiple"]
    result = "any size" if multiple == 1 else f"any size, padded to a multiple of {multiple}"
    return Tried(shown, result, f"{difference:.0e}")


def main(names: list[str]) -> None:
    """Try the networks of these names, or all."""
    import_spandrel()
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["Network", "Result", "Largest difference"])
    for name in names or NETWORKS:
        with tempfile.TemporaryDirectory(prefix="superres-") as folder:
            writer.writerow(astuple(try_network(name, Path(folder))))
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
