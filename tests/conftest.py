"""How tests are shared out among the processes of pytest-xdist."""

import pytest


def pytest_itemcollected(item: pytest.Item) -> None:
    """Keep together what shares a fixture: a file's tests, and all of the tiny study.

    As soon as a test is collected: pytest-xdist reads the groups before a conftest sees all tests.
    """
    tiny = "tiny" in getattr(item, "fixturenames", ())
    item.add_marker(pytest.mark.xdist_group("tiny" if tiny else str(item.path)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start slow tests first."""
    items.sort(key=lambda item: "workflow" not in item.path.parts)
