"""What is damaged or edited is named, never adopted, and one command makes it right."""

import os
import re
import shutil
from pathlib import Path

import pytest

from project_copy import Project, read_jobs

# Three arms of the tiny study, one of which is the reference of the timing.
STUDY = """
study: short
models: [{name: espcn_rgb}, {name: bicubic}]
runtimes: [{name: openvino, precisions: [fp32, int8-minmax]}, {name: opencv, precisions: [uint8]}]
"""
RESULTS = Path("results/short")
REPAIR = "snakemake --cores 4 repair --configfile studies/tiny.yaml studies/short.yaml"
INT8, FP32 = (RESULTS / f"arms/local/openvino/espcn_rgb/{name}" for name in ("int8-minmax", "fp32"))


class Study:
    """The short study in a copy of the project, whose folder is the working directory."""

    def __init__(self, project: Project):
        self.project = project
        self.files = ("--configfile", "studies/tiny.yaml", project.write_study("short", STUDY))
        assert self.run("all").returncode == 0
        self.quality = self.read_quality()

    def run(self, *arguments: str):
        return self.project.snakemake("--cores", "2", *arguments, *self.files)

    def read_quality(self) -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in RESULTS.rglob("arms/**/quality.csv")}

    def differences(self) -> set[str]:
        """The files that `verify` names."""
        done = self.run("verify")
        assert done.returncode != 0 and "Traceback" not in done.stdout
        assert re.search(rf"found \d+ differences?, listed above; .*: {REPAIR}\n", done.stdout), done.stdout
        return set(re.findall(r"^(results/\S+): expected it ", done.stdout, re.M))

    def repair(self) -> dict[str, int]:
        """Repair by the command that was printed; return the jobs that ran."""
        assert self.run("-n", "repair").returncode == 0
        done = self.project.snakemake(*REPAIR.split()[1:])
        assert done.returncode == 0, done.stdout[-5000:]
        assert "manifests: 0 differences" in done.stdout
        assert self.read_quality() == self.quality
        assert "Nothing to be done" in self.run("-n", "all").stdout
        return read_jobs(done.stdout)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    changed = re.sub(old, new, text, count=1, flags=re.M)
    assert changed != text
    path.write_text(changed)


def flip(path: Path) -> None:
    """Change a byte in the middle and keep the time."""
    content, times = bytearray(path.read_bytes()), path.stat().st_mtime_ns
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times, times))


@pytest.fixture
def study(project: Project, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.chdir(project.folder)
    return Study(project)


def test_what_is_damaged_is_named_refused_and_repaired(study: Study):
    # Edited figures: each job that would read one refuses it.
    # Frame, name, height, width, mse, then PSNR.
    edit(INT8 / "quality.csv", r"^(0,[^,]*,\d+,\d+,[\d.]+),[\d.]+,", r"\1,88.8,")
    edit(FP32 / "latency.csv", r"^(own,.*,)[\d.]+(,[^,]*)$", r"\g<1>0.01\2")
    done = study.run("all")
    assert done.returncode != 0 and "Traceback" not in done.stdout
    for path, rule in ((INT8 / "quality.csv", "measure_quality"), (FP32 / "latency.csv", "measure_latency")):
        line = (
            f"error: {path}: expected it as {rule} made it, found it changed since; make it again: {REPAIR}"
        )
        assert line in done.stdout.splitlines()
    assert {str(INT8 / "quality.csv"), str(FP32 / "latency.csv")} <= study.differences()
    assert {"build_engine", "prepare_clip"}.isdisjoint(study.repair())

    # What Snakemake doesn't see: it says that nothing is to be done.
    shutil.rmtree(RESULTS / "arms/local/opencv")
    graph = next((RESULTS / "onnx/espcn_rgb").glob("int8-minmax.*.onnx"))
    for path in (graph, RESULTS / "frames/portrait.hr.npy", FP32 / "quality.json"):
        flip(path)
    (FP32 / "engine.bin").unlink()
    (INT8 / "manifest.json").unlink()
    spoilt = {graph, RESULTS / "frames/portrait.hr.npy", FP32 / "quality.json", FP32 / "engine.bin"}
    spoilt |= {
        INT8 / "manifest.json",
        *(
            RESULTS / f"arms/local/opencv/bicubic/uint8/{name}"
            for name in (
                "engine.bin",
                "engine.json",
                "quality.csv",
                "quality.json",
                "sample.npy",
                "latency.csv",
                "latency.json",
                "manifest.json",
            )
        ),
    }
    assert "Nothing to be done" in study.run("-n", "all").stdout
    assert study.differences() == set(map(str, spoilt))
    assert study.repair()["measure_quality"] == 3

    # What readers see: only what was made of it is made again.
    edit(RESULTS / "table1.md", r"\d\d\.\d{4}", "99.9999")
    edit(RESULTS / "metrics.csv", r"\d\d\.\d+", "99.9")
    assert study.differences() == {f"{RESULTS}/table1.md", f"{RESULTS}/metrics.csv"}
    jobs = study.repair()
    made = {"collect_metrics": 1, "write_table": 1, "write_recommendation": 1, "build_page": 1}
    made["repair"] = 1
    drawn = jobs["draw_plot"]
    assert jobs == {**made, "draw_plot": drawn, "total": len(made) + drawn}

    # Neither other times nor another place are a difference.
    assert study.run("--touch", "all").returncode == 0
    shutil.copytree("results", "elsewhere")
    shutil.rmtree("results")
    Path("elsewhere").rename("results")
    assert "3 manifests: 0 differences" in study.run("verify").stdout

    # A second study has receipts of its own.
    other = study.project.write_study("other", STUDY.replace("short", "other"))
    done = study.project.snakemake("--cores", "1", "verify", "--configfile", "studies/tiny.yaml", other)
    assert "error: results/other: expected results of jobs, found none; run the study first" in done.stdout
