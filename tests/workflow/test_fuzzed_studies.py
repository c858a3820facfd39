"""Of studies at random, those that are understood can be run: Snakemake itself finds a job for every file."""

from typing import Any

import pytest
import yaml
from hypothesis import given

from project_copy import Project, read_jobs
from spoilt import fuzz
from unit.study.strategies import studies
from unit.study.test_fuzz import understood


def test_what_is_understood_dry_runs(project: Project, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(project.folder)
    found: list[dict[str, Any]] = []

    @fuzz(200)
    @given(studies())
    def collect(config: dict[str, Any]) -> None:
        if understood(config) and config not in found:
            found.append(config)

    collect()
    assert len(found) > 8
    # Each takes seconds, and large studies more of them.
    for i, config in enumerate(sorted(found, key=lambda config: len(repr(config)))[:2]):
        study = project.write_study(f"fuzzed{i}", yaml.safe_dump(config, sort_keys=False))
        done = project.snakemake("-n", "all", "--replace-workflow-config", "--configfile", study)
        assert done.returncode == 0, (config, done.stdout[-3000:])
        assert read_jobs(done.stdout)["collect_metrics"] == 1
