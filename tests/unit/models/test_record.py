import json
import re
from dataclasses import asdict
from pathlib import Path

import pytest

from superres.models import record
from superres.models.record import TrainingRecord, code_commit, write_record


def test_record_round_trip(tmp_path: Path) -> None:
    written = TrainingRecord("espcn_rgb", {}, 1, 2, {"steps": 2}, "abc", 30.5, 28.5, 1.5, {"torch": "2"})
    write_record(written, tmp_path / "new" / "record.json")
    assert json.loads((tmp_path / "new" / "record.json").read_text()) == asdict(written)


def test_commit_outside_git_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "__file__", str(tmp_path / "record.py"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert code_commit() == "unknown"


def test_commit_without_git_installed_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert code_commit() == "unknown"


def test_commit_is_a_hash_or_unknown() -> None:
    assert re.fullmatch(r"[0-9a-f]{40}(\+changes)?|unknown", code_commit())
