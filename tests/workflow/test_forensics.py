"""The search for unstated settings as a target: one pass over the file, no frame files."""

import numpy as np
import polars as pl

from project_copy import Project

STUDY = """
study: known
clips: [{name: run, source: {type: y4m, path: run.y4m}}]
models: [{name: bicubic}]
runtimes: [{name: opencv, precisions: [uint8]}]
forensics: {clip: run, psnr_db: 20.0, psnr_y_db: 21.0, downsampling: [area, opencv-cubic], matrices: [bt601]}
"""


def test_the_target_forensics(project: Project):
    rng = np.random.default_rng(0)
    frames = b"".join(b"FRAME\n" + rng.bytes(64 * 48 * 3 // 2) for _ in range(4))
    (project.folder / "run.y4m").write_bytes(b"YUV4MPEG2 W64 H48 F50:1 Ip A1:1\n" + frames)
    study = project.write_study("known", STUDY)
    done = project.snakemake("--cores", "2", "forensics", "--configfile", study)
    assert done.returncode == 0, done.stdout[-3000:]
    results = project.folder / "results/known"
    rows = pl.read_csv(results / "forensics.csv")
    assert rows.height == 2 * 2 * 1 * 2 * 2
    assert rows["distance_db"].is_sorted()
    closest = rows.row(0, named=True)
    assert (
        f"Closest: {closest['downsampling']} downsampling, {closest['upsampling']} upsampling" in done.stdout
    )
    assert not (results / "frames").exists()
    again = project.snakemake("-n", "forensics", "--configfile", study)
    assert "Nothing to be done" in again.stdout
