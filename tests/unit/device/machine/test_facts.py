"""Facts of the machine, memory of a process, and hashes."""

import json
import os
import platform
import subprocess
import sys

import pytest

from superres.device.base.outputs import sha256_file
from superres.device.machine import facts
from superres.device.machine.disturbance import describe_load
from superres.device.machine.facts import describe_machine, usable_cpus

PROGRAM = """
import resource
import numpy as np
from superres.device.machine.facts import keep_freed_memory
if {keep}:
    assert keep_freed_memory()
def take():
    np.ones(16 << 20, np.uint8)  # malloc's limit for mmap never grows past 32 MiB by itself
    np.ones(48 << 20, np.uint8)
take()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    take()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_facts_are_there_and_name_no_machine():
    found = describe_machine()
    text = json.dumps(found)
    assert found["cpu"]
    assert found["architecture"] == platform.machine()
    assert 1 <= found["usable_cpus"] <= found["cpus"]
    assert found["memory_bytes"] > 2**28
    assert platform.node() not in text


def test_clock_and_caches_are_those_of_the_system(tmp_path, monkeypatch):
    """Two processors of 2.4 and 3.7 GHz; the first has caches of code, of data, and two of both."""
    files = {"cpu0/cpufreq/cpuinfo_max_freq": "2400000", "cpu1/cpufreq/cpuinfo_max_freq": "3700000"}
    for index, cache in enumerate(("1 Data 48K", "1 Instruction 32K", "2 Unified 1024K", "3 Unified 32768K")):
        names = (f"cpu0/cache/index{index}/{name}" for name in ("level", "type", "size"))
        files |= dict(zip(names, cache.split(), strict=True))
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    monkeypatch.setattr(facts, "_CPUS", tmp_path)
    found = describe_machine()
    assert (found["max_mhz"], found["caches_kib"]) == (3700.0, {"L1d": 48, "L2": 1024, "L3": 32768})
    # Without them: the clock that Linux tells for every processor of x86, no caches.
    monkeypatch.setattr(facts, "_CPUS", tmp_path / "missing")
    monkeypatch.setattr(facts, "_cpu_fields", lambda: {"cpu MHz": "2596.094"})
    found = describe_machine()
    assert (found["max_mhz"], found["caches_kib"]) == (2596.094, {})
    monkeypatch.setattr(facts, "_cpu_fields", dict)
    assert describe_machine()["max_mhz"] is None


def test_affinity_limits_the_usable_cpus():
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert usable_cpus() == 1
        assert describe_load()["usable_cpus"] == 1
    finally:
        os.sched_setaffinity(0, allowed)


def test_sha256_is_that_of_the_standard(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    (tmp_path / "a").write_bytes(b"a" * 1_000_000)
    # Both from FIPS 180-2, appendix B.
    assert sha256_file(tmp_path / "abc").startswith("ba7816bf8f01cfea414140de5dae2223b00361a3")
    assert sha256_file(tmp_path / "a").startswith("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's malloc has the setting")
def test_blocks_taken_again_cost_no_page_faults() -> None:
    def faults(keep: bool) -> int:
        command = [sys.executable, "-c", PROGRAM.format(keep=keep)]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    # 48 MiB are 12,288 pages of 4 KiB, or 24 of 2 MiB, each time.
    assert faults(keep=True) < min(200, faults(keep=False))
