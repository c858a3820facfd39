"""Frame files: what is written comes back, sizes may differ, memory stays small."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from superres.device.base.errors import UserError
from superres.device.frames.files import FrameWriter, open_frames


def random_frames(shapes: list[tuple[int, int]]) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in shapes]


@pytest.mark.parametrize(
    "shapes", [[(4, 6)] * 3, [(4, 6), (2, 8), (10, 2)]], ids=["one size", "several sizes"]
)
def test_frames_come_back_in_any_order(tmp_path: Path, shapes: list[tuple[int, int]]):
    frames = random_frames(shapes)
    path = tmp_path / "a/clip.npy"
    with FrameWriter(path, shapes) as writer:
        for i in reversed(range(len(frames))):
            writer[i] = frames[i]
    read = open_frames(path, shapes)
    assert len(read) == len(frames)
    for frame, expected in zip(read, frames, strict=True):
        np.testing.assert_array_equal(frame, expected)
    np.testing.assert_array_equal(read[-1], frames[-1])
    assert list(path.parent.iterdir()) == [path]


def test_frames_of_one_size_are_an_ordinary_array(tmp_path: Path):
    frames = random_frames([(4, 6)] * 2)
    with FrameWriter(tmp_path / "clip.npy", [(4, 6)] * 2) as writer:
        for i, frame in enumerate(frames):
            writer[i] = frame
    np.testing.assert_array_equal(np.load(tmp_path / "clip.npy"), np.stack(frames))


def test_frames_can_be_forgotten_and_read_again(tmp_path: Path):
    [frame] = random_frames([(4, 6)])
    with FrameWriter(tmp_path / "clip.npy", [(4, 6)]) as writer:
        writer[0] = frame
    read = open_frames(tmp_path / "clip.npy")
    np.testing.assert_array_equal(read[0], frame)
    read.forget()
    np.testing.assert_array_equal(read[0], frame)


def test_failure_leaves_nothing(tmp_path: Path):
    with (
        pytest.raises(ValueError, match="expected uint8"),
        FrameWriter(tmp_path / "clip.npy", [(4, 6)]) as writer,
    ):
        writer[0] = np.zeros((6, 4, 3), np.uint8)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_frame_file_is_named(tmp_path: Path):
    path = tmp_path / "clip.npy"
    path.write_text("no frames")
    with pytest.raises(UserError, match=r"clip\.npy: expected a frame file"):
        open_frames(path)
    np.save(path, np.zeros((2, 4, 6, 3), np.float32))
    with pytest.raises(UserError, match="found float32 2x4x6x3"):
        open_frames(path)
    np.save(path, np.zeros(71, np.uint8))
    with pytest.raises(UserError, match="expected 72 bytes of frames by its index, found 71"):
        open_frames(path, [(4, 6)])


MEMORY = """
import resource, sys
from pathlib import Path
import numpy as np
from superres.device.frames.files import FrameWriter, open_frames

path, count, shape = Path(sys.argv[1]), int(sys.argv[2]), (360, 640)
frame = np.full((*shape, 3), 7, np.uint8)
with FrameWriter(path, [shape] * count) as writer:
    for i in range(count):
        writer[i] = frame
frames = open_frames(path)
total = 0
for i in range(count):
    total += int(frames[i].sum())
    frames.forget()
assert total == count * frame.size * 7
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_number_of_frames(tmp_path: Path):
    def peak_kib(count: int) -> int:
        command = [sys.executable, "-c", MEMORY, str(tmp_path / "clip.npy"), str(count)]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    # 300 frames more are 198 MiB of file.
    assert peak_kib(310) - peak_kib(10) < 20_000
