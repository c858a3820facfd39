"""Clips of y4m files: by several threads, after a kill, with little memory, and in crowd_run's full size."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from superres.data import clips
from superres.data.clips import downsample_clip, prepare_clip
from superres.data.sources.reading import picture_digest
from superres.data.sources.registry import check_source
from superres.data.sources.source import FrameRange, PinnedFile, Source
from superres.data.sources.video import Video
from superres.data.sources.y4m import Y4m
from superres.data.video.y4m import read_header
from superres.device.base.errors import UserError
from superres.device.machine import memory
from videos import picture, write_video

CROWD_RUN = (
    1555203036,
    "e056e01fc13906dd9a84f5cc686a36888436379476577965a0866821caaf55c8",
)
CROWD_RUN_HEADER = b"YUV4MPEG2 W1920 H1080 F50:1 Ip A1:1\n"


def video(path: Path, frames: int, width: int = 64, height: int = 48, seed: int = 0) -> Path:
    rng = np.random.default_rng(seed)
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F50:1 Ip A1:1\n".encode())
        for _ in range(frames):
            file.write(b"FRAME\n" + rng.bytes(width * height * 3 // 2))
    return path


def source(
    path: Path | str,
    first: int = 0,
    count: int | None = None,
    stride: int = 1,
    pinned: PinnedFile | None = None,
) -> Source:
    frames = FrameRange(first=first, count=count, stride=stride)
    return Source(Y4m(path=None if pinned else str(path), frames=frames), pinned=pinned)


def prepare(folder: Path, *sources: Source, threads: int = 1) -> dict[str, Path]:
    folder.mkdir(exist_ok=True)
    paths = {"hr": folder / "c.hr.npy", "index": folder / "c.json"}
    twin = {"lr": folder / "c.x2.npy", "lr_index": folder / "c.x2.json"}
    prepare_clip("c", sources, multiple=2, wheels=folder, threads=threads, **paths)
    downsample_clip(paths["hr"], paths["index"], "bicubic", 2, threads=threads, **twin)
    assert {path.name for path in folder.iterdir()} == {"c.hr.npy", "c.x2.npy", "c.json", "c.x2.json"}
    return {**paths, **twin}


def contents(paths: dict[str, Path]) -> list[bytes]:
    return [path.read_bytes() for path in paths.values()]


def test_threads_make_the_same_frames(tmp_path: Path):
    clip = source(video(tmp_path / "a.y4m", 40))
    one = contents(prepare(tmp_path / "one", clip))
    assert contents(prepare(tmp_path / "four", clip, threads=4)) == one
    index = json.loads(one[1])
    assert index["names"][:2] == ["a-0000", "a-0001"] and len(index["origins"]) == 40
    assert "pinned" not in index["sources"][0]
    high = np.load(tmp_path / "one/c.hr.npy")
    assert [origin["sha256"] for origin in index["origins"]] == [picture_digest(frame) for frame in high]


@pytest.mark.parametrize(("frames", "taken"), [(2.5, 2), (9, 4), (1, 1)])
def test_as_many_threads_make_frames_as_have_room(
    frames: float, taken: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    clip, used = source(video(tmp_path / "a.y4m", 4)), []
    # A frame of 64x48 takes 18 bytes a pixel.
    for module in (clips, memory):
        monkeypatch.setattr(module, "available_memory", lambda: int(frames * 64 * 48 * 18))
    pool = clips.frame_threads
    monkeypatch.setattr(clips, "frame_threads", lambda number: used.append(number) or pool(number))
    prepare(tmp_path / "out", clip, threads=4)
    # For HR frames, and for their twins.
    assert used == [taken, taken]


def test_a_frame_without_room_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    clip = source(video(tmp_path / "a.y4m", 4))
    monkeypatch.setattr(memory, "available_memory", lambda: 64 * 48 * 18 - 1)
    with pytest.raises(UserError, match=r"prepare_clip c, frames of 64x48: expected 0\.0 GiB of free memory"):
        prepare(tmp_path / "out", clip, threads=4)


@pytest.mark.parametrize("kind", [Y4m, Video])
def test_a_video_of_another_size_than_stated_is_refused_before_any_work(
    kind: type[Y4m] | type[Video], tmp_path: Path
):
    path = str(video(tmp_path / "a.y4m", 2))
    check_source(Source(kind(path=path, width=64, height=48)))
    other = Source(kind(path=path, width=48, height=64))
    for refuse in (check_source, lambda wrong: prepare(tmp_path / "out", wrong)):
        with pytest.raises(
            UserError, match="expected frames of 48x64, as width and height say, found 64x48; correct"
        ):
            refuse(other)
    with pytest.raises(ValidationError, match="expected width and height together"):
        kind(path=path, width=64)


PROGRAM = """
import sys
from pathlib import Path
from superres.data.clips import prepare_clip
from superres.data.sources.source import Source
from superres.data.sources.video import Video
from superres.data.sources.y4m import Y4m

folder, path = Path(sys.argv[1]), sys.argv[2]
prepare_clip(
    "c", [Source((Video if "Video" in sys.argv else Y4m)(path=path))], wheels=folder, threads=2,
    hr=folder / "c.hr.npy", index=folder / "c.json",
)
import resource
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_a_killed_preparation_starts_again(tmp_path: Path):
    """The parts of a killed call are never used, whichever frames they contain."""
    path = video(tmp_path / "a.y4m", 150, 640, 360)
    whole = contents(prepare(tmp_path / "whole", source(path)))
    folder = tmp_path / "killed"
    folder.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder), str(path)],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    part, end = folder / "c.hr.npy.part", time.monotonic() + 60
    while not (part.exists() and part.open("rb").read(4096)[128:].strip(b"\0")):
        assert time.monotonic() < end and process.poll() is None, "it ended before it could be killed"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert {path.name for path in folder.iterdir()} == {"c.hr.npy.part"}
    part.write_bytes(bytes(part.stat().st_size))
    assert contents(prepare(folder, source(path), threads=2)) == whole


def test_an_error_leaves_nothing(tmp_path: Path):
    path = video(tmp_path / "a.y4m", 30)
    folder = tmp_path / "made"
    folder.mkdir()
    made = prepare(folder, source(path))
    twin = {"lr": folder / "c.x3.npy", "lr_index": folder / "c.x3.json"}
    with pytest.raises(UserError, match="expected one of"):
        downsample_clip(made["hr"], made["index"], "nearest", 3, threads=2, **twin)
    assert {path.name for path in folder.iterdir()} == {path.name for path in made.values()}


def test_room_for_the_frames_is_asked_for_first(tmp_path: Path):
    """A sparse file with more frames than the disk has room for."""
    side = 1 << 14
    frames = shutil.disk_usage(tmp_path).free // (3 * side * side) + 1
    path = tmp_path / "a.y4m"
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{side} H{side} F50:1 Ip A1:1\n".encode())
        for _ in range(frames):
            file.write(b"FRAME\n")
            file.truncate(file.seek(side * side * 3 // 2, os.SEEK_CUR))
    with pytest.raises(
        UserError, match=r"frames of c: expected [\d,]+ MB of free disk space at .*, found [\d,]+ MB; free"
    ):
        prepare(tmp_path / "made", source(path))
    assert list((tmp_path / "made").iterdir()) == []


def test_a_disk_that_is_full_after_all_gets_one_line(tmp_path: Path):
    """A file size limit stands in for a full disk."""
    limited = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n" + PROGRAM
    path = video(tmp_path / "a.y4m", 30)
    (tmp_path / "made").mkdir()
    command = [sys.executable, "-c", limited, str(tmp_path / "made"), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "UserError: " in done.stderr and "c.hr.npy: expected room for it, found" in done.stderr
    assert list((tmp_path / "made").iterdir()) == []


@pytest.mark.parametrize("kind", ["Y4m", "Video"])
def test_memory_does_not_grow_with_the_number_of_frames(tmp_path: Path, kind: str):
    def peak_kib(frames: int) -> int:
        path = video(tmp_path / f"{frames}.y4m", frames, 640, 360)
        if kind == "Video":
            path = write_video(
                tmp_path / f"{frames}.mkv", frames=[picture(i, 360, 640) for i in range(frames)]
            )
        folder = tmp_path / f"of{frames}"
        folder.mkdir()
        command = [sys.executable, "-c", PROGRAM, str(folder), str(path), kind]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    # 140 frames more are 116 MB of frame files.
    assert peak_kib(150) - peak_kib(10) < 20_000


def expected_pixel(planes: list[np.ndarray], row: int, column: int) -> np.ndarray:
    """Return RGB of one inner pixel by BT.709's limited-range equations in float64, chroma sited left."""

    def chroma(plane: np.ndarray) -> float:
        # A row is a quarter of a chroma row away from the nearer one; an odd column is between two.
        near, far = row // 2, row // 2 + (1 if row % 2 else -1)
        left, right = column // 2, column // 2 + column % 2
        rows = 0.75 * plane[near].astype(float) + 0.25 * plane[far]
        return (rows[left] + rows[right]) / 2

    y = (planes[0][row, column] - 16) / 219
    cb, cr = ((chroma(plane) - 128) / 224 for plane in planes[1:])
    red, blue = y + 1.5748 * cr, y + 1.8556 * cb
    green = (y - 0.2126 * red - 0.0722 * blue) / 0.7152
    return np.clip(np.array([red, green, blue]) * 255, 0, 255)


def crowd_run(path: Path, filled: dict[int, bytes]) -> Path:
    """Write a sparse file with crowd_run's header, size and structure, and only some frames filled."""
    frame_bytes = 1920 * 1080 * 3 // 2
    with path.open("wb") as file:
        file.write(CROWD_RUN_HEADER)
        for k in range(500):
            file.write(b"FRAME\n")
            file.write(filled[k]) if k in filled else file.seek(frame_bytes, os.SEEK_CUR)
        file.truncate(CROWD_RUN[0])
    return path


def test_a_file_like_crowd_run_goes_through_reader_and_downsampler(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(4)
    filled = {k: rng.integers(16, 236, 1920 * 1080 * 3 // 2, np.uint8).tobytes() for k in (0, 499)}
    pinned = PinnedFile("crowd_run.y4m", *CROWD_RUN, "warn", "https://media.xiph.org/")
    Path(pinned.path).parent.mkdir(parents=True)
    path = crowd_run(Path(pinned.path), filled)
    assert path.stat().st_size == CROWD_RUN[0]
    header = read_header(path)
    assert (header.frames, header.width, header.height) == (500, 1920, 1080)
    assert (header.chroma, header.siting) == ("420", "left")
    paths = prepare(tmp_path / "made", source(pinned.path, 0, None, 499, pinned=pinned), threads=2)  # pyright: ignore[reportArgumentType]
    said = capsys.readouterr().err
    assert "warning: " in said and "500 whole frames of 1920x1080" in said and CROWD_RUN[1] in said
    high, low = np.load(paths["hr"]), np.load(paths["lr"])
    assert high.shape == (2, 1080, 1920, 3) and low.shape == (2, 540, 960, 3)
    for k, frame in enumerate(filled.values()):
        data = np.frombuffer(frame, np.uint8)
        planes = [data[: 1920 * 1080].reshape(1080, 1920), *data[1920 * 1080 :].reshape(2, 540, 960)]
        for row, column in ((1, 2), (540, 961), (777, 1233), (1078, 1916)):
            assert np.abs(high[k, row, column] - expected_pixel(planes, row, column)).max() <= 0.501
        # imresize's kernel at one pixel, in float64: cubic of a = -0.5, stretched by 2, 8 taps each way.
        taps = np.array([-3, -9, 29, 111, 111, 29, -9, -3]) / 256
        for row, column in ((100, 200), (377, 555)):
            patch = high[k, 2 * row - 3 : 2 * row + 5, 2 * column - 3 : 2 * column + 5].astype(float)
            assert (
                np.abs(low[k, row, column] - np.clip(np.einsum("i,j,ijc", taps, taps, patch), 0, 255)).max()
                <= 0.501
            )
    index = json.loads(paths["index"].read_text())
    assert index["names"] == ["crowd_run-0000", "crowd_run-0499"]
    assert index["sources"][0]["pinned"]["sha256"] == CROWD_RUN[1]
