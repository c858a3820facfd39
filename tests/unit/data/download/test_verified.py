"""Pinned files that are there already: verified again after a change, named when they are wrong."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from superres.data.download.verify import verify_file
from superres.data.sources.registry import open_source
from superres.data.sources.source import PinnedFile, Source
from superres.data.sources.y4m import Y4m
from superres.device.base.errors import UserError

FRAME = b"FRAME\n" + bytes(range(96))
CLIP = b"YUV4MPEG2 W8 H8 F50:1 Ip A1:1\n" + FRAME * 3


def pins(content: bytes = CLIP, mismatch: str = "error") -> PinnedFile:
    digest = hashlib.sha256(content).hexdigest()
    return PinnedFile("a.y4m", len(content), digest, mismatch, "http://a/a.y4m")  # pyright: ignore[reportArgumentType]


def at(folder: Path, content: bytes = CLIP) -> tuple[Path, Path]:
    (folder / "a.y4m").write_bytes(content)
    return folder / "a.y4m", folder / "a.y4m.receipt.json"


def test_a_file_is_read_once_and_again_when_it_has_changed(tmp_path: Path, capsys):
    path, receipt = at(tmp_path)
    verify_file(path, pins(), receipt)
    assert "checking" in capsys.readouterr().err
    verify_file(path, pins(), receipt)
    assert capsys.readouterr().err == ""
    os.utime(path, ns=(0, 0))
    verify_file(path, pins(), receipt)
    assert "checking" in capsys.readouterr().err
    assert json.loads(receipt.read_text())["changed_ns"] == 0
    # A receipt counts only for the pins that it names.
    with pytest.raises(UserError, match="expected sha256"):
        verify_file(path, PinnedFile("a.y4m", len(CLIP), "0" * 64, "error", ""), receipt)


def test_a_tampered_file_is_named_and_not_used(tmp_path: Path):
    path, receipt = at(tmp_path)
    verify_file(path, pins(), receipt)
    tampered = bytearray(CLIP)
    tampered[-1] ^= 1
    path.write_bytes(tampered)
    os.utime(path, ns=(1, 1))
    with pytest.raises(
        UserError, match=rf"{path}: expected sha256 {pins().sha256}, found [0-9a-f]{{64}}.*is not used"
    ):
        verify_file(path, pins(), receipt)
    path.write_bytes(CLIP[:-1])
    with pytest.raises(UserError, match=rf"{path}: expected {len(CLIP)} bytes, found {len(CLIP) - 1}"):
        verify_file(path, pins(), receipt)
    path.unlink()
    with pytest.raises(
        UserError, match=rf"{path}: expected the file a\.y4m, found nothing; run its download again"
    ):
        verify_file(path, pins(), receipt)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"bytes": 1}'])
def test_a_broken_receipt_counts_for_nothing(tmp_path: Path, content: str):
    path, receipt = at(tmp_path, CLIP[:-1] + b"x")
    receipt.write_text(content)
    with pytest.raises(UserError, match="expected sha256"):
        verify_file(path, pins(), receipt)


def test_with_an_uncertain_hash_the_structure_decides(tmp_path: Path, capsys):
    other = CLIP[:-1] + b"x"
    path, receipt = at(tmp_path, other)
    pinned = pins(mismatch="warn")
    verify_file(path, pinned, receipt)
    said = capsys.readouterr().err
    assert "warning: " in said and "3 whole frames of 8x8" in said
    assert pinned.sha256 in said and hashlib.sha256(other).hexdigest() in said
    verify_file(path, pinned, receipt)
    assert capsys.readouterr().err == ""
    # The right size without a frame's word is no clip.
    path.write_bytes(CLIP.replace(FRAME + FRAME, FRAME + b"frame\n" + FRAME[6:]))
    with pytest.raises(UserError, match="expected the word FRAME"):
        verify_file(path, pinned, receipt)


def test_a_source_verifies_its_file_before_it_reads(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pinned = pins()
    Path(pinned.path).parent.mkdir(parents=True)
    Path(pinned.path).write_bytes(CLIP)
    source = Source(Y4m(file=pinned.name), pinned=pinned)
    assert len(open_source(source, tmp_path)) == 3
    Path(pinned.path).write_bytes(CLIP[:-1] + b"x")
    os.utime(pinned.path, ns=(1, 1))
    with pytest.raises(UserError, match="is not used"):
        open_source(source, tmp_path)
