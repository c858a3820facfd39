"""`verify` finds changed and missing files, modules and study keys; `repair` removes what they concern."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import superres
from superres.code_version import describe_code, describe_libraries, libraries_behind
from superres.device.base.errors import UserError
from superres.report.manifest import Background, write_manifest
from superres.report.metrics.collect import ArmFiles
from superres.report.page.provenance import shown_command
from superres.report.repair import remove_damage, repair_command
from superres.report.verify import Wanted, verify_study
from superres.scripting import script_job

from .metrics.test_collect import ARM, collect, write_arm

ROOT = Path(superres.__file__).parent
STUDY = {"seed": 7, "latency": {"min_seconds": 3.0}, "clip": {"size": (6, 8)}}
RESULTS = Path("results/small")
FOLDER = RESULTS / "arms/local"
MANIFEST, METRICS, TABLE = FOLDER / "manifest.json", RESULTS / "metrics.csv", RESULTS / "table1.md"
FRAMES = RESULTS / "frames/park.hr.npy"
VIDEO = Path("resources/files/a.y4m")
MODULES = ["device/frames/psnr.py", "device/base/errors.py"]
REMEDY = "snakemake repair"
# Files that a job of the study made.
TASKS = ("quality", "latency")
MADE = [FRAMES, *(FOLDER / f"{task}.{kind}" for task in TASKS for kind in ("csv", "json"))]
MADE += [FOLDER / "model.onnx", FOLDER / "engine.json", MANIFEST, METRICS, TABLE]


def made(rule: str, inputs: list[Path], *outputs: Path) -> None:
    """Run a job whose outputs are there already."""
    with script_job(f"{RESULTS}/logs/{rule}.log", list(map(str, inputs)), list(map(str, outputs))):
        pass


def manifest_of(files: ArmFiles, code: dict[str, Any], libraries: dict[str, str]) -> None:
    """The manifest of the arm, and what is made of it."""
    inputs = [path for path in MADE if path.parent == FOLDER and path != MANIFEST]
    write_manifest(
        ARM,
        {task: FOLDER / f"{task}.json" for task in ("engine", *TASKS)},
        inputs={"onnx": FOLDER / "model.onnx"},
        outputs={"quality": files.quality, "latency": files.latency},
        background=Background(STUDY, code, libraries),
        out=files.manifest,
    )
    made("write_manifest", inputs, MANIFEST)
    collect([files], METRICS)
    made("collect_metrics", [MANIFEST, files.quality, files.latency], METRICS)
    TABLE.write_text("| 29.0 |\n")
    made("write_table", [METRICS], TABLE)


@pytest.fixture
def arm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ArmFiles:
    """A study of one arm, in the working directory."""
    monkeypatch.chdir(tmp_path)
    VIDEO.parent.mkdir(parents=True)
    VIDEO.write_bytes(b"video")
    files = write_arm(FOLDER)
    FRAMES.parent.mkdir()
    FRAMES.write_bytes(b"frames")
    made("prepare_clip", [VIDEO], FRAMES)
    made("export_onnx", [], FOLDER / "model.onnx")
    made("build_engine", [FOLDER / "model.onnx"], FOLDER / "engine.json")
    for task in TASKS:
        inputs = [FRAMES, FOLDER / "engine.json"]
        made(f"measure_{task}", inputs, FOLDER / f"{task}.csv", FOLDER / f"{task}.json")
    manifest_of(files, describe_code(MODULES), describe_libraries(libraries_behind(MODULES)))
    return files


def wanted(study: dict[str, Any] = STUDY) -> Wanted:
    return Wanted(RESULTS, [METRICS.as_posix(), TABLE.as_posix()], {MANIFEST.as_posix(): study})


def findings(capsys: pytest.CaptureFixture[str], study: dict[str, Any] = STUDY) -> list[str]:
    """The lines of a verification that has to fail."""
    capsys.readouterr()
    with pytest.raises(UserError, match=r"found (1 difference|\d+ differences), .*: snakemake repair$"):
        verify_study(wanted(study), REMEDY)
    return [line for line in capsys.readouterr().err.splitlines() if ": expected " in line]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def flip(path: Path) -> None:
    """Change a byte and keep the time."""
    content, times = bytearray(path.read_bytes()), path.stat().st_mtime_ns
    content[-2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times, times))


def test_what_was_left_alone_matches(arm: ArmFiles, capsys: pytest.CaptureFixture[str]):
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    later = Wanted(RESULTS, wanted().shown, {**wanted().arms, f"{RESULTS}/arms/later/manifest.json": STUDY})
    verify_study(later, REMEDY)
    said = capsys.readouterr().err
    assert "note: 1 manifest not there yet, such as results/small/arms/later/manifest.json" in said
    assert "verified 10 files and 1 manifest: 0 differences" in said and "expected" not in said
    assert before == {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}


@pytest.mark.parametrize("path", MADE, ids=str)
def test_a_changed_or_deleted_file_is_named_with_its_job(arm: ArmFiles, capsys, path: Path):
    before = sha256(path)
    flip(path)
    (line,) = (line for line in findings(capsys) if line.startswith(f"{path}: expected it as "))
    assert line.endswith(f" made it, sha256 {before}, found sha256 {sha256(path)}")
    path.unlink()
    (line,) = (line for line in findings(capsys) if line.startswith(f"{path}: expected it as "))
    assert line.endswith(", found nothing")


def test_a_file_made_of_an_earlier_one_is_named(arm: ArmFiles, capsys):
    arm.latency.write_text(arm.latency.read_text().replace("45.0", "46.0"))
    made("measure_latency", [FRAMES, FOLDER / "engine.json"], arm.latency, FOLDER / "latency.json")
    expected = "expected it to be made of arms/local/latency.csv as it is now, found an earlier one"
    assert findings(capsys) == [f"{METRICS}: {expected}", f"{MANIFEST}: {expected}"][::-1]


def test_a_source_that_has_changed_is_named_and_one_that_is_gone_is_not(arm: ArmFiles, capsys):
    before = sha256(VIDEO)
    flip(VIDEO)
    assert findings(capsys) == [
        f"{VIDEO}: expected sha256 {before}, as when it was read, found sha256 {sha256(VIDEO)}"
    ]
    VIDEO.unlink()
    verify_study(wanted(), REMEDY)


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
    verify_study(wanted(), REMEDY)
    said = capsys.readouterr().err
    assert f"note: numpy: some arms were made with 1.0, {np.__version__} is installed here" in said


def test_what_the_study_no_longer_uses_may_be_gone_and_not_changed(arm: ArmFiles, capsys):
    other = RESULTS / "arms/other/quality.csv"
    other.parent.mkdir()
    other.write_text("a,b\n")
    made("measure_quality/other", [FRAMES], other)
    flip(other)
    assert findings(capsys)[0].startswith(f"{other}: expected it as measure_quality made it")
    assert repair() == {METRICS, TABLE} and not other.exists()
    verify_study(wanted(), REMEDY)
    made("measure_quality/other", [FRAMES], other)
    verify_study(wanted(), REMEDY)


def test_results_without_receipts_are_counted_and_used(arm: ArmFiles, capsys):
    shutil.rmtree(RESULTS / ".receipts")
    verify_study(wanted(), REMEDY)
    said = capsys.readouterr().err
    assert "note: 3 files without a receipt, not checked: made before there were receipts" in said
    assert "verified 0 files and 1 manifest: 0 differences" in said


@pytest.mark.parametrize("path", [METRICS, TABLE], ids=lambda path: path.name)
@pytest.mark.parametrize("damage", [Path.unlink, lambda receipt: receipt.write_text("{}")])
def test_an_edit_that_took_its_receipt_along_is_named_and_repaired(
    arm: ArmFiles, capsys, path: Path, damage: Callable[[Path], object]
):
    path.write_text(path.read_text().replace("29.0", "99.0"))
    damage(RESULTS / ".receipts" / f"{path.name}.json")
    with pytest.raises(UserError, match="found 1 difference"):
        verify_study(wanted(), REMEDY)
    assert f"{path}: expected a receipt of the job that made it, found nothing" in capsys.readouterr().err
    assert path in repair() and not path.exists() and not TABLE.exists()


def test_without_results_there_is_nothing_to_verify(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for look in (
        lambda: verify_study(wanted(), REMEDY),
        lambda: remove_damage(wanted(), targets=[], pretend=False),
    ):
        with pytest.raises(UserError, match="expected results of jobs, found none; run the study first"):
            look()


def test_the_manifest_says_what_stands_behind_it(arm: ArmFiles):
    manifest = json.loads(MANIFEST.read_text())
    assert manifest["code"]["modules"] == {name: sha256(ROOT / name) for name in MODULES}
    assert manifest["libraries"]["numpy"] == np.__version__
    assert manifest["outputs"]["quality"]["sha256"] == sha256(arm.quality)


def repair(pretend: bool = False) -> set[Path]:
    """Repair the study, and return what is asked for."""
    targets = [[METRICS.as_posix(), TABLE.as_posix()], [f"{RESULTS}/evaluation.csv"]]
    return set(map(Path, remove_damage(wanted(), targets=targets, pretend=pretend)))


@pytest.mark.parametrize(
    ("spoil", "gone"),
    [
        (lambda: flip(TABLE), {TABLE}),
        (MANIFEST.unlink, {MANIFEST, METRICS, TABLE}),
        # Both outputs of a job go, and what was made of them.
        (
            lambda: flip(FOLDER / "quality.csv"),
            {FOLDER / "quality.csv", FOLDER / "quality.json", MANIFEST, METRICS, TABLE},
        ),
        (lambda: flip(FOLDER / "model.onnx"), set(MADE) - {FRAMES}),
        (lambda: shutil.rmtree(FOLDER), set(MADE) - {FRAMES}),
        (lambda: flip(VIDEO), set(MADE) - {FOLDER / "model.onnx", FOLDER / "engine.json"}),
        (lambda: None, set()),
    ],
    ids=["table", "manifest", "figures", "graph", "folder", "source", "nothing"],
)
def test_a_repair_removes_what_is_damaged_and_what_was_made_of_it(
    arm: ArmFiles, spoil: Callable[[], object], gone: set[Path]
):
    spoil()
    there = {path for path in MADE if path.exists()}
    assert repair(pretend=True) == {METRICS, TABLE} | ({MANIFEST} & gone)
    assert {path for path in MADE if path.exists()} == there
    assert repair() == {METRICS, TABLE} | ({MANIFEST} & gone)
    assert {path for path in MADE if not path.exists()} == gone
    # A user's own file stays.
    assert VIDEO.exists()
    with_receipts = {
        path for path in MADE if (RESULTS / ".receipts" / f"{path.relative_to(RESULTS)}.json").exists()
    }
    assert with_receipts == set(MADE) - gone


def test_a_download_that_has_changed_is_fetched_again(arm: ArmFiles):
    receipt = VIDEO.with_name("a.y4m.receipt.json")
    receipt.write_text("{}")
    flip(VIDEO)
    repair()
    assert not VIDEO.exists() and not receipt.exists()


def test_the_command_is_that_of_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert repair_command(tmp_path / "Snakefile", None, [], {}) == "snakemake --cores 4 repair"
    files = [str(tmp_path / "my study.yaml"), "/b.yaml"]
    config = {"study": "a", "latency": {"rounds": 5}}
    assert repair_command("/opt/sr/Snakefile", None, files, config) == (
        "snakemake --cores 4 repair --snakefile /opt/sr/Snakefile --configfile 'my study.yaml' /b.yaml "
        """--config study=a 'latency={"rounds": 5}'"""
    )
    assert repair_command(tmp_path / "Snakefile", "there", files[1:], {}) == (
        f"snakemake --cores 4 repair --snakefile {tmp_path}/Snakefile --directory {tmp_path} "
        "--configfile /b.yaml"
    )


def test_a_command_for_others_names_no_folder_of_this_machine():
    command = repair_command(
        "/opt/sr/Snakefile", "there", ["/home/me/my study.yaml"], {"latency": {"rounds": 5}}
    )
    assert shown_command(command) == (
        "snakemake --cores 4 repair --snakefile Snakefile --configfile 'my study.yaml' "
        """--config 'latency={"rounds": 5}'"""
    )
    assert shown_command("snakemake --cores 4 repair") == "snakemake --cores 4 repair"
