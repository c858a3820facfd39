"""Copies of the project to run Snakemake in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from project_copy import Project, copy_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A copy that a test may change."""
    return copy_project(tmp_path)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A copy in which the tiny study has been run; tests leave it as it is."""
    project = copy_project(tmp_path_factory.mktemp("tiny"))
    done = project.snakemake("--cores", "4", "--configfile=studies/tiny.yaml", "all")
    assert done.returncode == 0, done.stdout[-6000:]
    yield project
