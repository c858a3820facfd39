"""Small sets of pairs of images, and networks whose weights are far from zero."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from superres.device.frames.files import FrameWriter
from superres.models.networks import Network, build_network
from superres.models.settings import NetworkSettings

MakePairs = Callable[..., Path]


@pytest.fixture
def make_pairs(tmp_path: Path) -> MakePairs:
    """Write a set of blocky, noisy images: LR is the mean of s x s HR pixels."""

    def make(name: str, lr_shapes: Sequence[tuple[int, int]], seed: int = 0, scale: int = 2) -> Path:
        random = np.random.default_rng(seed)
        hr_shapes = [(scale * h, scale * w) for h, w in lr_shapes]
        index = tmp_path / f"{name}.json"
        with (
            FrameWriter(tmp_path / f"{name}.hr.npy", hr_shapes) as high,
            FrameWriter(tmp_path / f"{name}.x{scale}.npy", lr_shapes) as low,
        ):
            for i, (h, w) in enumerate(lr_shapes):
                coarse = random.integers(0, 256, (h // 2 + 1, w // 2 + 1, 3), np.uint8)
                blocks = coarse.repeat(2 * scale, 0).repeat(2 * scale, 1)
                frame = blocks[: scale * h, : scale * w]
                frame = frame // 2 + random.integers(0, 64, frame.shape, np.uint8)
                high[i] = frame
                low[i] = frame.reshape(h, scale, w, scale, 3).mean((1, 3)).astype(np.uint8)
        names = [f"image{i}" for i in range(len(lr_shapes))]
        index.write_text(json.dumps({"name": name, "names": names, "hr_shapes": hr_shapes}))
        index.with_suffix(f".x{scale}.json").write_text(json.dumps({"scale": scale, "seed": seed}))
        return index

    return make


@pytest.fixture
def make_network() -> Callable[..., Network]:
    """A network in evaluation mode with seeded weights and biases that are not zero."""

    def make(model: str, settings: NetworkSettings | None = None) -> Network:
        torch.manual_seed(7)
        network = build_network(model, settings)
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                if name.endswith("bias"):
                    parameter.uniform_(-0.1, 0.1)
                elif name.endswith(f"conv{len(network.trunk.convolutions)}.weight"):
                    parameter.add_(torch.randn(parameter.shape) * 0.05)
        return network.eval()

    return make
