"""Two runs of a study give the same bytes, however busy the machine is."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from project_copy import Project, copy_project

RESULTS = "results/tiny"
KEPT = ("frames", "onnx", "ranges")


@contextmanager
def busy_process() -> Iterator[None]:
    """Something else that takes all of a processor that it gets."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
        try:
            yield
            assert other.poll() is None, "the busy process has ended by itself"
        finally:
            other.kill()


def quality_files(project: Project) -> list[str]:
    """The PSNR of every frame of every arm."""
    arms = (project.folder / RESULTS / "arms").rglob("quality*.csv")
    return sorted(str(path.relative_to(project.folder)) for path in arms)


def contents(project: Project) -> dict[str, bytes]:
    """Frames, graphs, ranges and PSNR by their paths."""
    folders = [project.folder / RESULTS / name for name in KEPT]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    files += [project.folder / name for name in quality_files(project)]
    return {str(path.relative_to(project.folder)): path.read_bytes() for path in files}


def test_another_run_gives_the_same_bytes(tiny: Project, tmp_path: Path):
    """The second run starts from nothing, next to a busy process that the first run didn't have."""
    wanted = quality_files(tiny)
    arms = (tiny.folder / RESULTS / "arms").rglob("manifest.json")
    assert {Path(name).parent for name in wanted} == {path.relative_to(tiny.folder).parent for path in arms}
    assert {Path(name).parts[4] for name in wanted} >= {"onnxruntime", "opencv", "openvino", "pytorch"}
    again = copy_project(tmp_path)
    with busy_process():
        done = again.snakemake("--cores", "4", "--configfile=studies/tiny.yaml", *wanted)
    assert done.returncode == 0, done.stdout[-6000:]
    first, second = contents(tiny), contents(again)
    for kind in (".npy", ".onnx", ".csv", "ranges/espcn_rgb/minmax.json"):
        assert any(name.endswith(kind) for name in first), kind
    assert sorted(second) == sorted(first)
    differ = [name for name in first if second[name] != first[name]]
    assert not differ, "\n".join(differ)
