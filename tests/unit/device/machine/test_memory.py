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
