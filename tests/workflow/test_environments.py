"""What a user's environment can change changes no figure, and gives no traceback."""

import io
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from project_copy import ROOT, Project, copy_project, read_jobs

RESULTS = "results/tiny"
# Everything at once that has ended a run, or might change a figure: a notebook, a server in C, a container
# without a home, a warning as an error. TMPDIR and PYTHONPATH lead to nothing.
HOSTILE = {
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "LC_ALL": "C",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
    "PYTHONIOENCODING": "ascii:strict",
    "PYTHONWARNINGS": "error",
    "PYTHONPATH": "/nonexistent",
    "HOME": "/proc/none",
    "TMPDIR": "/nonexistent",
    "OMP_NUM_THREADS": "7",
    "TZ": "Asia/Kathmandu",
    "COLUMNS": "10",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "OPENBLAS_CORETYPE": "Prescott",
    "PYTORCH_JIT": "0",
    "POLARS_MAX_THREADS": "many",
    "NO_COLOR": "1",
}
# usetex needs LaTeX; `nonsense` is no key.
MATPLOTLIBRC = "text.usetex: True\nfont.size: 40\nbackend: TkAgg\nsavefig.bbox: tight\nnonsense: 1\n"
FOLDER = 'it\'s {x} "q" ü 日本 $HOME %'
NO_LOCKS = "#include <errno.h>\nint flock(int fd, int op) { errno = ENOLCK; return -1; }\n"


def run(
    folder: Path, *arguments: str, environment: Mapping[str, str] | None = None, umask: int = -1
) -> subprocess.CompletedProcess[str]:
    """Run Snakemake of this checkout's copy in another folder."""
    return subprocess.run(
        Project.command(["-s", str(folder.parent / "checkout/Snakefile"), *arguments]),
        cwd=folder,
        env={**os.environ, **(environment or {})},
        umask=umask,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )


def without_locks(folder: Path) -> dict[str, str]:
    """Return the variable that takes locks away from all processes; none without a C compiler."""
    if shutil.which("cc") is None:
        return {}
    source, library = folder / "locks.c", folder / "locks.so"
    source.write_text(NO_LOCKS, encoding="utf-8")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    return {"LD_PRELOAD": str(library)}


def few_arms() -> str:
    """The tiny study with an arm of every kind of runtime that has plots."""
    study = yaml.safe_load((ROOT / "studies/tiny.yaml").read_text(encoding="utf-8"))
    study["models"] = [{"name": "espcn_rgb"}, {"name": "bicubic"}]
    study["runtimes"] = [
        {"name": "openvino", "precisions": ["fp32", "int8-minmax"]},
        {"name": "opencv", "precisions": ["uint8"]},
    ]
    return yaml.safe_dump(study, sort_keys=False)


def contents(folder: Path, *names: str) -> dict[str, bytes]:
    """Files by their paths below a study's folder."""
    files = [path for name in names for path in sorted((folder / RESULTS).glob(name)) if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_hostile_environment_changes_no_figure(tiny: Project, tmp_path: Path):
    """In a folder of the user's own, whose name has all that a shell minds."""
    copy_project(tmp_path / "checkout")
    folder = tmp_path / FOLDER
    folder.mkdir()
    (folder / "few.yaml").write_text(few_arms(), encoding="utf-8")
    (folder / "matplotlibrc").write_text(MATPLOTLIBRC, encoding="utf-8")
    call = ("--cores", "4", "--configfile=few.yaml", "all")
    hostile = HOSTILE | without_locks(tmp_path)
    done = run(folder, *call, environment=hostile, umask=0o077)
    assert done.returncode == 0, done.stdout[-6000:]
    assert "Traceback" not in done.stdout
    assert ("has no locks" in done.stdout) == ("LD_PRELOAD" in hostile)
    figures = contents(folder, "frames/**/*", "onnx/**/*", "ranges/**/*.json", "arms/**/quality.csv")
    assert sum(name.endswith("quality.csv") for name in figures) == 3
    for name, content in figures.items():
        assert (tiny.folder / name).read_bytes() == content, name
    # Tables and plots again in a usual environment, from the same metrics.
    (folder / "matplotlibrc").unlink()
    drawn = contents(folder, "table1.*", "plots/*")
    assert {Path(name).suffix for name in drawn} == {".csv", ".md", ".svg", ".png"}
    done = run(folder, *call, "--forcerun", "write_table", "draw_plot")
    assert done.returncode == 0, done.stdout[-6000:]
    assert "measure_latency" not in read_jobs(done.stdout)
    again = contents(folder, "table1.*", "plots/*")
    assert [name for name, content in drawn.items() if again[name] != content] == []


@pytest.mark.parametrize(
    "environment",
    [
        {"HOME": "/proc/none"},
        {"PYTHONWARNINGS": "error"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=lambda environment: next(iter(environment)),
)
def test_snakemake_itself_bears_it(tmp_path: Path, environment: dict[str, str]):
    copy_project(tmp_path / "checkout")
    folder = tmp_path / "ü 日本"
    folder.mkdir()
    done = run(folder, "-n", "all", f"--configfile={ROOT / 'studies/tiny.yaml'}", environment=environment)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "Traceback" not in done.stdout
    # No folder named `~` or none of the user's appears.
    assert {path.name for path in folder.iterdir()} <= {".snakemake"}


def test_a_study_runs_from_any_folder(project: Project, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("own")
    study = project.folder / "studies/tiny.yaml"
    for call in ((), (f"--directory={folder}",)):
        done = subprocess.run(
            Project.command(
                ["-s", str(project.folder / "Snakefile"), "-n", "all", f"--configfile={study}", *call]
            ),
            cwd=project.folder / "studies" if call else folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert read_jobs(done.stdout)["measure_latency"] == 19


def test_a_folder_that_can_not_be_written_to_is_one_line(project: Project):
    """Nobody may make a folder in /proc, not even root."""
    (project.folder / "results").symlink_to("/proc")
    done = project.snakemake("--cores", "1", "all", "--configfile=studies/tiny.yaml")
    assert done.returncode == 1
    (line,) = (line for line in done.stdout.splitlines() if "study error" in line)
    assert "results/tiny: expected a folder that can be written to, found: " in line
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize("name", ["a{b}c", os.fsdecode(b"caf\xe9")])
def test_a_folder_that_no_job_could_use_is_one_line(tmp_path: Path, name: str):
    project = copy_project(tmp_path / name)
    done = subprocess.run(
        Project.command(["-n", "all", "--configfile=studies/tiny.yaml"]),
        cwd=project.folder,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    assert done.returncode == 1
    (line,) = (line for line in done.stderr.splitlines() if "study error" in line)
    assert "expected a folder" in line and "rename it" in line
    assert "Traceback" not in done.stdout + done.stderr


UNREADABLE = {
    "utf-16": ("study: tïny\n".encode("utf-16"), "expected UTF-8, found UTF-16"),
    "latin-1": ("# one\nstudy: tiny\ndescription: é\n".encode("latin-1"), "found the byte 0xe9 in line 3"),
    "twice": (b"study: a\nfar_db: 2\nfar_db: 3\n", "expected the key far_db once, found it in lines 2 and 3"),
    "broken": (b"study: a\nclips: [\n", "expected YAML, found in line 3"),
    "a list": (b"- clips\n", "expected a study with keys such as `study: NAME`, found a sequence"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_study_that_can_not_be_read_is_one_line(project: Project, name: str):
    content, expected = UNREADABLE[name]
    (project.folder / "bad.yaml").write_bytes(content)
    done = project.snakemake("-n", "all", "--configfile=bad.yaml")
    assert done.returncode == 1
    (line,) = (line for line in done.stdout.splitlines() if "study error" in line)
    assert line.startswith("study error: bad.yaml: ") and expected in line
    assert "Traceback" not in done.stdout


def test_byte_order_mark_and_line_ends_of_windows_are_fine(project: Project):
    text = few_arms().replace("\n", "\r\n")
    (project.folder / "windows.yaml").write_bytes(b"\xef\xbb\xbf" + text.encode())
    done = project.snakemake("-n", "all", "--configfile=windows.yaml")
    assert done.returncode == 0, done.stdout
    assert read_jobs(done.stdout)["measure_latency"] == 3


def test_numbers_of_a_command_line_are_numbers(project: Project):
    """Snakemake reads all values of a mapping as texts."""
    call = ("-n", "all", "--configfile=studies/tiny.yaml", "--config")
    done = project.snakemake(*call, "latency={min_seconds: 0.5, min_iterations: 7}", "far_db=2")
    assert done.returncode == 0, done.stdout
    done = project.snakemake(*call, "latency={min_seconds: short}")
    assert "study error: latency.min_seconds: expected a number, found 'short'" in done.stdout


def test_errors_of_failed_jobs_are_the_last_lines(project: Project):
    """The other jobs go on, and what they print would hide the error."""
    photos = project.folder / "photos"
    photos.mkdir()
    (photos / "whole.png").write_bytes(image())
    (photos / "broken.png").write_bytes(image()[:-100])
    (photos / "._whole.png").write_bytes(b"of macOS")
    (photos / "whole {1080p}.png").write_bytes(image(seed=1))
    clips = "\n".join(
        f"  - {{name: {name}, source: {{type: images, path: photos, include: ['{name}*']}}}}"
        for name in ("broken", "whole")
    )
    study = project.write_study("bad", f"study: bad\nclips:\n{clips}\n")
    frames = [f"results/bad/frames/{name}.hr.npy" for name in ("broken", "whole")]
    done = project.snakemake("--cores", "1", *frames, f"--configfile={study}")
    assert done.returncode == 1
    *_, title, line = done.stdout.splitlines()
    assert title == "Failed jobs:"
    assert line.startswith(
        "  prepare_clip role=frames clip=broken: photos/broken.png: expected an image that"
    )
    # Names with braces are no wildcards; a change of such a file makes its frames again.
    index = project.folder / "results/bad/frames/whole.json"
    assert '"whole {1080p}.png"' in index.read_text(encoding="utf-8")
    assert "_whole" not in index.read_text(encoding="utf-8")
    done = project.snakemake("-n", frames[1], f"--configfile={study}")
    assert "Nothing to be done" in done.stdout
    (photos / "whole {1080p}.png").write_bytes(image(seed=2))
    done = project.snakemake("-n", frames[1], f"--configfile={study}")
    assert read_jobs(done.stdout) == {"prepare_clip": 1, "total": 1}


def image(seed: int = 0) -> bytes:
    """A PNG of 32 x 32 random pixels."""
    pixels = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG")
    return stream.getvalue()


def test_a_full_disk_is_one_line_in_every_job(project: Project):
    """On a disk of 300 kB for results; only root may mount one."""
    results = project.folder / "results"
    results.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(results)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a small disk needs root")
    try:
        done = project.snakemake(
            "--cores",
            "2",
            "--configfile=studies/tiny.yaml",
            *(
                f"results/tiny/{name}"
                for name in (
                    "frames/portrait.hr.npy",
                    "onnx/espcn_rgb/fp32.onnx",
                    "onnx/espcn_rgb/int8-minmax.onnx",
                    "programs/espcn_rgb.pt",
                    "arms/local/openvino/espcn_rgb/fp32/engine.bin",
                )
            ),
        )
    finally:
        subprocess.run(["umount", str(results)], check=True)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout
    failed = done.stdout.partition("Failed jobs:\n")[2].splitlines()
    assert failed
    assert all("expected room for" in line or "free disk space" in line for line in failed), failed
