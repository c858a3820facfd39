"""The limits of a machine: how they are found, and that nothing real is beyond them."""

import json
import time

import numpy as np
import pytest

from superres.device.job import Job
from superres.device.machine.facts import describe_machine, usable_cpus
from superres.device.runtimes.sessions.openvino_graphs import compile_product
from superres.device.tasks import roofline
from superres.device.tasks.roofline import Product, fastest, find_peaks
from superres.device.tasks.worker import run_job


def test_peaks_are_the_best_of_each_processor_and_precision():
    products = [
        Product("a", "1", processor, precision, 1, 1, 3, rate)
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

    monkeypatch.setattr(roofline.time, "perf_counter", lambda: now[0])
    assert fastest(call, 1.0) == (pytest.approx(0.2), 3)


def test_an_int8_product_is_one_and_counts_its_multiply_adds():
    prepared = compile_product("int8", 64, 32, 1)
    assert prepared is not None
    # The product, and the small one behind that reads its 8 bits.
    assert prepared[1] == 64 * 32 * (32 + 16)
    prepared[0]()


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> dict:
    record = tmp_path_factory.mktemp("roofline") / "local.json"
    threads = usable_cpus()
    run_job(Job("measure_roofline", "", "", threads, {}, {"record": str(record)}, {"seconds": 0.1}, "local"))
    return json.loads(record.read_text())


def test_no_product_of_numpy_is_beyond_the_limit(measured):
    left = np.ones((768, 768), np.float32)
    best, _ = fastest(lambda: left @ left, 0.2)
    # A machine that became quiet meanwhile may be faster than it was: what was measured then is what counts.
    if 768**3 / best / 1e9 > measured["peaks"]["cpu"]["fp32"]:
        time.sleep(1)
        again = find_peaks(roofline._measure_openvino(usable_cpus(), 0.3))
        assert 768**3 / best / 1e9 <= 1.05 * again["cpu"]["fp32"]


def test_the_record_says_what_was_measured_with_what(measured):
    assert measured["status"] == "ok" and measured["versions"] == {}
    libraries = {product["library"] for product in measured["products"]}
    assert {"numpy", "torch", "openvino"} <= libraries
    peaks = measured["peaks"]["cpu"]
    assert all(1 < rate < 1e5 for rate in peaks.values())
    assert 0.5 < measured["bandwidth_gb_s"]["cpu"] < 5000
    if "avx512_vnni" in describe_machine()["flags"]:
        # Four times as many in theory; a busy machine may halve that.
        assert peaks["int8"] > 1.5 * peaks["fp32"]
