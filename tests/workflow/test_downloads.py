"""Files that a study fetches, with Snakemake and a real server on loopback."""

import hashlib
from collections.abc import Iterator

import numpy as np
import pytest

from project_copy import Project, read_jobs
from unit.data.file_server import Served, cut, serving

SECRET = "s3cr3t"
STUDY = """
study: fetched
files:
  - {name: run.y4m, url: "URL?token=s3cr3t", bytes: BYTES, sha256: SHA256}
clips: [{name: run, source: {type: y4m, file: run.y4m}}]
models: [{name: bicubic}]
runtimes: [{name: opencv, precisions: [uint8]}]
latency: {warmup_seconds: 0, min_seconds: 0, min_iterations: 5, max_seconds: 0.5, rounds: 6}
"""
FRAMES = "results/fetched/frames/run.x2.npy"


def video() -> bytes:
    rng = np.random.default_rng(0)
    return b"YUV4MPEG2 W64 H48 F50:1 Ip A1:1\n" + b"".join(
        b"FRAME\n" + rng.bytes(64 * 48 * 3 // 2) for _ in range(6)
    )


@pytest.fixture
def server() -> Iterator[Served]:
    with serving(video()) as served:
        yield served


def write_study(project: Project, server: Served, **changes: str) -> str:
    text = STUDY.replace("URL", changes.get("url", server.url)).replace("BYTES", str(len(server.content)))
    return "--configfile=" + project.write_study(
        "fetched", text.replace("SHA256", hashlib.sha256(server.content).hexdigest())
    )


def test_a_study_fetches_its_files_once_and_prints_no_secret(project: Project, server: Served):
    study = write_study(project, server)
    server.faults = [cut(9000)]
    jobs = read_jobs(project.snakemake("-n", "all", study).stdout)
    assert jobs["fetch_file"] == jobs["prepare_clip"] == 1 and server.asked == []
    done = project.snakemake("--cores", "2", "bicubic", study)
    assert done.returncode == 0, done.stdout[-3000:]
    assert len(server.asked) == 2 and server.asked[1]["Range"] == "bytes=9000-"
    assert (project.folder / "resources/files/run.y4m").read_bytes() == server.content
    assert np.load(project.folder / FRAMES).shape == (6, 24, 32, 3)
    # Verified during the download: Snakemake's touching of outputs doesn't make the receipt stale.
    assert "checking" not in done.stdout

    manifest = next(project.folder.glob("results/fetched/arms/**/manifest.json")).read_text()
    assert hashlib.sha256(server.content).hexdigest() in manifest and "/files/clip.bin" in manifest
    written = [path for path in project.folder.rglob("*") if path.is_file() and path.name != "fetched.yaml"]
    assert [path for path in written if SECRET.encode() in path.read_bytes()] == []
    assert SECRET not in done.stdout

    # Another address for the same content reruns nothing but the manifest that names it.
    study = write_study(project, server, url="http://127.0.0.1:1/moved.y4m")
    jobs = read_jobs(project.snakemake("-n", "bicubic", study).stdout)
    assert set(jobs) == {"write_manifest", "bicubic", "total"}

    check_tampering(project, study)


def check_tampering(project: Project, study: str) -> None:
    """A file that has changed since its verification is named before it is used; outputs stay."""
    stored = project.folder / "resources/downloads/run.y4m"
    before, made = stored.read_bytes(), (project.folder / FRAMES).read_bytes()
    stored.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    done = project.snakemake("--cores", "1", FRAMES, study)
    assert done.returncode != 0
    errors = [line for line in done.stdout.splitlines() if line.startswith("error:")]
    assert len(errors) == 1 and "resources/files/run.y4m: expected sha256" in errors[0], done.stdout[-3000:]
    assert "Traceback" not in done.stdout
    stored.write_bytes(before)
    done = project.snakemake("--cores", "1", FRAMES, study)
    assert done.returncode == 0, done.stdout[-3000:]
    assert (project.folder / FRAMES).read_bytes() == made


def test_a_local_folder_is_used_without_a_network(project: Project, server: Served, tmp_path_factory):
    own = tmp_path_factory.mktemp("own")
    (own / "run.y4m").write_bytes(server.content)
    study = write_study(project, server, url="http://127.0.0.1:1/nobody.y4m")
    done = project.snakemake("--cores", "2", FRAMES, study, environment={"SUPERRES_DATA": str(own)})
    assert done.returncode == 0, done.stdout[-3000:]
    assert (project.folder / "resources/files/run.y4m").resolve() == own / "run.y4m"
    assert not (project.folder / "resources/downloads/run.y4m").exists()
