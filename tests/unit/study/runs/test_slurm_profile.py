"""The profile for Slurm asks for the processors of a node."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

PROFILE = Path(__file__).parents[4] / "profiles/slurm/config.yaml"


def of_profile(name: str) -> Callable[..., Any]:
    names: dict[str, Any] = {}
    exec(yaml.safe_load(PROFILE.read_text(encoding="utf-8"))["__definitions__"][0], names)
    return names[name]


@pytest.fixture
def sinfo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in place of Slurm's, alone on PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["snakemake", "all"])
    path = tmp_path / "sinfo"
    path.write_text("#!/bin/sh\necho 64\necho 16\n")
    path.chmod(0o755)
    return path


def test_the_smallest_node_counts(sinfo: Path):
    assert of_profile("cpus_of_a_node")() == 16


def test_without_slurm_or_its_controller_one_line_says_so_and_a_dry_run_goes_on(
    sinfo: Path, monkeypatch: pytest.MonkeyPatch
):
    sinfo.write_text(
        "#!/bin/sh\necho 'sinfo: error: no server' >&2\necho 'sinfo: fatal: no source' >&2\nexit 1\n"
    )
    for line in (
        "expected nodes, found sinfo: fatal: no source; see",
        "expected Slurm's commands, found no sinfo",
    ):
        with pytest.raises(SystemExit, match=line) as ended:
            of_profile("cpus_of_a_node")()
        assert "\n" not in str(ended.value)
        sinfo.unlink(missing_ok=True)
    monkeypatch.setattr(sys, "argv", ["snakemake", "-n", "all"])
    assert of_profile("cpus_of_a_node")() == os.cpu_count()


def test_without_the_plugin_one_line_says_how_to_install_it():
    with pytest.raises(SystemExit, match="expected Snakemake's plugin for Slurm, found none; install it: sh"):
        of_profile("plugin")("slurm_of_nobody")
