from superres.device.timing.ratios import Ratio
from superres.report.metrics.speedups import find_speedups, paper_speedups

from ..synthetic import row


def test_an_arm_over_pytorch_and_over_its_own_fp32() -> None:
    rows = [
        row("pytorch", "espcn_rgb", "fp32", 31.0, 560.0),
        row("openvino", "espcn_rgb", "fp32", 31.0, 140.0),
        row("openvino", "espcn_rgb", "int8-minmax", 30.8, 35.0),
        row("openvino", "espcn_ycbcr", "int8-minmax", 30.8, 70.0),
    ]
    found = find_speedups(rows[2], rows)
    assert {name: ratio and round(ratio.value, 9) for name, ratio in found.items()} == {
        "speedup": 4.0,
        "speedup_pytorch": 16.0,
        "speedup_fp32": 4.0,
    }
    assert find_speedups(rows[3], rows)["speedup_pytorch"] is None
    # An arm against itself.
    assert find_speedups(rows[0], rows)["speedup_pytorch"] == Ratio(1.0, 1.0, 1.0)
    alone = row(
        "openvino", "espcn_rgb", "fp32", 31.0, 140.0, speedup=None, speedup_low=None, speedup_high=None
    )
    assert set(find_speedups(alone, [alone]).values()) == {None}


def test_the_papers_speedups_are_those_of_its_fps() -> None:
    fps = {("espcn_rgb", "pytorch", "fp32"): 10.39, ("espcn_rgb", "tensorrt", "fp32"): 14.08}
    found = paper_speedups({**fps, ("espcn_rgb", "tensorrt", "int8"): 51.95})
    assert round(found["speedup_pytorch", "espcn_rgb", "tensorrt", "int8"], 2) == 5.0
    assert round(found["speedup_fp32", "espcn_rgb", "tensorrt", "int8"], 2) == 3.69
