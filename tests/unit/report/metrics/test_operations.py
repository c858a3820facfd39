from pathlib import Path

import pytest

from superres.report.metrics.operations import Operations, count_operations, executed_convolutions

from ..synthetic import write_network


def test_multiply_adds_are_counted_by_hand(tmp_path: Path) -> None:
    write_network(tmp_path / "n.onnx")
    found = count_operations(tmp_path / "n.onnx")
    layers = (("upscaled", 5 / (5 * 3 * 9 + 5)),)
    assert found == Operations(2, 1, 5 * 3 * 9 + 5, 5 * 3 * 9, 5 * 3 * 9 + 5, layers)
    assert found.float_macs_per_pixel == 5


@pytest.mark.parametrize(
    ("facts", "counts"),
    [
        ({"convolutions": {"u8": 2, "i8": 1, "f32": 1}, "int8_convolutions": 3}, (3, 4)),
        ({"convolutions": {"Int8": 3, "Float": 1}}, (3, 4)),
        ({"int8_convolutions": 2, "float_convolutions": 1}, (2, 3)),
        ({"device": "cpu"}, (None, None)),
    ],
)
def test_convolutions_that_ran_in_int8(facts: dict, counts: tuple) -> None:
    assert executed_convolutions(facts) == counts
