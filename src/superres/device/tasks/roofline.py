"""The task `measure_roofline`: the peak rates of matrix products and memory copies on this machine.

No network is faster than that (Williams, Waterman, Patterson: "Roofline",
2009): a frame takes at least the time of its multiply-adds at the peak of
their precision, and at least that of its bytes at the memory's bandwidth.
"""

from __future__ import annotations

import importlib.util
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Iterator, NamedTuple, Optional, Sequence, Tuple, Union

from superres.device.base.outputs import Outputs
from superres.device.job import NUMBER, Job
from superres.device.machine.disturbance import OthersMeter
from superres.device.tasks.engine import runtime_settings

INPUTS = ()
OUTPUTS = ("record",)
SETTINGS = {"seconds": NUMBER}

PRECISIONS = ("fp32", "fp16", "bf16", "int8")
# Rows of the first matrix, its columns, and columns of the second. The fastest differs between machines and
# libraries: operands of 64 fit into an L1 cache, those of 256 into an L2 cache, the largest into none. 768 is
# no power of two, whose rows share lines of a cache.
_SQUARE = tuple((size, size, size) for size in (64, 128, 256, 512, 768, 1024, 2048, 4096))
# Convolutions as products: pixels, inputs and outputs, in multiples of 16, as cuBLAS wants them in INT8.
# ESPCN_RGB's (3 x 5 x 5, 96 x 3 x 3 and 48 x 3 x 3 inputs), and C16-M4's (1 x 3 x 3 and 16 x 3 x 3).
_ESPCN_RGB = ((4096, 80, 96), (4096, 864, 48), (4096, 432, 16))
_C16_M4 = ((4096, 16, 16), (4096, 144, 16))
_SIZES = (*_SQUARE, *_ESPCN_RGB, *_C16_M4)
# Larger products, in multiply-adds, are skipped if one would take more than so many times `seconds`: one of
# 4,096 has 69 x 10^9. The others take little, and the fastest of them says how long these would.
_SMALL, _LONGEST = 1024**3, 5
# More than caches hold.
_COPIED_BYTES = 1 << 28

Call = Callable[[], object]
Prepare = Callable[[str, int, int, int], Optional[Tuple[Call, int]]]
"""Makes a product and its multiply-adds from a precision and a size; None if a library lacks it."""


class Product(NamedTuple):
    """The best of some products of two matrices, rows x size
    and size x columns: `gmac_s` is 10^9 multiply-adds a second.
    """

    library: str
    version: str
    processor: str
    precision: str
    rows: int
    size: int
    columns: int
    runs: int
    gmac_s: float


class Skipped(NamedTuple):
    """A product that wasn't measured, and why."""

    library: str
    processor: str
    precision: str
    rows: int
    size: int
    columns: int
    reason: str


Measured = Union[Product, Skipped]


def run(job: Job, outputs: Outputs) -> dict[str, Any]:
    """Measure the machine; returns the task's part of the record.

    `settings.seconds` is how long each product is repeated, and each copy.
    `skipped` are products that would take too long at their library's rate.
    `peaks` and `bandwidth_gb_s` are the best of all libraries, by processor
    (`cpu`, `cuda`); bandwidth counts what is read and what is written.
    """
    seconds, threads = float(job.settings["seconds"]), runtime_settings(job).threads
    meter = OthersMeter()
    found = [each for measure in _LIBRARIES.values() for each in measure(threads, seconds)]
    products = [each for each in found if isinstance(each, Product)]
    bandwidth = {"cpu": _copy_numpy(threads, seconds)}
    if cuda := _copy_cuda(seconds):
        bandwidth["cuda"] = cuda
    return {
        "products": [product._asdict() for product in products],
        "skipped": [each._asdict() for each in found if isinstance(each, Skipped)],
        "peaks": find_peaks(products),
        "bandwidth_gb_s": {name: round(value, 2) for name, value in bandwidth.items()},
        "disturbance": disturbance._asdict() if (disturbance := meter.read()) else None,
    }


def write_empty(outputs: Outputs) -> dict[str, Any]:
    """Return the record's part of a machine that can't be measured."""
    return {"products": [], "skipped": [], "peaks": {}, "bandwidth_gb_s": {}}


def find_peaks(products: Sequence[Product]) -> dict[str, dict[str, float]]:
    """The highest rate of each processor and precision."""
    peaks: dict[str, dict[str, float]] = {}
    for product in products:
        of_processor = peaks.setdefault(product.processor, {})
        of_processor[product.precision] = max(product.gmac_s, of_processor.get(product.precision, 0.0))
    return peaks


def fastest(call: Call, seconds: float) -> tuple[float, int]:
    """Return the fastest run's seconds and the number of runs: those that fit into `seconds`, at least 3."""
    call()
    times: list[float] = []
    started = time.perf_counter()
    while len(times) < 3 or time.perf_counter() - started < seconds:
        before = time.perf_counter()
        call()
        times.append(time.perf_counter() - before)
    return min(times), len(times)


def _measure(prepare: Prepare, precisions: Sequence[str], seconds: float, **names: str) -> Iterator[Measured]:
    """Measure a library's products of every precision and size that it has, none that takes too long."""
    library, version, processor = (names[name] for name in ("library", "version", "processor"))
    for precision in precisions:
        best_rate = 0.0
        for sizes in _SIZES:
            rows, size, columns = sizes
            expected = rows * size * columns / best_rate / 1e9 if best_rate else 0.0
            if rows * size * columns > _SMALL and expected > _LONGEST * seconds:
                reason = f"would take {expected:.2g} s, more than {_LONGEST} x `roofline.seconds`"
                yield Skipped(library, processor, precision, *sizes, reason)
                continue
            prepared = prepare(precision, *sizes)
            if prepared is None:
                continue
            call, macs = prepared
            best, runs = fastest(call, seconds)
            rate = macs / best / 1e9
            best_rate = max(best_rate, rate)
            yield Product(library, version, processor, precision, *sizes, runs, round(rate, 2))


def _measure_torch(threads: int, seconds: float) -> list[Measured]:
    """PyTorch's products: oneDNN's or MKL's on the CPU, cuBLAS's on a CUDA device."""
    import torch

    torch.set_num_threads(threads)
    types = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16, "int8": torch.int8}

    def prepare_on(device: str) -> Prepare:
        def prepare(precision: str, rows: int, size: int, columns: int) -> tuple[Call, int]:
            left = torch.ones((rows, size), device=device).to(types[precision])
            right = torch.ones((size, columns), device=device).to(types[precision])
            multiply = torch._int_mm if precision == "int8" else torch.mm  # pyright: ignore[reportPrivateImportUsage]

            def call() -> None:
                multiply(left, right)
                if device == "cuda":
                    torch.cuda.synchronize()

            return call, rows * size * columns

        return prepare

    names = {"library": "torch", "version": torch.__version__}
    with torch.inference_mode():
        found = list(_measure(prepare_on("cpu"), ("fp32", "bf16"), seconds, processor="cpu", **names))
        if torch.cuda.is_available():
            # TF32 would be faster, but isn't FP32.
            torch.backends.cuda.matmul.allow_tf32 = False
            found += _measure(prepare_on("cuda"), PRECISIONS, seconds, processor="cuda", **names)
    return found


def _measure_openvino(threads: int, seconds: float) -> list[Measured]:
    """OpenVINO's products, INT8 as a Q/DQ graph, if it computes them in the precision."""
    from superres.device.runtimes.openvino import versions
    from superres.device.runtimes.sessions.openvino_graphs import compile_product

    def prepare(precision: str, rows: int, size: int, columns: int) -> tuple[Call, int] | None:
        return compile_product(precision, (rows, size, columns), threads)

    names = {"library": "openvino", "version": versions()["openvino"], "processor": "cpu"}
    return list(_measure(prepare, ("fp32", "bf16", "int8"), seconds, **names))


def _measure_numpy(threads: int, seconds: float) -> list[Measured]:
    """Numpy's product, which every target has."""
    import numpy as np

    def prepare(precision: str, rows: int, size: int, columns: int) -> tuple[Call, int]:
        left, right = np.ones((rows, size), np.float32), np.ones((size, columns), np.float32)
        out = np.empty((rows, columns), np.float32)
        return (lambda: np.matmul(left, right, out=out)), rows * size * columns

    names = {"library": "numpy", "version": np.__version__, "processor": "cpu"}
    return list(_measure(prepare, ("fp32",), seconds, **names))


def _copy_numpy(threads: int, seconds: float) -> float:
    """GB/s, read and written, of a copy by several threads."""
    import numpy as np

    source = np.ones(_COPIED_BYTES, np.uint8)
    target = np.zeros_like(source)
    parts = list(zip(np.array_split(target, threads), np.array_split(source, threads)))
    with ThreadPoolExecutor(threads) as pool:
        best, _ = fastest(lambda: list(pool.map(lambda pair: np.copyto(*pair), parts)), seconds)
    return 2 * _COPIED_BYTES / best / 1e9


def _copy_cuda(seconds: float) -> float | None:
    """The same of a CUDA device's memory, None without torch or such a device."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    if not torch.cuda.is_available():
        return None
    source = torch.ones(_COPIED_BYTES, dtype=torch.uint8, device="cuda")
    target = torch.zeros_like(source)

    def call() -> None:
        target.copy_(source)
        torch.cuda.synchronize()

    return 2 * _COPIED_BYTES / fastest(call, seconds)[0] / 1e9


def _if_there(package: str, measure: Callable[[int, float], list[Measured]]) -> Callable[..., list[Measured]]:
    """Return the measurement of a library, which is empty without its package."""
    return lambda *arguments: measure(*arguments) if importlib.util.find_spec(package) else []


_LIBRARIES = {
    "torch": _if_there("torch", _measure_torch),
    "openvino": _if_there("openvino", _measure_openvino),
    "numpy": _measure_numpy,
}
