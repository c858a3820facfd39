"""Plan studies of many arms: what a dry run takes of a processor and of memory.

    .venv/bin/python benchmarks/plan_study.py --arms 200 2000 10000

Each study has the clips of config.yaml, networks that it trains, and ten precisions of two runtimes, which
make ten arms a network. Nothing is computed or downloaded. Prints a line of CSV for each study: its arms, the
jobs that Snakemake plans, seconds of one processor, and the peak of memory.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from project_copy import Project, copy_project, read_jobs

PRECISIONS = {
    "openvino": ["fp32", "bf16", "int8-dummy", "int8-entropy", "int8-minmax"],
    "onnxruntime": ["fp32", "int8-dummy", "int8-entropy", "int8-minmax", "int8-minmax+asymmetric"],
}
ARMS_OF_A_NETWORK = sum(map(len, PRECISIONS.values()))
PHOTOGRAPHS = {
    "training": {"package": "glymur", "members": ["glymur/data/nemo.jp2"], "shrink": 2},
    "validation": {"package": "deepforest", "members": ["deepforest/data/2019_YELL_2_*_image_crop*.png"]},
}


def make_study(arms: int) -> dict[str, Any]:
    """Return the keys of a study with so many arms."""
    networks = [
        {
            "name": f"m{i}",
            "architecture": {"kind": "plain", "channels": 8 + i % 60, "layers": 1 + i // 60},
            "weights": "train",
        }
        for i in range(-(-arms // ARMS_OF_A_NETWORK))
    ]
    sets = [
        {"name": name, "sources": [{"type": "package-images", **source}]}
        for name, source in PHOTOGRAPHS.items()
    ]
    training = {f"{name}_set": name for name in PHOTOGRAPHS}
    return {
        "study": "many",
        "models": networks,
        "training_sets": sets,
        "training": {**training, "steps": 100, "warmup_steps": 10, "validate_every": 100, "l1_steps": 50},
        "runtimes": [{"name": name, "precisions": precisions} for name, precisions in PRECISIONS.items()],
    }


def plan(project: Project, study: str) -> tuple[int, float, float]:
    """Return the jobs of a dry run, its seconds of a processor and its peak of memory in MB."""
    said = project.folder / "said.txt"
    run = project.start("-n", "--configfile", study, said_to=said)
    _, status, used = os.wait4(run.pid, 0)
    text = said.read_text(encoding="utf-8")
    if status != 0:
        sys.exit(text[-3000:])
    return read_jobs(text)["total"], used.ru_utime + used.ru_stime, used.ru_maxrss / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description="Plan studies of many arms.")
    parser.add_argument("--arms", type=int, nargs="+", default=[200, 2000])
    chosen = parser.parse_args()
    print("Arms,Jobs,Seconds of one processor,Memory [MB]")
    for arms in chosen.arms:
        with tempfile.TemporaryDirectory() as folder:
            project = copy_project(Path(folder))
            study = project.write_study("many", yaml.safe_dump(make_study(arms), sort_keys=False))
            jobs, seconds, memory = plan(project, study)
        rounded = -(-arms // ARMS_OF_A_NETWORK) * ARMS_OF_A_NETWORK
        print(f"{rounded},{jobs},{seconds:.1f},{memory:.0f}", flush=True)


if __name__ == "__main__":
    main()
