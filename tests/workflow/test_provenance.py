"""A manifest names every module behind its arm, and `verify` finds what has changed since."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from project_copy import Project
from superres.device.tasks import TASKS
from superres.study.facts import Facts
from superres.study.load import load_study
from superres.study.paths import Paths

# An arm of every kind of way from weights to figures.
STUDY = """
study: ways
calibrations:
  - {name: minmax, data: {type: calibration-set, name: photographs}}
  - {name: flat, method: fixed}
  - {name: ort, method: onnxruntime, data: {type: calibration-set, name: photographs}}
models: [{name: espcn_rgb}, {name: espcn_anchor, weights: train}, {name: bicubic}]
training_sets:
  - {name: training, sources: [{type: images, path: photos, include: [a.png]}]}
  - {name: validation, sources: [{type: images, path: photos, include: [b.png]}]}
runtimes:
  - {name: pytorch, precisions: [fp32]}
  - name: onnxruntime
    precisions: [fp32, int8-flat, int8-ort, int8-minmax+center+bias, int8-minmax+pow2, int8-minmax+mixed]
  - {name: openvino, precisions: [int8-minmax]}
  - {name: tensorrt, precisions: [fp32, fp16, int8-trt-minmax], frames: uint8}
  - {name: opencv, precisions: [uint8]}
"""
# Bicubic's engine is built from no file.
BLOCK = re.compile(r"^(?:local)?rule (\w+):\n(?:    input: (.*)\n)?    output: (.*)$", re.M)
# Rules that only fetch what is pinned by its hash.
FETCHING = {"download_package", "fetch_file"}


def read_rules(output: str) -> dict[str, tuple[str, list[str]]]:
    """Rule and inputs of the job that makes each file, from a dry run's output."""
    return {
        made: (rule, inputs.split(", "))
        for rule, inputs, outputs in BLOCK.findall(output)
        for made in outputs.split(", ")
    }


def rules_upstream(file: str, jobs: dict[str, tuple[str, list[str]]]) -> set[str]:
    """Rules of the jobs that a file depends on."""
    found: set[str] = set()
    waiting = list(jobs[file][1])
    while waiting:
        name = waiting.pop()
        if name in jobs:
            found.add(jobs[name][0])
            waiting += jobs[name][1]
    return found


def test_a_manifest_names_the_code_of_all_jobs_before_it(project: Project, monkeypatch: pytest.MonkeyPatch):
    (project.folder / "photos").mkdir()
    for name in ("a.png", "b.png"):
        shutil.copy(
            Path(__file__).parents[2] / "docs/pictures/psnr_fps.png", project.folder / "photos" / name
        )
    study = project.write_study("ways", STUDY)
    jobs = read_rules(project.snakemake("-n", "all", "--configfile", study).stdout)
    monkeypatch.chdir(project.folder)
    config = yaml.safe_load(Path("config.yaml").read_text(encoding="utf-8"))
    config |= yaml.safe_load(Path(study).read_text(encoding="utf-8"))
    facts = Facts(Paths(load_study(config)))
    tasks = {facts.task_module(task): task for task in TASKS}
    assert len(facts.study.arms) == 2 * 11 + 1
    for arm in facts.study.arms:
        named = {tasks.get(name, name) for name in facts.code_behind(arm)}
        upstream = rules_upstream(facts.paths.arm(arm, "manifest.park.json"), jobs)
        assert {name for name in named if not name.endswith(".py")} == upstream - FETCHING, arm


def spoil(path: Path) -> bytes:
    before = path.read_bytes()
    # A module stays one.
    path.write_bytes(before + b"\n" if path.suffix == ".py" else before[:-1] + bytes([before[-1] ^ 1]))
    return before


@pytest.fixture
def change(tiny: Project) -> Iterator[Callable[[str], None]]:
    """Spoils a file of the tiny study; afterwards each is put back, with its time."""
    kept: list[tuple[Path, bytes, int]] = []

    def change(name: str) -> None:
        path = tiny.folder / name
        times = path.stat().st_mtime_ns
        kept.append((path, spoil(path), times))

    yield change
    for path, content, times in kept:
        path.write_bytes(content)
        os.utime(path, ns=(times, times))


def test_verify_finds_what_has_changed(tiny: Project, change: Callable[[str], None]):
    done = tiny.snakemake("--cores", "1", "verify", "--configfile=studies/tiny.yaml")
    assert done.returncode == 0, done.stdout[-3000:]
    assert "and 19 manifests: 0 differences" in done.stdout

    arm = "results/tiny/arms/local/openvino/espcn_rgb/fp32"
    changed = [
        f"{arm}/engine.bin",
        "results/tiny/frames/portrait.hr.npy",
        "src/superres/device/frames/psnr.py",
    ]
    for name in changed:
        change(name)
    study = (tiny.folder / "studies/tiny.yaml").read_text().replace("min_seconds: 0.1", "min_seconds: 0.3")
    other = tiny.write_study("slower", study)
    done = tiny.snakemake("--cores", "1", "verify", "--configfile", other)
    (tiny.folder / other).unlink()
    assert done.returncode != 0
    lines = [line for line in done.stdout.splitlines() if re.search(r": expected .*, found ", line)]
    for start in (
        f"{changed[0]}: expected it as build_engine made it",
        f"{changed[1]}: expected it as prepare_clip made it",
        "module device/frames/psnr.py",
        "study.latency.min_seconds: expected 0.1, found 0.3 (for 19 files)",
        "error: results/tiny: expected every file as its job left it, found 4 differences",
    ):
        assert sum(line.startswith(start) for line in lines) == 1, (start, done.stdout[-4000:])
    # The error is said once more at the end of the run.
    assert len(lines) == 5 + 1
    assert "Traceback" not in done.stdout
