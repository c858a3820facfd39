"""The search for a machine's limits; benchmarks/check_roofline.py measures whether they hold."""

import json
from types import SimpleNamespace

import pytest
from torch import nn

from superres.device.base.outputs import Outputs
from superres.device.job import Job
from superres.device.machine.facts import describe_machine, usable_cpus
from superres.device.runtimes.sessions.openvino_graphs import compile_product
from superres.device.tasks import roofline
from superres.device.tasks.roofline import _SIZES, Product, fastest, find_peaks
from superres.device.tasks.worker import run_job
from superres.models.networks import build_network


def test_peaks_are_the_best_of_each_processor_and_precision():
    products = [
        Product("a", "1", processor, precision, 1, 1, 1, 3, rate)
        for processor, precision, rate in [
            ("cpu", "fp32", 100.0),
            ("cpu", "fp32", 250.0),
            ("cpu", "int8", 900.0),
            ("cuda", "fp32", 9000.0),
            ("cpu", "fp32", 80.0),
        ]
    ]
    assert find_peaks(products) == {"cpu": {"fp32": 250.0, "int8": 900.0}, "cuda": {"fp32": 9000.0}}


def test_the_fastest_run_counts_and_the_first_does_not(monkeypatch):
    durations = iter([0.001, 0.5, 0.2, 0.4, 0.3])
    now = [0.0]

    def call() -> None:
        now[0] += next(durations)

    monkeypatch.setattr(roofline, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    assert fastest(call, 1.0) == (pytest.approx(0.2), 3)


def test_an_int8_product_is_one_and_counts_its_multiply_adds():
    prepared = compile_product("int8", (64, 32, 48), 1)
    assert prepared is not None
    # The product, and the small one that reads its 8 bits.
    assert prepared[1] == 64 * 48 * (32 + 16)
    prepared[0]()


def test_the_limit_is_the_best_of_all_sizes_and_libraries(monkeypatch):
    """10^9 multiply-adds a second of some libraries by size, on a clock that only their products move."""
    now = [0.0]
    monkeypatch.setattr(roofline, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    rates = {
        "large": lambda size: size / 10,
        "small": lambda size: 180 - size / 40,
        "slow": lambda size: 10,
        "none": lambda size: 0,
    }

    def library(name: str):
        def prepare(precision: str, rows: int, size: int, columns: int):
            macs, rate = rows * size * columns, rates[name](size)

            def call() -> None:
                now[0] += macs / rate / 1e9

            return (call, macs) if rate else None

        named = {"library": name, "version": "1", "processor": "cpu"}
        return lambda threads, seconds: roofline._measure(prepare, ("fp32",), seconds, **named)

    monkeypatch.setattr(roofline, "_LIBRARIES", {name: library(name) for name in rates})
    monkeypatch.setattr(roofline, "_copy_numpy", lambda threads, seconds: 12.345)
    monkeypatch.setattr(roofline, "_copy_cuda", lambda seconds: None)
    files = {"record": "local.json"}
    job = Job("measure_roofline", "", "", 1, {}, files, {"seconds": 0.2}, "local")
    found = roofline.run(job, Outputs(files))
    rows = [
        (row["library"], row["rows"], row["size"], row["columns"], row["gmac_s"]) for row in found["products"]
    ]
    # What would take a second at 10 x 10^9 is no larger than 2,048.
    expected = [
        (name, *sizes, rates[name](sizes[1]))
        for name in ("large", "small", "slow")
        for sizes in _SIZES
        if name != "slow" or sizes != (4096, 4096, 4096)
    ]
    assert [row[:4] for row in rows] == [row[:4] for row in expected]
    assert [row[4] for row in rows] == pytest.approx([row[4] for row in expected], abs=0.01)
    # The smallest small product and the largest large one are the fastest; the limit is the higher.
    assert found["peaks"] == {"cpu": {"fp32": pytest.approx(409.6, abs=0.01)}}
    [skipped] = found["skipped"]
    assert (skipped["library"], skipped["size"]) == ("slow", 4096)
    assert skipped["reason"] == "would take 6.9 s, more than 5 x `roofline.seconds`"
    assert found["bandwidth_gb_s"]["cpu"] == 12.35


def test_sizes_are_squares_that_fit_each_cache_and_none_and_the_networks_own():
    squares = [sizes for sizes in _SIZES if len({*sizes}) == 1]
    assert {2**power for power in range(7, 13)} <= {size for size, _, _ in squares}
    kib = [4 * 3 * size**2 / 1024 for size, _, _ in squares]
    assert min(kib) <= 48 and any(48 < each <= 1024 for each in kib) and max(kib) > 32 * 1024
    # Inputs and outputs of a layer, up to the next multiple of 16, for cuBLAS takes no others.
    found = {
        (-(-conv.weight[0].numel() // 16) * 16, -(-len(conv.weight) // 16) * 16)
        for model in ("espcn_rgb", "plain_c16_m4")
        for conv in build_network(model).modules()
        if isinstance(conv, nn.Conv2d)
    }
    assert found == {sizes[1:] for sizes in _SIZES if sizes not in squares}


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> dict:
    """Return a record of this machine's libraries; each product and copy takes 1 ms of the test's clock."""

    def take_a_millisecond(call, seconds: float) -> tuple[float, int]:
        call()
        return 0.001, 3

    record, settings = tmp_path_factory.mktemp("roofline") / "local.json", {"seconds": 0.1}
    job = Job("measure_roofline", "", "", usable_cpus(), {}, {"record": str(record)}, settings, "local")
    with pytest.MonkeyPatch.context() as patch:
        # Larger ones take seconds.
        patch.setattr(roofline, "_SIZES", [sizes for sizes in _SIZES if max(sizes[1:]) <= 1024])
        patch.setattr(roofline, "fastest", take_a_millisecond)
        run_job(job)
    return json.loads(record.read_text())


def test_the_record_says_what_was_measured_with_what(measured):
    assert measured["status"] == "ok" and measured["versions"] == {}
    on_cpu = [product for product in measured["products"] if product["processor"] == "cpu"]
    assert {product["library"] for product in on_cpu} == {"numpy", "torch", "openvino"}
    for product in on_cpu:
        rows, size, columns = (product[side] for side in ("rows", "size", "columns"))
        # A small product follows OpenVINO's INT8 product.
        size += 16 * (product["precision"] == "int8")
        assert product["gmac_s"] == pytest.approx(rows * size * columns / 1e6, abs=0.005)
    assert measured["bandwidth_gb_s"]["cpu"] == pytest.approx(2 * 2**28 / 1e6, abs=0.005)
    # Of the largest product, for all take as long.
    assert measured["peaks"]["cpu"]["fp32"] == pytest.approx(1024**3 / 1e6, abs=0.005)


@pytest.mark.skipif("avx512_vnni" not in describe_machine()["flags"], reason="needs AVX-512 VNNI")
def test_int8_is_a_limit_of_its_own_where_the_processor_has_it(measured):
    assert measured["peaks"]["cpu"]["int8"] == pytest.approx(1024**2 * (1024 + 16) / 1e6, abs=0.005)
