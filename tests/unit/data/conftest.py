"""A server on loopback that misbehaves as a test asks."""

from collections.abc import Iterator

import pytest

from .fetching import CONTENT
from .file_server import Served, serving


@pytest.fixture
def server() -> Iterator[Served]:
    with serving(CONTENT) as served:
        yield served
