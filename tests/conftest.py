"""How tests are shared out among the processes of pytest-xdist."""

import pytest


# Before pytest-xdist reads the groups.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep together what shares a fixture: a file's tests, and all of the tiny study. Slow ones first."""
    for item in items:
        tiny = "tiny" in getattr(item, "fixturenames", ())
        item.add_marker(pytest.mark.xdist_group("tiny" if tiny else str(item.path)))
    items.sort(key=lambda item: "workflow" not in item.path.parts)
