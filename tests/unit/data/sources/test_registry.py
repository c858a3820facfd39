"""A new kind of source is one module and its name in the registry, and nothing else."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest

import superres
from superres.data.sources.registry import AnySource
from superres.data.sources.source import SourceKind

TOY = '''
"""Frames of one colour."""

from typing import Annotated, Literal

from pydantic import Field

from superres.data.sources.reading import FrameReader, Origin, picture_digest
from superres.data.sources.source import FrameRange, SourceKind, select_frames
from superres.keys import Whole


class Flat(SourceKind):
    """Frames of one colour."""

    any_order = True

    type: Literal["flat"] = "flat"
    levels: Annotated[tuple[Whole, ...], Field(strict=False, description="The level of each frame.")]
    frames: FrameRange = FrameRange()

    def check(self, source, smallest):
        select_frames(source.frames, len(self.levels), "flat")

    def open(self, source, wheels):
        return _FlatReader(self, select_frames(source.frames, len(self.levels), "flat"))


class _FlatReader(FrameReader):
    def __init__(self, kind, indices):
        self._levels = [kind.levels[i] for i in indices]
        super().__init__([f"flat-{i}" for i in indices], [(4, 6)] * len(indices))

    def _read(self, index):
        import numpy as np

        frame = np.full((4, 6, 3), self._levels[index], np.uint8)
        return frame, Origin(self.names[index], picture_digest(frame), None)
'''
USE = """
import sys
from pathlib import Path

from pydantic import TypeAdapter

from superres.data.sources.registry import check_source, open_source
from superres.data.sources.registry import AnySource
from superres.data.sources.source import Named, read_in_any_order, resolve

keys = {"type": "flat", "levels": [1, 2, 3], "frames": {"stride": 2}}
source = resolve(TypeAdapter(AnySource).validate_python(keys), "clips[0].source", Named({}, {}))
check_source(source)
assert "numpy" not in sys.modules
reader = open_source(source, Path())
assert reader.names == ["flat-0", "flat-2"] and reader.read(1).max() == 3
assert read_in_any_order([source]) and source.files == []

from superres.data.clips import prepare_clip

names = {key: Path(f"flat.{key}") for key in ("hr", "index")}
prepare_clip("flat", [source], wheels=Path(), threads=2, **names)
print(names["index"].read_text())
"""


def test_a_kind_is_a_module_and_its_name_in_the_registry(tmp_path: Path):
    package = tmp_path / "superres"
    shutil.copytree(
        Path(superres.__path__[0]), package, ignore=shutil.ignore_patterns("weights", "__pycache__")
    )
    sources = package / "data/sources"
    (sources / "flat.py").write_text(TOY)
    registry = sources / "registry.py"
    text = registry.read_text()
    text = text.replace("\nfrom superres", "\nfrom superres.data.sources.flat import Flat\nfrom superres", 1)
    registry.write_text(text.replace("TurningView |", "Flat | TurningView |"))
    done = subprocess.run(
        [sys.executable, "-c", USE],
        check=False,
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert '"kind": "Flat"' in done.stdout


@pytest.mark.parametrize("kind", get_args(get_args(AnySource)[0]))
def test_every_key_of_a_kind_is_described(kind: Any):
    assert issubclass(kind, SourceKind)
    for name, key in kind.model_fields.items():
        described = key.description or getattr(key.annotation, "__doc__", None)
        assert name == "type" or described, f"{kind.__name__}.{name}"
