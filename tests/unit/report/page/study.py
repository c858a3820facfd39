"""A small study's files for pages: metrics, manifests, frames and pictures of every arm."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from superres.report import labels
from superres.report.page.build import PageFiles, PageText
from superres.report.page.pictures import ClipFiles
from superres.report.recommendation.decide import Wish
from superres.report.recommendation.write import write_recommendation
from superres.report.tables.cells import TableText

from ..synthetic import default_rows, not_run, write_metrics

HEIGHT, WIDTH = 504, 896
MACHINE = {"module": None, "cpu": "CPU of a test", "architecture": "x86_64", "flags": ["avx512_vnni"],
           "usable_cpus": 2, "os": "an <os>", "kernel": "a kernel"}  # fmt: skip
MANIFEST = {
    "status": "ok",
    "study": {"clip": {"name": "park"}, "model": {"name": "espcn_rgb"}, "quality": {"luma": "full-range"}},
    "libraries": {"numpy": "2.4.6"},
    "code": {"commit": "c0ffee", "changed": False},
    "latency": {"machine": MACHINE, "threads": 2},
    "measured": "2026-11-28",
}
DESCRIPTION = "A study with <b>markup</b> & </script><script>alert(1)</script>"
NOT_RUN = "needs <img src=x onerror=alert(2)>"


def rows_of_test() -> list[dict]:
    """Arms with and without figures, one of them noisy."""
    rows = [*default_rows(), not_run("openvino", "espcn_rgb", "fp16", NOT_RUN)]
    rows[0]["cautions"] = "noisy: <i>0.4</i> processors were busy with other work"
    return rows


def write_study(
    folder: Path, rows: Sequence[dict] | None = None, *, pictures: bool = True, wish: Wish | None = None
) -> PageFiles:
    """Write the files that a page is made of."""
    rows = rows_of_test() if rows is None else rows
    metrics, advice = write_metrics(folder / "metrics.csv", rows), folder / "recommendation.json"
    write_recommendation("test", metrics, wish or Wish(), md=folder / "recommendation.md", json=advice)
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps(MANIFEST))
    files = PageFiles(metrics, advice, [manifest])
    if not pictures:
        return files
    clips = sorted({row["clip"] for row in rows})
    samples = {clip: write_samples(folder, clip, rows) for clip in clips}
    frames = [ClipFiles(clip, folder / f"{clip}.hr.npy", folder / f"{clip}.json", 0) for clip in clips]
    return replace(files, clips=frames, samples=samples)


def write_samples(folder: Path, clip: str, rows: Sequence[dict]) -> dict[str, Path]:
    """Write a clip of one frame, and the frame as every arm makes it: empty if it didn't run."""
    random = np.random.default_rng(0)
    hr = np.kron(random.integers(0, 200, (HEIGHT // 8, WIDTH // 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    np.save(folder / f"{clip}.hr.npy", hr[None])
    (folder / f"{clip}.json").write_text(json.dumps({"hr_shapes": [hr.shape[:2]], "names": ["first"]}))
    found = {}
    for number, row in enumerate(row for row in rows if row["clip"] == clip):
        image = hr + random.integers(0, 4, hr.shape, dtype=np.uint8)
        if row["precision"].startswith("int8"):
            # Wrong in one place, as saturated pixels are.
            image[200:260, 300:380] -= 40
        path = folder / f"sample.{clip}.{number}.npy"
        np.save(path, image if row["status"] == "ok" else np.zeros((0, 0, 3), np.uint8))
        found[labels.arm_folder(row)] = path
    return found


def text_of_test() -> PageText:
    """What a study with hostile names says."""
    clips = {"park": "a <u>turning</u> view"}
    return PageText(
        "test <1>" + "_" * 90, DESCRIPTION, clips, TableText(calibrated="int8-minmax"), "openvino"
    )
