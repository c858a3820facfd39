"""Compare the speeds of a study's arms, all timed in turn in one run.

    .venv/bin/python benchmarks/speed_table.py results/default

Each arm has a process of its own. A round is a block of frames of every arm, in a new order each time. So a
busy machine slows all arms alike. Prints each arm's frames a second with its share of the machine's limit
(`roofline/local.json` of the study), and the ratios that the project aims for. The last ratio compares an
engine, end to end, with OpenVINO's own benchmark_app on the graph alone, in rounds of its own.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import openvino as ov

from superres.device.base.conventions import DEFAULT_SCALE
from superres.device.machine.disturbance import Disturbance, OthersMeter
from superres.device.machine.facts import usable_cpus
from superres.device.runtimes.base import Settings
from superres.device.runtimes.sessions.openvino_graphs import prepare_network
from superres.device.tasks.engine import Engine, read_clip
from superres.device.timing.ratios import Ratio, median_ratio
from superres.device.timing.reference_process import Partner
from superres.models.graphs.uint8.forms import PLAIN
from superres.report.metrics.operations import count_operations, executed_convolutions
from superres.report.metrics.speed import processor_of, read_roofline

INT8 = "int8-entropy"
RGB, NAIVE, FOLDED, ANCHOR = "espcn_rgb", "espcn_ycbcr", "espcn_ycbcr_folded", "espcn_anchor"
BEST = f"openvino/{RGB}/{INT8}"


@dataclass(frozen=True)
class Wanted:
    """A ratio that the project aims for: how many times as fast an arm has to be as another, at least."""

    arm: str
    against: str
    least: float


WANTED = [
    Wanted(BEST, f"pytorch/{RGB}/fp32", 9.0),
    Wanted(BEST, f"pytorch_tuned/{RGB}/fp32", 4.0),
    Wanted(BEST, f"openvino/{RGB}/fp32", 3.4),
    Wanted(f"openvino/{FOLDED}/{INT8}", f"openvino/{NAIVE}/{INT8}", 2.2),
    Wanted(f"openvino/{ANCHOR}/{INT8}", BEST, 0.9),
    Wanted(f"onnxruntime/{RGB}/{INT8}", f"onnxruntime/{RGB}/fp32", 2.0),
]
RAW_LEAST = 0.95


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Time arms of a study against each other.")
    parser.add_argument("results", type=Path, help="a study's folder, such as results/default")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long all of it is timed")
    parser.add_argument("--clip", default="park")
    chosen = parser.parse_args()
    arms = list(dict.fromkeys(arm for wanted in WANTED for arm in (wanted.arm, wanted.against)))
    blocks, disturbance = time_in_turn(chosen.results, arms, chosen.clip, chosen.seconds)
    print_arms(chosen.results, chosen.clip, blocks)
    print(f"\n{'times as fast':58} {'at least':>8} {'found':>7} {'95% interval':>13}")
    for wanted in WANTED:
        ratio = ratio_of(blocks[wanted.against], blocks[wanted.arm])
        print_ratio(f"{wanted.arm} : {wanted.against}", ratio, wanted.least)
    raw, ours = time_raw(chosen.results, chosen.clip)
    print_ratio(f"{BEST} : benchmark_app", ratio_of(raw, ours), RAW_LEAST)
    if disturbance:
        print(f"\n{sum(disturbance):.2f} of {usable_cpus()} processors were busy with other work")


def time_in_turn(
    results: Path, arms: list[str], clip: str, seconds: float
) -> tuple[dict[str, list[float]], Disturbance | None]:
    """Return the medians [ms] of each arm's blocks, and how busy the machine was otherwise."""
    files = results / f"frames/{clip}.x{DEFAULT_SCALE}.npy", results / f"frames/{clip}.json"
    blocks: dict[str, list[float]] = {arm: [] for arm in arms}
    with ExitStack() as stack:
        partners = {arm: stack.enter_context(Partner(find_engine(results, arm), *files)) for arm in arms}
        for partner in partners.values():
            partner.wait()
            partner.block(0, 0.5)
        meter = OthersMeter([partner.process for partner in partners.values()])
        left = seconds
        while left > 0 or len(blocks[arms[0]]) < 6:
            number = len(blocks[arms[0]])
            for k in np.random.default_rng(number).permutation(len(arms)):
                timed = partners[arms[k]].block(number, 0.2)
                times = [each.end_to_end_ms for each in timed]
                blocks[arms[k]].append(median(times))
                left -= sum(times) / 1000
        return blocks, meter.read()


def find_engine(results: Path, arm: str) -> Engine:
    """Return the engine of `runtime/model/precision`. Ends the script without one."""
    folder = results / "arms/local" / arm
    record = json.loads((folder / "engine.json").read_text(encoding="utf-8"))
    if record["status"] != "ok":
        raise SystemExit(f"{folder}: expected an engine, found: {record['status']}")
    files = folder / "engine.bin", folder / "engine.json"
    return Engine(
        record["runtime"], record["precision"], usable_cpus(), record["settings"].get("options", {}), *files
    )


def print_arms(results: Path, clip: str, blocks: dict[str, list[float]]) -> None:
    """Print milliseconds, frames a second, share of the limit and INT8 convolutions, one arm a line."""
    roofline = read_roofline(results / "roofline/local.json")
    height, width = read_clip(results / f"frames/{clip}.json").lr_shapes(DEFAULT_SCALE)[0]
    print(f"{'arm':42} {'ms':>8} {'FPS':>7} {'limit':>8} {'reached':>8} {'INT8':>7}")
    for arm, times in blocks.items():
        _, model, precision = arm.split("/")
        record = json.loads((results / f"arms/local/{arm}/engine.json").read_text(encoding="utf-8"))
        operations = count_operations(results / f"onnx/{model}/{precision}.onnx")
        processor = processor_of(record["runtime"], record["facts"])
        limit = roofline.limit_ms(processor, precision, operations, height * width, DEFAULT_SCALE)
        int8, convolutions = executed_convolutions(record["facts"])
        shown = "" if int8 is None else f"{int8} of {convolutions}"
        share = "" if limit is None else f"{100 * limit / median(times):.0f}%"
        least = "" if limit is None else f"{limit:.1f}"
        ms = median(times)
        print(f"{arm:42} {ms:8.1f} {1000 / ms:7.2f} {least:>8} {share:>8} {shown:>7}")


def ratio_of(slower: list[float], faster: list[float]) -> Ratio:
    """Return how many times as fast, from the rounds."""
    return median_ratio([theirs / own for theirs, own in zip(slower, faster, strict=True)])


def print_ratio(name: str, ratio: Ratio, least: float) -> None:
    """Print one line of the table."""
    print(f"{name:58} {least:8.2f} {ratio.value:7.2f} {ratio.low:6.2f}-{ratio.high:.2f}")


def time_raw(results: Path, clip: str) -> tuple[list[float], list[float]]:
    """Return medians [ms] of benchmark_app on the best arm's graph and of that arm end to end, in turn."""
    height, width = read_clip(results / f"frames/{clip}.json").lr_shapes(DEFAULT_SCALE)[0]
    files = results / f"frames/{clip}.x{DEFAULT_SCALE}.npy", results / f"frames/{clip}.json"
    raw, ours = [], []
    with (
        tempfile.TemporaryDirectory(prefix="superres-") as name,
        Partner(find_engine(results, BEST), *files) as own,
    ):
        folder = Path(name)
        engine = json.loads((results / f"arms/local/{BEST}/engine.json").read_text(encoding="utf-8"))
        form = engine["settings"].get("form", PLAIN)
        graph = INT8 if form == PLAIN else f"{INT8}.{form}"
        options = {"frames": "uint8", "sizes": engine["facts"]["sizes"]}
        settings = Settings(INT8, usable_cpus(), options)
        network = prepare_network(ov.Core(), results / f"onnx/{RGB}/{graph}.onnx", settings)
        ov.save_model(network, folder / "graph.xml", compress_to_fp16=False)
        own.block(0, 0.5)
        for number in range(6):
            raw.append(run_benchmark_app(folder, height, width))
            ours.append(median(each.end_to_end_ms for each in own.block(number, 1.0)))
    return raw, ours


def run_benchmark_app(folder: Path, height: int, width: int) -> float:
    """Return the median latency [ms] of a second of OpenVINO's own tool.

    It runs one request at a time, with the threads and types of the arm.
    """
    command = [
        str(Path(sys.executable).with_name("benchmark_app")),
        "-m",
        str(folder / "graph.xml"),
        "-t",
        "1",
    ]
    # The same as PERFORMANCE_HINT=LATENCY with a number of threads.
    command += ["-hint", "none", "-nstreams", "1", "-nthreads", str(usable_cpus())]
    command += ["-api", "sync", "-infer_precision", "f32"]
    command += ["-ip", "u8", "-op", "u8", "-data_shape", f"[1,{height},{width},3]"]
    command += ["-report_type", "no_counters", "-report_folder", str(folder), "-json_stats"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    report = folder / "benchmark_report.json"
    if done.returncode != 0 or not report.is_file():
        raise SystemExit(f"benchmark_app: expected a report, found: {done.stdout[-500:]}{done.stderr[-500:]}")
    return float(json.loads(report.read_text(encoding="utf-8"))["execution_results"]["latency (ms)"])


if __name__ == "__main__":
    main()
