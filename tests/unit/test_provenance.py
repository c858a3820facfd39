"""The commit behind a result."""

import shutil
import subprocess
from pathlib import Path

import pytest

from superres import provenance


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_commit_with_and_without_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    module = tmp_path / "provenance.py"
    shutil.copy(provenance.__file__, module)
    monkeypatch.setattr(provenance, "__file__", str(module))
    assert provenance.code_commit() == "unknown"
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "all")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert provenance.code_commit() == commit
    module.write_text("changed")
    assert provenance.code_commit() == f"{commit}+changes"


def test_commit_without_git_installed_is_unknown(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    assert provenance.code_commit() == "unknown"
