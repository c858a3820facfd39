"""The benchmark that keeps the table of forms true: every form is timed, and the verdict follows the
figures."""

from types import ModuleType

import pytest

from benchmark_script import load_benchmark
from superres.models.graphs.uint8.forms import FORM_OF


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    return load_benchmark("compare_forms")


def test_all_forms_of_both_graphs_are_timed(
    benchmark: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = ["--models", "espcn_rgb", "--width", "24", "--height", "16", "--seconds", "0", "--threads", "1"]
    benchmark.main([*tiny, "--runtimes", "onnxruntime", "openvino"])
    head, *rows, verdict = capsys.readouterr().out.splitlines()
    assert head.split() == ["runtime", "model", "graph", "form", "ms", "ratio"]
    found = [row.split() for row in rows]
    assert [(runtime, graph, form) for runtime, _, graph, form, _, _ in found] == [
        ("onnxruntime", "float", "blocks*"),
        ("onnxruntime", "float", "levels"),
        ("onnxruntime", "int8", "levels*"),
        ("onnxruntime", "int8", "blocks"),
        ("openvino", "float", "plain*"),
        ("openvino", "float", "channels_last"),
        ("openvino", "int8", "channels_last*"),
        ("openvino", "int8", "plain"),
    ]
    assert all(float(ms) > 0 and float(ratio) > 0 for *_, ms, ratio in found)
    assert all(float(row[5]) == 1 for row in found if row[3].endswith("*"))
    assert verdict.startswith("FORM_OF ")


@pytest.mark.parametrize(
    ("ratio", "expected"), [(0.96, "FORM_OF holds on this machine"), (0.9, "faster: plain for openvino int8")]
)
def test_a_form_counts_as_faster_from_5_percent_on(
    benchmark: ModuleType, ratio: float, expected: str
) -> None:
    used = FORM_OF["openvino"]["int8"]
    timings = [
        benchmark.Timing("openvino", "espcn_rgb", "int8", form, 10 * value, value)
        for form, value in ((used, 1.0), ("plain", ratio))
    ]
    assert expected in benchmark.verdict(timings)
