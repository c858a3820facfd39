"""A server on loopback whose faults a test chooses."""

from collections.abc import Iterator

import pytest

from .fetching import CONTENT
from .file_server import Served, serving


@pytest.fixture
def server() -> Iterator[Served]:
    with serving(CONTENT) as served:
        yield served
