"""`verify` finds changed files, frames, modules, study keys and rows of metrics.csv."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import superres
from superres.code_version import describe_code, describe_libraries
from superres.data.calibration_sets import prepare_calibration_set
from superres.data.clips import prepare_clip
from superres.data.sources.images import Images
from superres.data.sources.source import PinnedFile, Source
from superres.data.sources.y4m import Y4m
from superres.device.base.errors import UserError
from superres.report.manifest import Background, write_manifest
from superres.report.metrics.collect import ArmFiles
from superres.report.verify import verify_study

from .metrics.test_collect import ARM, collect, write_arm

ROOT = Path(superres.__file__).parent
STUDY = {"seed": 7, "latency": {"min_seconds": 3.0}, "clip": {"size": (6, 8)}}
RESULTS = Path("results/small")
FOLDER = RESULTS / "arms/local"
MANIFEST = FOLDER / "manifest.json"
FRAMES = RESULTS / "frames"
MODULES = ["device/frames/psnr.py", "device/base/errors.py"]
VIDEO = b"YUV4MPEG2 W8 H6 F50:1 Ip A1:1\n" + (b"FRAME\n" + bytes(range(72))) * 2


def make_frames() -> None:
    """A clip of two frames of a fetched video, and a calibration set of one picture."""
    file = PinnedFile("a.y4m", len(VIDEO), hashlib.sha256(VIDEO).hexdigest(), "error", "http://a.b/a.y4m")
    Path(file.path).parent.mkdir(parents=True)
    Path(file.path).write_bytes(VIDEO)
    video = Source(Y4m(file=file.name), pinned=file)
    hr, lr, index = (FRAMES / f"park.{ending}" for ending in ("hr.npy", "lr.npy", "json"))
    prepare_clip("park", [video], "bicubic", wheels=Path(), hr=hr, lr=lr, index=index)
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    Path("images").mkdir()
    Image.fromarray(pixels).save("images/a.png")
    images = [Source(Images(path="images"))]
    files = {
        "frames_out": FRAMES / "calibration/set.npy",
        "index_out": FRAMES / "calibration/set.json",
    }
    prepare_calibration_set("set", images, 4, 4, wheels=Path(), **files)


def manifest_of(files: ArmFiles, code: dict[str, Any], libraries: dict[str, str]) -> None:
    write_manifest(
        ARM,
        {task: FOLDER / f"{task}.json" for task in ("engine", "quality", "latency")},
        inputs={
            "onnx": FOLDER / "model.onnx",
            "clip": FRAMES / "park.json",
            "calibration": FRAMES / "calibration/set.json",
        },
        outputs={"quality": files.quality, "latency": files.latency},
        background=Background(STUDY, code, libraries),
        out=files.manifest,
    )
    collect([files], RESULTS / "metrics.csv")


@pytest.fixture
def arm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ArmFiles:
    """A study of one arm, in the working directory."""
    monkeypatch.chdir(tmp_path)
    make_frames()
    files = write_arm(FOLDER)
    manifest_of(files, describe_code(MODULES), describe_libraries(MODULES))
    return files


def findings(capsys: pytest.CaptureFixture[str], study: dict[str, Any] = STUDY) -> list[str]:
    """The lines of a verification that has to fail."""
    capsys.readouterr()
    with pytest.raises(
        UserError,
        match=r"as (1 manifest names|0 manifests name) it, found (1 difference|\d+ differences), listed",
    ):
        verify_study(RESULTS, {MANIFEST.as_posix(): study})
    return [line for line in capsys.readouterr().err.splitlines() if ": expected " in line]


def test_what_was_left_alone_matches(arm: ArmFiles, capsys: pytest.CaptureFixture[str]):
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    verify_study(RESULTS, {MANIFEST.as_posix(): STUDY, "results/small/arms/later/manifest.json": STUDY})
    said = capsys.readouterr().err
    assert "note: results/small/arms/later/manifest.json: not there yet" in said
    assert "verified 6 files of 1 manifest: 0 differences" in said and "expected" not in said
    assert before == {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def flip(path: Path, position: int = -1) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["model.onnx", "quality.csv", "latency.csv"])
def test_a_changed_file_is_named_with_both_hashes(arm: ArmFiles, capsys, name: str):
    path = FOLDER / name
    before = sha256(path)
    flip(path)
    assert findings(capsys) == [f"{path}: expected sha256 {before}, found sha256 {sha256(path)}"]
    path.unlink()
    assert findings(capsys) == [f"{path}: expected sha256 {before}, found nothing"]


def test_a_changed_frame_is_named(arm: ArmFiles, capsys):
    flip(FRAMES / "park.hr.npy")
    flip(FRAMES / "park.lr.npy", -40)
    flip(FRAMES / "calibration/set.npy")
    lines = findings(capsys)
    starts = ["calibration/set.npy, frame 0", "park.hr.npy, frame 1", "park.lr.npy, frame 0"]
    assert [line.split(": ")[0] for line in lines] == [f"{FRAMES}/{start}" for start in starts]


@pytest.mark.parametrize(
    "spoil, found",
    [
        (Path.unlink, "expected 2 frames, found nothing"),
        (lambda path: path.write_bytes(path.read_bytes()[:150]), "expected 2 frames, found something else"),
        (lambda path: np.save(path, np.zeros((1, 6, 8, 3), np.uint8)), "expected 2 frames, found 1 frame"),
    ],
)
def test_a_spoilt_frame_file_is_named(arm: ArmFiles, capsys, spoil: Callable[[Path], object], found: str):
    spoil(FRAMES / "park.hr.npy")
    assert f"{FRAMES}/park.hr.npy: {found}" in "\n".join(findings(capsys))


def test_a_fetched_file_that_has_changed_is_named_and_one_that_is_gone_is_not(arm: ArmFiles, capsys):
    video = Path("resources/files/a.y4m")
    flip(video)
    (line,) = findings(capsys)
    assert (
        line == f"{video}: expected sha256 {hashlib.sha256(VIDEO).hexdigest()}, found sha256 {sha256(video)}"
    )
    video.unlink()
    verify_study(RESULTS, {MANIFEST.as_posix(): STUDY})


def test_a_changed_manifest_is_found_by_its_row(arm: ArmFiles, capsys):
    MANIFEST.write_text(MANIFEST.read_text().replace('"seed": 7', '"seed": 8'))
    lines = "\n".join(findings(capsys))
    assert f"{RESULTS}/metrics.csv: manifest {MANIFEST}: expected sha256" in lines
    assert f"{MANIFEST}: study_sha256: expected" in lines
    assert "study.seed: expected 8, found 7" in lines
    MANIFEST.write_text("no JSON")
    assert f"{MANIFEST}: expected a manifest, found" in "\n".join(findings(capsys))


def test_a_changed_study_is_named_by_its_key(arm: ArmFiles, capsys):
    changed = {**STUDY, "latency": {"min_seconds": 4.0}, "steps": {}}
    assert findings(capsys, changed) == [
        "study.latency.min_seconds: expected 3.0, found 4.0",
        "study.steps: expected nothing, found {}",
    ]


def test_a_changed_module_is_named(arm: ArmFiles, capsys):
    code = describe_code(MODULES)
    manifest_of(arm, {**code, "modules": {"device/frames/psnr.py": "0" * 64, "device/gone.py": "1" * 64}}, {})
    now = sha256(ROOT / "device/frames/psnr.py")
    assert findings(capsys) == [
        f"module device/frames/psnr.py: expected sha256 {'0' * 64}, found sha256 {now}",
        f"module device/gone.py: expected sha256 {'1' * 64}, found nothing",
    ]


def test_another_library_is_noted_and_no_fault(arm: ArmFiles, capsys):
    manifest_of(arm, describe_code(MODULES), {"numpy": "1.0"})
    capsys.readouterr()
    verify_study(RESULTS, {})
    said = capsys.readouterr().err
    assert f"note: numpy: some arms were made with 1.0, {np.__version__} is installed here" in said
    assert "the study no longer has this arm" in said


def test_without_manifests_there_is_nothing_to_verify(tmp_path: Path):
    with pytest.raises(UserError, match="expected manifests of arms, found none; run the study first"):
        verify_study(tmp_path, {})


def test_the_manifest_says_what_stands_behind_it(arm: ArmFiles):
    manifest = json.loads(MANIFEST.read_text())
    assert manifest["code"]["modules"] == {name: sha256(ROOT / name) for name in MODULES}
    assert manifest["libraries"]["numpy"] == np.__version__
    assert manifest["outputs"]["quality"]["sha256"] == sha256(arm.quality)
