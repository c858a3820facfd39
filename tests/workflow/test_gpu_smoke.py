"""What the study for new GPUs needs of a processor alone, on its real pictures: a GPU finds it working."""

import json

import numpy as np
import polars as pl

from processors import exact_int8
from project_copy import Project

RESULTS = "results/gpu-smoke"
NETWORKS = ("espcn_rgb", "espcn_ycbcr")


@exact_int8
def test_its_pictures_calibrate_both_networks(project: Project):
    arms = [f"{RESULTS}/arms/local/onnxruntime/{name}/int8-entropy" for name in NETWORKS]
    wanted = [f"{arm}/quality.csv" for arm in arms]
    done = project.snakemake("--cores", "2", "--configfile=studies/gpu-smoke.yaml", *wanted)
    assert done.returncode == 0, done.stdout[-6000:]
    assert "No ratios of speeds" not in done.stdout
    for name, arm in zip(NETWORKS, arms, strict=True):
        ranges = json.loads((project.folder / f"{RESULTS}/ranges/{name}/entropy.json").read_text())
        assert ranges["images"] == 12
        # A picture, not only noise: see `far_db` for what a GPU's arm is held to.
        assert (pl.read_csv(project.folder / arm / "quality.csv")["psnr_db"] > 20).all()
    frames, images = (
        np.load(project.folder / RESULTS / file, mmap_mode="r")
        for file in ("frames/drawings.x2.npy", "frames/calibration/portrait.npy")
    )
    assert frames.shape[1:] == images.shape[1:], "TensorRT calibrates with fixed shapes"
