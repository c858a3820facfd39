"""Plan studies of many arms: what a dry run takes of a processor and of memory.

    .venv/bin/python benchmarks/plan_study.py --arms 200 2000 10000

Each study has the clips of config.yaml, networks that it trains, and ten precisions of two runtimes, which
make ten arms a network. Nothing is computed or downloaded. Prints a line of CSV for each study: its arms, the
jobs that Snakemake plans, seconds of one processor, and the peak of memory.

Then what Snakemake takes for as many jobs of rules without any code of this project: `bare` with nearly as
many files, and `barest` with one input and one output a job, and nothing else. Last, what it takes to look
through the times of the study's files once all are there.
"""

import argparse
import itertools
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from project_copy import Project, copy_project, read_jobs
from superres.report.receipts import Receipts, Used
from superres.report.times import settle_times

PRECISIONS = {
    "openvino": ["fp32", "bf16", "int8-dummy", "int8-entropy", "int8-minmax"],
    "onnxruntime": ["fp32", "int8-dummy", "int8-entropy", "int8-minmax", "int8-minmax+asymmetric"],
}
ARMS_OF_A_NETWORK = sum(map(len, PRECISIONS.values()))
PHOTOGRAPHS = {
    "training": {"package": "glymur", "members": ["glymur/data/nemo.jp2"], "shrink": 2},
    "validation": {"package": "deepforest", "members": ["deepforest/data/2019_YELL_2_*_image_crop*.png"]},
}

# Rules of a bare workflow, and what each of them says beside its files.
STAGES = 8
BUSY_JOB = (
    "    log: '{{i}}/{stage}.log'",
    "    benchmark: '{{i}}/{stage}.tsv'",
    "    resources: mem_mb=1000, runtime=10",
    "    params: a=1, b=2, c=3",
    "    script: 'job.py'",
)
HEADER = "Arms,Jobs,Seconds,MB,Seconds (bare),MB (bare),Seconds (barest),MB (barest),Seconds (times)"


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


def bare_workflow(jobs: int, *, with_files: bool) -> str:
    """Return a workflow of about so many jobs: chains of eight rules without a function.

    Its jobs have the files that the last four rules made, a log, a benchmark, resources, parameters and a
    script; or else the one file of the last rule.
    """
    kinds, reach = ("ab", 4) if with_files else ("a", 1)
    rules = [f"rule all:\n    input: expand('{{i}}/{STAGES - 1}.a', i=range({round(jobs / STAGES)}))"]
    for stage in range(STAGES):
        files = {
            n: [f"'{{i}}/{n}.{kind}'" for kind in kinds] for n in range(max(0, stage - reach), stage + 1)
        }
        outputs = files.pop(stage)
        rules.append(f"rule s{stage}:\n    output: {', '.join(outputs)}")
        if files:
            rules.append(f"    input: {', '.join(itertools.chain(*files.values()))}")
        rules += [line.format(stage=stage) for line in BUSY_JOB] if with_files else ["    shell: 'true'"]
    return "\n".join(rules)


def plan(project: Project, *arguments: str) -> tuple[int, float, float]:
    """Return the jobs of a dry run, its seconds of a processor and its peak of memory in MB."""
    said = project.folder / "said.txt"
    run = project.start("-n", *arguments, said_to=said)
    _, status, used = os.wait4(run.pid, 0)
    text = said.read_text(encoding="utf-8")
    if status != 0:
        sys.exit(text[-3000:])
    return read_jobs(text)["total"], used.ru_utime + used.ru_stime, used.ru_maxrss / 1000


def settle(project: Project, study: Path) -> float:
    """Return seconds of a processor that the times of a finished study's files take before each call.

    Its files are empty: only their receipts are read.
    """
    receipts, said = Receipts(study), (project.folder / "said.txt").read_text(encoding="utf-8")
    for rule, lines in re.findall(r"^rule (\w+):\n((?:    .*\n)+)", said, re.MULTILINE):
        files = {
            key: [path for name in names.split(", ") if (path := project.folder / name).is_relative_to(study)]
            for key, names in re.findall(r"^    (input|output|log|benchmark): (.*)$", lines, re.MULTILINE)
        }
        inputs = [path.relative_to(study).as_posix() for path in files.pop("input", ())]
        for path in itertools.chain(*files.values()):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        receipts.write(rule, map(str, files.get("output", ())), Used(dict.fromkeys(inputs, "0" * 64), {}))
    # Snakemake's records, in a database.
    (project.folder / "records.sqlite").touch()
    before = time.process_time()
    settle_times(study, project.folder / "records")
    return time.process_time() - before


def plan_bare(jobs: int, *, with_files: bool) -> tuple[float, float]:
    """Return seconds and memory of a dry run of a bare workflow."""
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder))
        (project.folder / "job.py").touch()
        text = bare_workflow(jobs, with_files=with_files)
        (project.folder / "Snakefile").write_text(text, encoding="utf-8")
        _, *used = plan(project)
    return used[0], used[1]


def main() -> None:
    parser = argparse.ArgumentParser(description="Plan studies of many arms.")
    parser.add_argument("--arms", type=int, nargs="+", default=[200, 2000])
    chosen = parser.parse_args()
    print(HEADER)
    for arms in chosen.arms:
        with tempfile.TemporaryDirectory() as folder:
            project = copy_project(Path(folder))
            study = project.write_study("many", yaml.safe_dump(make_study(arms), sort_keys=False))
            jobs, *used = plan(project, "--configfile", study)
            settled = settle(project, project.folder / "results/many")
        for with_files in (True, False):
            used += plan_bare(jobs, with_files=with_files)
        figures = ",".join(f"{figure:.{1 - i % 2}f}" for i, figure in enumerate(used))
        print(
            f"{-(-arms // ARMS_OF_A_NETWORK) * ARMS_OF_A_NETWORK},{jobs},{figures},{settled:.2f}", flush=True
        )


if __name__ == "__main__":
    main()
