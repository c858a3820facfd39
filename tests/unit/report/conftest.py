from pathlib import Path

import pytest

from .synthetic import default_rows, not_run, write_metrics


@pytest.fixture
def metrics(tmp_path: Path) -> Path:
    rows = [*default_rows(), not_run("openvino", "espcn_rgb", "fp16", "needs AVX512-FP16")]
    return write_metrics(tmp_path / "metrics.csv", rows)
