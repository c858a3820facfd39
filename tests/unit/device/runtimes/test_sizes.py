"""Sizes of frames that an engine takes."""

import pytest

from superres.device.runtimes.sizes import takes


@pytest.mark.parametrize(
    ("size", "taken"),
    [((24, 20), True), ((40, 60), True), ((23, 20), False), ((24, 61), False), ((30, 30), True)],
)
def test_an_engine_takes_what_lies_between(size: tuple[int, int], taken: bool) -> None:
    facts = {"sizes": {"smallest": [24, 20], "tuned": [40, 32], "largest": [40, 60]}}
    assert takes(facts, size) == taken
    assert takes({}, size) and takes({"sizes": None}, size)
