"""The task `measure_roofline`: the peak rates of matrix products and memory copies on this machine.

No network is faster than that (Williams, Waterman, Patterson: "Roofline",
2009): a frame takes at least the time of its multiply-adds at the peak of
their precision, and at least that of its bytes at the memory's bandwidth.
"""

from __future__ import annotations

import importlib.util
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, NamedTuple, Optional, Sequence, Tuple

from superres.device.base.outputs import Outputs
from superres.device.job import NUMBER, Job
from superres.device.machine.disturbance import OthersMeter
from superres.device.tasks.engine import runtime_settings

INPUTS = ()
OUTPUTS = ("record",)
SETTINGS = {"seconds": NUMBER}

PRECISIONS = ("fp32", "fp16", "bf16", "int8")
# Rows of the first matrix, its columns, and columns of the second. The fastest differs between machines and
# libraries: operands of 64 fit into an L1 cache, those of 256 into an L2 cache, the largest into none.
_SQUARE = tuple((size, size, size) for size in (64, 128, 256, 512, 768, 1024))
# The convolutions of ESPCN_RGB as products: pixels, inputs (3 x 5 x 5, 96 x 3 x 3, 48 x 3 x 3) and outputs,
# in multiples of 16, as cuBLAS wants them in INT8.
_NETWORK = ((4096, 80, 96), (4096, 864, 48), (4096, 432, 16))
_SIZES = (*_SQUARE, (4096, 1024, 1024), *_NETWORK)
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


def run(job: Job, outputs: Outputs) -> dict[str, Any]:
    """Measure the machine; returns the task's part of the record.

    `settings.seconds` is how long each product is repeated, and each copy.
    `peaks` and `bandwidth_gb_s` are the best of all libraries, by processor
    (`cpu`, `cuda`); bandwidth counts what is read and what is written.
    """
    seconds, threads = float(job.settings["seconds"]), runtime_settings(job).threads
    meter = OthersMeter()
    products = [product for measure in _LIBRARIES.values() for product in measure(threads, seconds)]
    bandwidth = {"cpu": _copy_numpy(threads, seconds)}
    if cuda := _copy_cuda(seconds):
        bandwidth["cuda"] = cuda
    return {
        "products": [product._asdict() for product in products],
        "peaks": find_peaks(products),
        "bandwidth_gb_s": {name: round(value, 2) for name, value in bandwidth.items()},
        "disturbance": disturbance._asdict() if (disturbance := meter.read()) else None,
    }


def write_empty(outputs: Outputs) -> dict[str, Any]:
    """Return the record's part of a machine that can't be measured."""
    return {"products": [], "peaks": {}, "bandwidth_gb_s": {}}


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


def _measure(prepare: Prepare, precisions: Sequence[str], seconds: float, **names: str) -> list[Product]:
    """Measure a library's products of every precision and size that it has."""
    found = []
    for precision in precisions:
        for sizes in _SIZES:
            prepared = prepare(precision, *sizes)
            if prepared is not None:
                call, macs = prepared
                best, runs = fastest(call, seconds)
                rate = round(macs / best / 1e9, 2)
                found.append(
                    Product(
                        names["library"], names["version"], names["processor"], precision, *sizes, runs, rate
                    )
                )
    return found


def _measure_torch(threads: int, seconds: float) -> list[Product]:
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
        found = _measure(prepare_on("cpu"), ("fp32", "bf16"), seconds, processor="cpu", **names)
        if torch.cuda.is_available():
            # TF32 would be faster, but isn't FP32.
            torch.backends.cuda.matmul.allow_tf32 = False
            found += _measure(prepare_on("cuda"), PRECISIONS, seconds, processor="cuda", **names)
    return found


def _measure_openvino(threads: int, seconds: float) -> list[Product]:
    """OpenVINO's products, INT8 as a Q/DQ graph, if it computes them in the precision."""
    from superres.device.runtimes.openvino import versions
    from superres.device.runtimes.sessions.openvino_graphs import compile_product

    def prepare(precision: str, rows: int, size: int, columns: int) -> tuple[Call, int] | None:
        return compile_product(precision, (rows, size, columns), threads)

    names = {"library": "openvino", "version": versions()["openvino"], "processor": "cpu"}
    return _measure(prepare, ("fp32", "bf16", "int8"), seconds, **names)


def _measure_numpy(threads: int, seconds: float) -> list[Product]:
    """Numpy's product, which every target has."""
    import numpy as np

    def prepare(precision: str, rows: int, size: int, columns: int) -> tuple[Call, int]:
        left, right = np.ones((rows, size), np.float32), np.ones((size, columns), np.float32)
        out = np.empty((rows, columns), np.float32)
        return (lambda: np.matmul(left, right, out=out)), rows * size * columns

    names = {"library": "numpy", "version": np.__version__, "processor": "cpu"}
    return _measure(prepare, ("fp32",), seconds, **names)


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


def _if_there(package: str, measure: Callable[[int, float], list[Product]]) -> Callable[..., list[Product]]:
    """Return the measurement of a library, which is empty without its package."""
    return lambda *arguments: measure(*arguments) if importlib.util.find_spec(package) else []


_LIBRARIES = {
    "torch": _if_there("torch", _measure_torch),
    "openvino": _if_there("openvino", _measure_openvino),
    "numpy": _measure_numpy,
}
