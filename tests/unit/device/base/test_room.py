"""A full disk is told as such, whatever a library makes of it."""

import errno
import tempfile
from pathlib import Path

import pytest

from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs
from superres.device.base.room import lacking, no_room

FULL = OSError(errno.ENOSPC, "No space left on device")


def wrapped() -> Exception:
    error = ValueError("serialization failed")
    error.__cause__ = FULL
    return error


@pytest.mark.parametrize(
    "error",
    [
        FULL,
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        OSError(errno.EFBIG, "File too large"),
        RuntimeError("I/O error: No space left on device (os error 28)"),
        wrapped(),
    ],
    ids=["full", "quota", "size", "text", "cause"],
)
def test_it_is_found_in_what_was_raised(error: Exception, tmp_path: Path):
    final = tmp_path / "a.onnx"
    expected = rf"^outputs in {tmp_path}: expected room for them on the disk, found none \(.*\); free some"
    with pytest.raises(UserError, match=expected), Outputs({"a": str(final)}) as outputs:
        outputs["a"].write_text("half")
        raise error
    assert list(tmp_path.iterdir()) == []


def test_it_is_found_by_writing_where_nothing_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As numpy's `921600 requested and 36736 written`, or protobuf's words."""

    def full(*_: object, **__: object) -> None:
        raise FULL

    error = OSError("921600 requested and 36736 written")
    assert no_room(error, tmp_path) is None
    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    assert no_room(error, tmp_path) == "no space left on device"


@pytest.mark.parametrize(
    "error", [UserError("a mistake"), ValueError("odd"), OSError(errno.EACCES, "denied")]
)
def test_other_errors_stay_as_they_are(error: Exception, tmp_path: Path):
    with pytest.raises(type(error)) as said, Outputs({"a": str(tmp_path / "a")}):
        raise error
    assert said.value is error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (FULL, "outputs: expected room for them on the disk, found none"),
        (MemoryError(), "memory: expected enough for this job, found too little (MemoryError)"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "memory: expected enough for this job"),
        (RuntimeError("std::bad_alloc"), "memory: expected enough for this job, found too little (std::bad"),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), "memory: expected enough"),
        (RuntimeError("can't start new thread"), "memory: expected enough"),
        (
            OSError(errno.EROFS, "Read-only file system", "results/a.csv"),
            "results/a.csv: expected a place that this user may write to, found: read-only file system",
        ),
        (PermissionError(errno.EACCES, "Permission denied", "a.png"), "a.png: expected a place"),
    ],
    ids=repr,
)
def test_what_the_machine_lacks_is_one_line(error: Exception, expected: str, tmp_path: Path):
    wrapped = ValueError("serialization failed")
    wrapped.__cause__ = error
    for raised in (error, wrapped):
        message = str(lacking(raised, tmp_path))
        assert message.startswith(expected) and message.isprintable() and "run it again" in message


@pytest.mark.parametrize("error", [ValueError("odd"), KeyError("a"), OSError(errno.ENOENT, "No such file")])
def test_a_fault_of_the_code_is_no_lack(error: Exception, tmp_path: Path):
    assert lacking(error, tmp_path) is None
