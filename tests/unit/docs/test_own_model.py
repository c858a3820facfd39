"""The export that docs/own-model.md shows runs in this environment, and its file takes any size."""

import re
from pathlib import Path

import onnxruntime
import pytest
import torch
from torch import nn

from project_copy import ROOT


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_export_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs/own-model.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    network = nn.Sequential(nn.Conv2d(3, 12, 3, padding=1), nn.PixelShuffle(2))
    exec(code, {"torch": torch, "network": network})
    session = onnxruntime.InferenceSession("mine.onnx")
    frame = torch.rand(1, 3, 6, 10)
    (upscaled,) = session.run(["sr"], {"image": frame.numpy()})
    expected = network(frame).detach()
    assert expected.shape == (1, 3, 12, 20)
    assert torch.allclose(torch.from_numpy(upscaled), expected, atol=1e-5)
