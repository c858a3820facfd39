"""How tests are shared out among the processes of pytest-xdist."""

import pytest


def pytest_itemcollected(item: pytest.Item) -> None:
    """Keep together what shares a fixture: a file's tests, and all of a study that is run once.

    As soon as a test is collected: pytest-xdist reads the groups before a conftest sees all tests.
    """
    shared = [name for name in ("tiny", "undisturbed") if name in getattr(item, "fixturenames", ())]
    item.add_marker(pytest.mark.xdist_group((*shared, str(item.path))[0]))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start slow tests first."""
    items.sort(key=lambda item: "workflow" not in item.path.parts)
