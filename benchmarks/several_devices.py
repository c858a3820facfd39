"""Time the same arms on one device and on two at once: what a second device adds to a study's time.

    .venv/bin/python benchmarks/several_devices.py --seconds 15

The devices are two sshds on the loopback of this machine, as in the tests. Each times two arms of
`studies/tiny.yaml` on one thread, for a fixed time an arm, so that two devices need two cores. Engines are
built before. Prints the seconds of both runs and their ratio: 1 if devices don't wait for each other, 2 if
they do.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from far_side import FarSide
from project_copy import Project, copy_project

NAMES = ("north", "south")
PRECISIONS = ("fp32", "int8-minmax")


def write_study(project: Project, sides: list[FarSide], seconds: float) -> str:
    """Write the tiny study with the devices as its targets, and arms that are timed for so long."""
    text = (project.folder / "studies/tiny.yaml").read_text(encoding="utf-8")
    targets = [
        {
            "name": name,
            "runtimes": ["onnxruntime"],
            "threads": 1,
            **{key: getattr(side.device, key) for key in ("ssh", "ssh_config", "python", "workdir")},
        }
        for name, side in zip(NAMES, sides, strict=True)
    ]
    # Time alone ends the timing of an arm.
    limits = f"min_seconds: {seconds}, max_seconds: {seconds}, min_iterations: 5, rounds: 6"
    before = text[: text.index("latency:")]
    return project.write_study(
        "devices", f"{before}latency: {{warmup_seconds: 0, {limits}}}\ntargets: {json.dumps(targets)}\n"
    )


def files(names: tuple[str, ...], file: str) -> list[str]:
    return [
        f"results/tiny/arms/{name}/onnxruntime/espcn_rgb/{precision}/{file}"
        for name in names
        for precision in PRECISIONS
    ]


def run(project: Project, study: str, wanted: list[str]) -> float:
    """Make files, and return the seconds that it took."""
    started = time.perf_counter()
    done = project.snakemake(
        "--cores", "2", *wanted, f"--configfile={study}", "--forcerun", "measure_latency_on_device"
    )
    if done.returncode != 0:
        sys.exit(done.stdout)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description="Time arms on one device, and on two at once.")
    parser.add_argument("--seconds", type=float, default=15.0, help="of an arm's timing")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = copy_project(Path(folder, "project"))
        sides = [FarSide.make(Path(folder, name)) for name in NAMES]
        try:
            for side in sides:
                side.start()
            study = write_study(project, sides, chosen.seconds)
            run(project, study, files(NAMES, "engine.bin"))
            one, two = (run(project, study, files(names, "latency.csv")) for names in (NAMES[:1], NAMES))
        finally:
            for side in sides:
                side.stop()
    print(f"one device {one:.1f} s, two devices {two:.1f} s, ratio {two / one:.2f}")


if __name__ == "__main__":
    main()
