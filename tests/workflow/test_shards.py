"""A study in shards gives the files of a study in one piece, to the byte."""

import json

import numpy as np
import pytest
import yaml
from PIL import Image

from project_copy import Project, copy_project, read_jobs

FRAMES = 5
ARMS = ("openvino/espcn_rgb/fp32", "opencv/bicubic/uint8")
FILES = tuple(f"arms/local/{arm}/quality.csv" for arm in ARMS)


def write_study(project: Project, name: str, **keys: object) -> str:
    study = yaml.safe_load((project.folder / "studies/tiny.yaml").read_text(encoding="utf-8"))
    study["models"] = [{"name": "espcn_rgb"}, {"name": "bicubic"}]
    study["runtimes"] = [
        {"name": "openvino", "precisions": ["fp32"]},
        {"name": "opencv", "precisions": ["uint8"]},
    ]
    study["clips"] = [{"name": "five", "source": {"type": "images", "path": "five"}}]
    study |= {"study": name, "samples": {"frame": 3}, **keys}
    return project.write_study(name, yaml.safe_dump(study, sort_keys=False))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Both studies, run: in one piece, and in shards of 2, 2 and 1 frames."""
    project = copy_project(tmp_path_factory.mktemp("shards"))
    (project.folder / "five").mkdir()
    rng = np.random.default_rng(0)
    for k in range(FRAMES):
        levels = rng.integers(0, 256, (48, 64, 3), np.uint8)
        Image.fromarray(levels).save(project.folder / f"five/{k}.png")
    for name, keys in (("whole", {}), ("parts", {"shard_frames": 2})):
        study = write_study(project, name, **keys)
        wanted = [f"results/{name}/{file}" for file in FILES]
        done = project.snakemake("--cores", "4", f"--configfile={study}", *wanted)
        assert done.returncode == 0, done.stdout[-6000:]
        jobs = read_jobs(done.stdout)
        shards = {"prepare_shard": 3, "measure_quality_shard": 6, "join_clip": 1, "join_quality": 2}
        expected = shards if keys else {"prepare_clip": 1, "measure_quality": 2}
        named = ("prepare_", "measure_", "join_")
        assert {job: count for job, count in jobs.items() if job.startswith(named)} == expected
    return project


def test_frames_and_figures_are_the_same_to_the_byte(project: Project):
    frames = [f"frames/five.{kind}" for kind in ("hr.npy", "json", "x2.npy", "x2.json")]
    samples = [f"arms/local/{arm}/sample.npy" for arm in ARMS]
    for file in (*frames, *FILES, *samples):
        whole, parts = (project.folder / f"results/{study}/{file}" for study in ("whole", "parts"))
        assert parts.read_bytes() == whole.read_bytes(), file
    assert (project.folder / "results/parts" / FILES[0]).read_text().count("\n") == 1 + FRAMES


def test_the_record_is_of_all_shards(project: Project):
    record = json.loads((project.folder / f"results/parts/arms/local/{ARMS[0]}/quality.json").read_text())
    assert (record["frames"], record["shards"]) == (FRAMES, 3)
    assert not {"first", "end"} & record["settings"].keys()


def test_nothing_is_done_twice(project: Project):
    wanted = [f"results/parts/{file}" for file in FILES]
    done = project.snakemake("-n", "--configfile=studies/parts.yaml", *wanted)
    assert read_jobs(done.stdout) == {}


def test_more_frames_in_a_shard_measure_again_but_train_nothing(project: Project):
    study = write_study(project, "parts", shard_frames=4)
    wanted = [f"results/parts/{file}" for file in FILES]
    jobs = read_jobs(project.snakemake("-n", f"--configfile={study}", *wanted).stdout)
    assert (jobs["prepare_shard"], jobs["measure_quality_shard"]) == (2, 4)
    assert "export_onnx" not in jobs
