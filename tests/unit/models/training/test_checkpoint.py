import pickle
from pathlib import Path

import pytest
import torch

from superres.device.base.errors import UserError
from superres.models.settings import TrainingSettings
from superres.models.training.checkpoint import load_checkpoint, save_checkpoint, training_identity

IDENTITY = {"model": "espcn_rgb", "steps": "10"}


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "new" / "checkpoint.pt"
    save_checkpoint({"step": 3, "network": {"a": torch.tensor([1.5, -2.0])}}, IDENTITY, path)
    state = load_checkpoint(path, IDENTITY)
    assert state["step"] == 3
    assert state["network"]["a"].tolist() == [1.5, -2.0]
    assert [p.name for p in path.parent.iterdir()] == ["checkpoint.pt"]


def test_another_identity_is_named(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint({}, IDENTITY, path)
    with pytest.raises(UserError, match="another training: steps: expected 20, found 10"):
        load_checkpoint(path, {**IDENTITY, "steps": "20"})


def test_of_layers_the_key_is_named(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    written, asked = (
        {"architecture": str({"kind": kind, "channels": 8, "layers": layers})}
        for kind, layers in (("plain", 4), ("plain", 5))
    )
    save_checkpoint({}, written, path)
    with pytest.raises(UserError, match=r"another training: architecture\.layers: expected 5, found 4; set"):
        load_checkpoint(path, asked)


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1\n"])
def test_a_file_of_another_kind_gets_one_short_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(content)
    with pytest.raises(UserError, match="expected a checkpoint") as caught:
        load_checkpoint(path, IDENTITY)
    assert len(str(caught.value).removeprefix(str(path))) < 100


def test_a_cut_file_is_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint({"network": torch.zeros(1000)}, IDENTITY, path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match="expected a checkpoint"):
        load_checkpoint(path, IDENTITY)


class Harmful:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("harm"),))


def test_nothing_in_a_checkpoint_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for write in (
        lambda p: torch.save(Harmful(), p),
        lambda p: p.write_bytes(pickle.dumps(Harmful(), protocol=2)),
    ):
        path = tmp_path / "checkpoint.pt"
        write(path)
        with pytest.raises(UserError, match="expected a checkpoint"):
            load_checkpoint(path, IDENTITY)
    assert not (tmp_path / "harm").exists()


def test_identity_holds_what_decides_the_weights(tmp_path: Path) -> None:
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    first.write_text("{}")
    second.write_text("[]")

    def identity(settings: TrainingSettings, training: Path = first, layers: int = 4) -> dict[str, str]:
        return training_identity("mine", {"layers": layers}, settings, [training], [first])

    usual = identity(TrainingSettings())
    assert identity(TrainingSettings(checkpoint_every=7, validate_every=8, log_every=9)) == usual
    for other in (TrainingSettings(seed=1), TrainingSettings(threads=2), TrainingSettings(steps=9)):
        assert identity(other) != usual
    assert identity(TrainingSettings(), second) != usual
    assert identity(TrainingSettings(), layers=5) != usual
