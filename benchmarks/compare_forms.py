"""Time all forms of graphs that a runtime takes, for FP32 and INT8, and find the fastest on this machine.

    .venv/bin/python benchmarks/compare_forms.py --models espcn_rgb espcn_anchor --seconds 5

The graphs have the shipped weights and ranges of one random image; speed doesn't depend on either. Each round
upscales one random frame with each form, in a changing order; a ratio is the median of the rounds' ratios.
The last line says whether `superres.models.graphs.uint8.forms.FORM_OF` names the fastest forms.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np

from superres.device.base.errors import UnsupportedError, UserError
from superres.device.machine.facts import usable_cpus
from superres.device.runtimes import load_runtime
from superres.device.runtimes.base import Session, Settings
from superres.device.tasks.latency import Plan, measure_in_turn
from superres.models.export import export_onnx
from superres.models.graphs.uint8.forms import FORM_OF, FORMS_OF, PLAIN, Kind, write_form
from superres.models.settings import MODELS, is_shipped, weights_name
from superres.models.weights import pretrained
from superres.quantization.qdq import quantize_onnx
from superres.quantization.ranges.calibrate import calibrate_ranges
from superres.quantization.ranges.calibration import RandomImages
from superres.quantization.ranges.observation import observe_activations
from superres.quantization.settings import CalibrationSettings

MARGIN = 0.05
"""A smaller gain doesn't count as faster."""

KINDS: Sequence[tuple[Kind, str]] = (("float", "fp32"), ("int8", "int8-random"))


@dataclass(frozen=True)
class Setup:
    """Height and width of the small frames, threads of a runtime, and the plan of measurement."""

    size: tuple[int, int]
    threads: int
    plan: Plan


@dataclass(frozen=True)
class Timing:
    """A form of a graph: milliseconds a frame, and the ratio of its time to that of the form in FORM_OF."""

    runtime: str
    model: str
    kind: Kind
    form: str
    ms: float
    ratio: float

    @property
    def row(self) -> str:
        """Return a row of the table; `*` marks the form in FORM_OF."""
        mark = "*" if self.form == FORM_OF[self.runtime][self.kind] else " "
        form = f"{self.form}{mark}"
        return f"{self.runtime:20} {self.model:20} {self.kind:6} {form:15} {self.ms:8.2f} {self.ratio:6.3f}"


HEAD = f"{'runtime':20} {'model':20} {'graph':6} {'form':15} {'ms':>8} {'ratio':>6}"


def write_graphs(model: str, folder: Path) -> None:
    """Write `fp32.onnx` and `int8-random.onnx` of a model."""
    fp32, ranges = folder / "fp32.onnx", folder / "ranges.json"
    export_onnx(model, pretrained(model), fp32)
    random = RandomImages("uniform", 0, 1, 64, 64)
    observe_activations(fp32, random, folder / "observed.npz", model=model)
    calibrate_ranges(
        fp32,
        CalibrationSettings(name="random", method="minmax"),
        ranges_out=ranges,
        cache_out=folder / "cache",
        model=model,
        observed=folder / "observed.npz",
    )
    quantize_onnx(fp32, ranges, folder / "int8-random.onnx")


def open_form(graph: Path, runtime: str, form: str, setup: Setup) -> Session:
    """Build the engine of a graph in a form, for frames of one size, next to the graph; open it."""
    source, engine = graph, graph.with_suffix(f".{runtime}.{form}.bin")
    if form != PLAIN:
        source = graph.with_suffix(f".{form}.onnx")
        write_form(graph, source, form)
    sizes = {key: [*setup.size] for key in ("smallest", "tuned", "largest")}
    options = {"frames": "uint8", "sizes": sizes, "build": {}}
    module = load_runtime(runtime)
    facts = module.build(source, engine, Settings(graph.stem, setup.threads, options))
    return module.open_engine(engine, Settings(graph.stem, setup.threads, options, facts))


def time_forms(folder: Path, model: str, runtime: str, setup: Setup) -> Iterator[Timing]:
    """Time all forms of a model's graphs in a runtime; the form in FORM_OF comes first."""
    random = np.random.default_rng(0)
    frames = [random.integers(0, 256, (*setup.size, 3), np.uint8) for _ in range(2)]
    for kind, graph in KINDS:
        used = FORM_OF[runtime][kind]
        forms = [used, *(form for form in FORMS_OF[runtime] if form != used)]
        sessions = [open_form(folder / f"{graph}.onnx", runtime, form, setup) for form in forms]
        rows = np.array(
            [row for _, row in measure_in_turn(sessions, frames, setup.plan, f"{runtime} {model} {graph}")]
        )
        for form, column in zip(forms, rows.T, strict=True):
            ratio = median((column / rows[:, 0]).tolist())
            yield Timing(runtime, model, kind, form, median(column.tolist()), ratio)


def verdict(timings: Sequence[Timing]) -> str:
    """Return a line about whether the forms in FORM_OF are the fastest, with any faster ones."""
    faster = [
        f"{t.form} for {t.runtime} {t.kind} ({t.model}: {1 - t.ratio:.0%} less time)"
        for t in timings
        if t.ratio < 1 - MARGIN
    ]
    if not faster:
        return f"FORM_OF holds on this machine: no other form is more than {MARGIN:.0%} faster."
    return f"FORM_OF doesn't hold on this machine; faster: {', '.join(faster)}."


def timing_plan(seconds: float) -> Plan:
    """Return the plan to time each form for some seconds, and at least 5 frames."""
    return Plan(
        warmup_seconds=seconds / 4,
        warmup_frames=5,
        warmup_tolerance=0.05,
        min_seconds=seconds,
        min_iterations=5,
        max_seconds=3 * seconds,
        block_seconds=0,
        rounds=0,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description="Time all forms of graphs in turn, and say whether FORM_OF names the fastest on this "
        "machine."
    )
    networks = [name for name in MODELS if is_shipped(weights_name(name))]
    shaped = [name for name in networks if MODELS[name].ends_in_blocks]
    parser.add_argument("--models", nargs="+", default=shaped, choices=networks, help="default: %(default)s")
    parser.add_argument("--runtimes", nargs="+", default=["onnxruntime", "openvino"], choices=list(FORM_OF))
    parser.add_argument("--width", type=int, default=960, help="of the small frame; default: %(default)s")
    parser.add_argument("--height", type=int, default=540, help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=5.0, help="each form is timed so long")
    parser.add_argument("--threads", type=int, default=usable_cpus())
    chosen = parser.parse_args(arguments)
    setup = Setup((chosen.height, chosen.width), chosen.threads, timing_plan(chosen.seconds))
    timings: list[Timing] = []
    print(HEAD)
    for model in chosen.models:
        with TemporaryDirectory(prefix="superres-") as folder:
            write_graphs(model, Path(folder))
            for runtime in chosen.runtimes:
                try:
                    for timing in time_forms(Path(folder), model, runtime, setup):
                        timings.append(timing)
                        print(timing.row, flush=True)
                except (UnsupportedError, UserError) as error:
                    print(f"{runtime:20} {model:20} not run: {error}", file=sys.stderr)
    print(verdict(timings))


if __name__ == "__main__":
    main()
