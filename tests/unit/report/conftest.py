from collections.abc import Callable
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from .synthetic import default_rows, not_run, write_metrics


@pytest.fixture
def metrics(tmp_path: Path) -> Path:
    rows = [*default_rows(), not_run("openvino", "espcn_rgb", "fp16", "needs AVX512-FP16")]
    return write_metrics(tmp_path / "metrics.csv", rows)


@pytest.fixture
def figure_texts() -> Callable[[Figure], list[str]]:
    """All texts of a figure."""
    return lambda figure: [text.get_text() for text in figure.findobj(Text) if isinstance(text, Text)]
