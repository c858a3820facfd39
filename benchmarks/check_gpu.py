"""Say in one screen what holds on this machine's GPU: `make test-gpu` runs it.

    python benchmarks/check_gpu.py                      the tests that need a GPU, and studies/gpu-smoke.yaml
    python benchmarks/check_gpu.py --without-gpu        the same without one: arms say why they don't run

Runtimes that aren't installed are left out, with the reason. It ends with 1 if something didn't hold. What it
prints belongs into the table of docs/jetson.md.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from superres.csv_rows import Row
from superres.device.base.errors import UnsupportedError, UserError
from superres.device.runtimes import load_runtime
from superres.device.runtimes.trt.cuda import Cuda, has_driver
from superres.report.metrics.cautions import FAR_OFF
from superres.report.metrics.schema import read_metrics

ROOT = Path(__file__).parents[1]
STUDY = ROOT / "studies/gpu-smoke.yaml"
RESULTS = ROOT / "results/gpu-smoke"
GPU_RUNTIMES = ("pytorch", "tensorrt", "tensorrt_rtx")


@dataclass(frozen=True)
class Arm:
    """An arm's row of metrics.csv and the records of its engine and its timing."""

    row: Row
    engine: Mapping[str, Any]
    latency: Mapping[str, Any]

    @property
    def name(self) -> str:
        return "/".join(str(self.row[key]) for key in ("runtime", "model", "precision"))

    @property
    def on_gpu(self) -> bool:
        return self.row["status"] == "ok" and self.engine.get("facts", {}).get("device", "cpu") != "cpu"


@dataclass(frozen=True)
class Check:
    """What should hold, the arms that it was asked of, and those where it didn't."""

    what: str
    asked: int
    broken: Sequence[str]

    def __str__(self) -> str:
        if not self.asked:
            return f"not asked  {self.what}: no such arm ran"
        if not self.broken:
            return f"held       {self.what} ({self.asked} arms)"
        return f"BROKEN     {self.what}: {len(self.broken)} of {self.asked}: {', '.join(self.broken)}"


def check_arms(arms: Sequence[Arm]) -> list[Check]:
    """Return all checks of the arms that ran on a GPU."""
    ran = [arm for arm in arms if arm.on_gpu]
    engines = [arm for arm in ran if arm.row["runtime"].startswith("tensorrt")]
    int8 = [arm for arm in engines if arm.row["precision"].startswith("int8-")]
    # The first runtime, PyTorch, is what others are compared with.
    fp32 = {arm.row["model"]: arm.row["psnr_db"] for arm in reversed(ran) if arm.row["precision"] == "fp32"}

    def near(arm: Arm, most_db: float) -> bool:
        return abs(arm.row["psnr_db"] - fp32.get(arm.row["model"], arm.row["psnr_db"])) <= most_db

    return [
        ask("FP32 of all runtimes agrees to 0.01 dB", ran, lambda arm: near(arm, 0.01), "fp32"),
        ask("FP16 is within 0.05 dB of FP32", ran, lambda arm: near(arm, 0.05), "fp16"),
        ask(
            "INT8 is within 0.1 dB of the same graph in ONNX Runtime",
            int8,
            lambda arm: as_expected(arm, arms),
        ),
        ask("no picture is far off", int8, lambda arm: FAR_OFF not in (arm.row["cautions"] or "")),
        ask("types of convolutions are known", engines, lambda arm: bool(known_types(arm))),
        ask("quantised convolutions run in INT8", int8, all_in_int8),
        ask(
            "frames run as a CUDA graph",
            engines,
            lambda arm: arm.latency["session"].get("cuda_graph") is True,
        ),
        ask("memory is known", ran, lambda arm: (arm.row["device_memory_bytes"] or 0) > 0),
        ask("no kernel was skipped for lack of memory", engines, lambda arm: not skipped(arm)),
        ask(
            "engines have fixed shapes", engines, lambda arm: arm.engine["facts"].get("fixed_shapes") is True
        ),
    ]


def ask(what: str, arms: Sequence[Arm], holds: Callable[[Arm], bool], precision: str = "") -> Check:
    """Ask something of the arms, those of one precision if it is given."""
    asked = [arm for arm in arms if precision in ("", arm.row["precision"])]
    return Check(what, len(asked), [arm.name for arm in asked if not holds(arm)])


def as_expected(arm: Arm, arms: Sequence[Arm]) -> bool:
    """Return whether an INT8 picture is as good as ONNX Runtime's; True if that has no such graph."""
    model, precision = arm.row["model"], arm.row["precision"]
    expected = [
        other.row["psnr_db"]
        for other in arms
        if (other.row["runtime"], other.row["model"], other.row["precision"])
        == ("onnxruntime", model, precision)
        and other.row["status"] == "ok"
    ]
    return not expected or abs(arm.row["psnr_db"] - expected[0]) <= 0.1


def known_types(arm: Arm) -> Mapping[str, int]:
    types = arm.engine["facts"].get("convolutions", {})
    return {} if "unknown" in types else types


def all_in_int8(arm: Arm) -> bool:
    wanted = arm.row["quantized_convolutions"] or sum(known_types(arm).values())
    return wanted > 0 and arm.row["int8_convolutions"] == wanted


def skipped(arm: Arm) -> int:
    return arm.engine["facts"].get("memory", {}).get("skipped_kernels", 0)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--without-gpu", action="store_true", help="run the study although there is no GPU")
    parser.add_argument("--cores", default="2", help="cores of Snakemake")
    options = parser.parse_args()
    print(*describe_machine(), sep="\n")
    if not has_driver() and not options.without_gpu:
        print("nothing to check: found no NVIDIA driver (libcuda.so.1)")
        return 0
    tests = run_tests()
    broken = run_study(options.cores)
    return 1 if tests or broken else 0


def describe_machine() -> Iterator[str]:
    """Yield the device and each runtime's version, or why it isn't there."""
    try:
        yield f"device     {' '.join(Cuda().device())}, CUDA runtime {Cuda().version}"
    except (UnsupportedError, UserError) as error:
        yield f"device     none: {error}"
    for name in GPU_RUNTIMES:
        yield f"{name:<13}{missing(name) or next(iter(load_runtime(name).versions().values()), 'unknown')}"


def missing(runtime: str) -> str | None:
    """Return why a runtime can't run here at all; None if it can."""
    try:
        found = load_runtime(runtime)
        found.check_precision("fp32")
    except (UnsupportedError, UserError) as error:
        return f"left out: {error}"
    return None


def run_tests() -> int:
    """Run the tests that need a GPU, print how many passed; returns pytest's exit code."""
    command = [sys.executable, "-m", "pytest", "tests/unit/device", "-m", "gpu", "-q", "-rs", "--no-header"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith(("SKIPPED", "FAILED", "ERROR"))]
    print(f"tests      {done.stdout.strip().splitlines()[-1]}", *lines[:20], sep="\n           ")
    return done.returncode


def run_study(cores: str) -> bool:
    """Run the study without the runtimes that aren't there; returns whether something didn't hold."""
    study = yaml.safe_load(STUDY.read_text(encoding="utf-8"))
    study["runtimes"] = [
        runtime
        for runtime in study["runtimes"]
        if runtime["name"] not in GPU_RUNTIMES
        or "expected the Python package" not in (missing(runtime["name"]) or "")
    ]
    RESULTS.mkdir(parents=True, exist_ok=True)
    file = RESULTS / "study.yaml"
    file.write_text(yaml.safe_dump(study), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--cores",
        cores,
        "--keep-going",
        "all",
        "--configfile",
        str(file),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    (RESULTS / "run.log").write_text(done.stdout + done.stderr, encoding="utf-8")
    if done.returncode != 0:
        print(f"study      ended with {done.returncode}: {RESULTS / 'run.log'}")
        return True
    arms = list(read_arms())
    print(*(f"           {line}" for line in describe_arms(arms)), sep="\n")
    checks = check_arms(arms)
    print(*checks, sep="\n")
    return any(check.broken for check in checks)


def read_arms() -> Iterator[Arm]:
    for row in read_metrics(RESULTS / "metrics.csv").iter_rows(named=True):
        manifest = json.loads((ROOT / row["manifest"]).read_text(encoding="utf-8"))
        yield Arm(row, manifest["engine"], manifest["latency"])


def describe_arms(arms: Sequence[Arm]) -> Iterator[str]:
    """Yield a line for each arm: PSNR, FPS and types, or why it didn't run."""
    for arm in arms:
        row, types = arm.row, arm.engine.get("facts", {}).get("convolutions") or {}
        told = " ".join(f"{count} {name}" for name, count in types.items())
        ran = f"{row['psnr_db'] or 0:7.3f} dB {row['fps'] or 0:8.1f} FPS  {told}"
        yield f"{arm.name:<42}{ran if row['status'] == 'ok' else row['status']}"[:110].rstrip()


if __name__ == "__main__":
    sys.exit(main())
