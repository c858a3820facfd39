"""Others' quantisers and the settings that they are tried with. Light on purpose: the workflow imports it."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec


@dataclass(frozen=True)
class Tool:
    """A quantiser: its Python package, whether the pipeline needs that anyway, and its presets."""

    package: str
    installed: bool
    presets: tuple[str, ...]

    @property
    def is_there(self) -> bool:
        """Whether its package is installed; nothing is imported."""
        return self.installed or find_spec(self.package) is not None


TOOLS: Mapping[str, Tool] = {
    "onnxruntime": Tool("onnxruntime", True, ("default", "tensorrt")),
    "nncf": Tool("nncf", False, ("default", "mixed")),
}
"""By the method of a calibration that stands for them; each is a module of superres.quantization.tools."""

INSTALL = ".venv/bin/python -m pip install -r envs/others.txt"
"""How to install what the pipeline itself doesn't need."""
