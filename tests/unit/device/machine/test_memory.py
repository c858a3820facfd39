"""The memory that a process may still take: the least of its limits."""

import resource
import subprocess
import sys

from superres.device.machine import memory

GIB = 1 << 30


def test_the_least_limit_counts(monkeypatch):
    files = {
        "/proc/meminfo": "MemTotal: 33554432 kB\nMemAvailable: 8388608 kB\n",
        "/sys/fs/cgroup/memory.max": f"{6 * GIB}\n",
        "/sys/fs/cgroup/memory.current": f"{2 * GIB}\n",
    }
    monkeypatch.setattr(memory, "_read", lambda path: files.get(path, ""))
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert memory.available_memory() == 4 * GIB
    files["/sys/fs/cgroup/memory.max"] = "max\n"
    assert memory.available_memory() == 8 * GIB
    monkeypatch.setattr(resource, "getrlimit", lambda _: (3 * GIB, 3 * GIB))
    files["/proc/self/statm"] = f"{GIB // resource.getpagesize()} 1 1\n"
    assert memory.available_memory() == 2 * GIB
    files.clear()
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert memory.available_memory() is None


def test_a_process_knows_its_own_limit():
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30));"
        "from superres.device.machine.memory import available_memory; print(available_memory())"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert 0 < int(found.stdout) < 4 << 30


def limited(limit: int, code: str) -> str:
    """What a process prints whose addresses are limited to so many bytes."""
    begin = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}));"
    done = subprocess.run([sys.executable, "-c", begin + code], check=True, capture_output=True, text=True)
    return done.stdout


def test_a_limit_that_no_library_could_be_loaded_in_is_refused():
    code = """
from superres.device.base.errors import UserError
from superres.device.machine.memory import check_limit
try:
    check_limit()
    print("fine")
except UserError as error:
    print(error)
"""
    line = (
        "memory: expected a limit of at least 2 GiB for a process, found 1.0; lift it: ulimit -v unlimited\n"
    )
    assert limited(GIB, code) == line
    assert limited(3 * GIB, code) == "fine\n"


def test_no_allocation_goes_beyond_the_free_memory():
    code = """
import resource
from superres.device.machine import memory
before = resource.getrlimit(resource.RLIMIT_AS)
memory.available_memory = lambda: 64 << 20
with memory.within_free_memory(1 << 40):
    small = bytearray(32 << 20)
    try:
        large = bytearray(3 << 30)
    except MemoryError:
        print("refused")
assert resource.getrlimit(resource.RLIMIT_AS) == before
print(len(bytearray(3 << 30)) >> 30)
"""
    assert limited(16 * GIB, code) == "refused\n3\n"
