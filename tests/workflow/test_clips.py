"""Studies of several clips: an edit of one, their order, and what a file of no clip is answered with."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from project_copy import Project, copy_project, read_jobs

STUDY = """
study: pair
clips:
  - {name: film, source: {type: y4m, path: film.y4m, matrix: bt709}}
  - {name: twin, source: {type: y4m, path: twin.y4m, matrix: bt709}}
  - {name: odd, source: {type: images, path: photos}}
models: [{name: espcn_rgb}, {name: bicubic}]
runtimes:
  - {name: openvino, precisions: [fp32, bf16]}
  - {name: opencv, precisions: [uint8]}
latency: {warmup_seconds: 0.1, min_seconds: 0.1, min_iterations: 5, max_seconds: 0.2, rounds: 6}
roofline: {seconds: 0.02}
"""
# Network arms of both precisions, and bicubic.
ARMS = 3


def write_y4m(path: Path, seed: int, black: bool = False) -> None:
    """Two frames of 64 x 48: noise, or black with a little light in the second."""
    rng = np.random.default_rng(seed)
    with path.open("wb") as file:
        file.write(b"YUV4MPEG2 W64 H48 F25:1 Ip C420jpeg\n")
        for number in range(2):
            luma = np.full((48, 64), 16, np.uint8) if black else rng.integers(40, 200, (48, 64), np.uint8)
            if black and number:
                luma[20:28, 20:40] = 90
            file.write(b"FRAME\n" + luma.tobytes() + bytes([128]) * (2 * 24 * 32))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy in which a study of three clips has been run: two of one size, one whose size no key tells."""
    project = copy_project(tmp_path_factory.mktemp("pair"))
    write_y4m(project.folder / "film.y4m", 0)
    write_y4m(project.folder / "twin.y4m", 1, black=True)
    (project.folder / "photos").mkdir()
    pixels = np.random.default_rng(2).integers(0, 256, (40, 60, 3), np.uint8)
    Image.fromarray(pixels).save(project.folder / "photos/a.png")
    study = project.write_study("pair", STUDY)
    done = project.snakemake("--cores", "2", f"--configfile={study}", "all")
    assert done.returncode == 0, done.stdout[-6000:]
    return project


def dry_run(project: Project, text: str, *arguments: str) -> tuple[dict[str, int], str]:
    """The jobs that would run with an edited study, and the output."""
    assert text != STUDY or arguments
    study = project.write_study("edited", text)
    done = project.snakemake("-n", f"--configfile={study}", *(arguments or ("all",)))
    assert done.returncode == 0, done.stdout
    jobs = {name: n for name, n in read_jobs(done.stdout).items() if name not in ("all", "total")}
    return jobs, done.stdout


def arms_of(pair: Project, pattern: str) -> list[str]:
    return sorted({path.name for path in (pair.folder / "results/pair/arms").rglob(pattern)})


def test_an_arm_is_timed_once_for_clips_of_one_size(pair: Project):
    assert arms_of(pair, "latency*.csv") == ["latency.film.csv", "latency.odd.csv"]
    assert arms_of(pair, "quality*.csv") == ["quality.film.csv", "quality.odd.csv", "quality.twin.csv"]
    lines = (pair.folder / "results/pair/metrics.csv").read_text(encoding="utf-8").splitlines()
    columns = [line.split(",") for line in lines]
    # Some processors have no BF16.
    status = columns[0].index("status")
    columns = [columns[0], *(row for row in columns[1:] if row[status] == "ok")]
    clip, timed, fps, exact = (columns[0].index(name) for name in ("clip", "timed_on", "fps", "exact_frames"))
    assert {(row[clip], row[timed]) for row in columns[1:]} == {
        ("film", "film"),
        ("twin", "film"),
        ("odd", "odd"),
    }
    speed = {(*row[:4], row[clip]): row[fps] for row in columns[1:]}
    assert all(value == speed[*arm[:4], "film"] for arm, value in speed.items() if arm[4] == "twin")
    # Bicubic makes a black frame exactly; nothing is infinite.
    assert {row[exact] for row in columns[1:] if row[clip] == "twin" and row[2] == "bicubic"} == {"1"}
    text = (pair.folder / "results/pair/table1.md").read_text(encoding="utf-8")
    assert "inf" not in text.replace("information", "") and "Speed on `twin` is that on `film`" in text


@pytest.mark.parametrize("clip", ["film", "twin"])
def test_an_edit_of_one_clip_reruns_it_alone(pair: Project, clip: str):
    before = f"path: {clip}.y4m, matrix: bt709"
    jobs, output = dry_run(pair, STUDY.replace(before, before.replace("bt709", "bt601")))
    # No engine; speed only if it was measured on this clip, with the manifests of all that have it.
    timed = {"measure_latency": ARMS, "measure_profile": 1} if clip == "film" else {}
    assert jobs == {
        "prepare_clip": 1,
        "downsample_clip": 1,
        "measure_quality": ARMS,
        **timed,
        "write_manifest": 2 * ARMS if timed else ARMS,
        "collect_metrics": 1,
        "write_table": 1,
        "write_recommendation": 1,
        # PSNR against FPS, FPS, and the clip's picture.
        "draw_plot": 3,
        "build_page": 1,
    }
    other = "twin" if clip == "film" else "film"
    assert f"quality.{other}.csv" not in "".join(
        line for line in output.splitlines() if line.strip().startswith("output:")
    )


def test_the_order_of_entries_reruns_nothing_but_table_and_page(pair: Project):
    lines = STUDY.splitlines(keepends=True)
    first = next(i for i, line in enumerate(lines) if "name: film" in line)
    clips = "".join([*lines[:first], *lines[first : first + 3][::-1], *lines[first + 3 :]])
    assert dry_run(pair, clips)[0].keys() <= {"write_table", "build_page"}
    assert dry_run(pair, STUDY.replace("[fp32, bf16]", "[bf16, fp32]"))[0].keys() <= {
        "write_table",
        "build_page",
    }


@pytest.mark.parametrize("name", ["latency.csv", "quality.csv", "latency.park.csv", "manifest.json"])
def test_a_file_of_no_clip_is_answered_with_those_that_there_are(pair: Project, name: str):
    study = pair.write_study("edited", STUDY)
    file = f"results/pair/arms/local/openvino/espcn_rgb/fp32/{name}"
    done = pair.snakemake("--cores", "1", f"--configfile={study}", "--force", file)
    assert done.returncode != 0
    (said,) = [line for line in done.stdout.splitlines() if "error" in line.lower()]
    for right in ("latency.film.csv", "latency.odd.csv", "quality.twin.csv"):
        assert right in said
    assert "Traceback" not in done.stdout and "KeyError" not in done.stdout


def test_a_study_of_bicubic_alone_works(project: Project):
    write_y4m(project.folder / "film.y4m", 0)
    study = project.write_study(
        "alone",
        "study: alone\nclips: [{name: film, source: {type: y4m, path: film.y4m}}]\n"
        "models: [{name: bicubic}]\nruntimes: [{name: opencv, precisions: [uint8]}]\n"
        "latency: {min_seconds: 0.1, min_iterations: 5, max_seconds: 0.2, warmup_seconds: 0.1}\n"
        "roofline: {seconds: 0.02}\n",
    )
    done = project.snakemake("--cores", "2", f"--configfile={study}", "all")
    assert done.returncode == 0, done.stdout[-3000:]
    text = (project.folder / "results/alone/table1.md").read_text(encoding="utf-8")
    assert "| Bicubic" in text.partition("## The paper")[0] and "TensorRT" not in text.partition("## The")[0]
