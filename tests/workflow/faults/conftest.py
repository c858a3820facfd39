"""The small study, run once without any fault."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .small import SmallStudy, make_small


@dataclass(frozen=True)
class Undisturbed:
    """A study that was run, what it holds, and how many files its jobs wrote; tests leave it as it is."""

    study: SmallStudy
    contents: dict[str, Any]
    events: int


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    study = make_small(tmp_path_factory.mktemp("undisturbed"))
    study.finish()
    contents = study.contents()
    assert {Path(name).suffix for name in contents} >= {".npy", ".onnx", ".csv", ".json", ".bin"}
    return Undisturbed(study, contents, len(study.states()))
