from pathlib import Path

import onnx
import pytest

from .network import build_network, network_weights


@pytest.fixture
def network(tmp_path: Path) -> Path:
    path = tmp_path / "fp32.onnx"
    onnx.save(build_network(network_weights()), path)
    return path
