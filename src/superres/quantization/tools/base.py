"""What the modules of others' quantisers share."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import onnx

from superres.quantization.ranges.calibration import FrameFile, RandomImages


@dataclass(frozen=True)
class Made:
    """A Q/DQ graph, the version of the tool that made it, and all settings that it was given."""

    graph: onnx.ModelProto
    version: str
    settings: Mapping[str, Any]


class Quantizer(Protocol):
    """A module of this package."""

    def quantize(self, onnx_path: Path, preset: str, data: RandomImages | FrameFile) -> Made:
        """The tool's own Q/DQ form of an FP32 graph."""
        ...
