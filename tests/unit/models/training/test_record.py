import json
from dataclasses import asdict
from pathlib import Path

from superres.models.training.record import TrainingRecord, write_record


def test_record_round_trip(tmp_path: Path) -> None:
    written = TrainingRecord("espcn_rgb", {}, 1, 2, {"steps": 2}, "abc", 30.5, 28.5, 1.5, {"torch": "2"})
    write_record(written, tmp_path / "new" / "record.json")
    assert json.loads((tmp_path / "new" / "record.json").read_text()) == asdict(written)
