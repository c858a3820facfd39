"""The machine's other load during a timing."""

import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from superres.device.machine import disturbance
from superres.device.machine.disturbance import OthersMeter


def stat(busy: int, stolen: int) -> str:
    """/proc/stat with ticks of user, nice, system, idle, iowait, irq, softirq, steal, guest, guest_nice."""
    line = f"{busy} 0 0 1000 50 0 0 {stolen} 7 0"
    return f"cpu  {line}\ncpu0 {line}\ncpu1 9999 0 0 0 0 0 0 9999 0 0\nintr 1\n"


def test_others_are_the_busy_ticks_less_ones_own(monkeypatch):
    # Own ticks: utime and stime are the 14th and 15th field, after a name with a bracket and spaces.
    texts = {"/proc/stat": stat(100, 3), f"/proc/{os.getpid()}/stat": "1 (a )b c) S " + "0 " * 10 + "20 5 0"}
    texts["/proc/77/stat"] = "77 (x) S " + "0 " * 10 + "8 2 0"
    now = [50.0]
    monkeypatch.setattr(disturbance, "read_text", texts.get)
    monkeypatch.setattr(disturbance, "_affinity", lambda: {0})
    monkeypatch.setattr(disturbance.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(disturbance.os, "sysconf", lambda _: 100)
    meter = OthersMeter([77])
    now[0] += 2.0
    texts["/proc/stat"] = stat(100 + 150, 3 + 10)
    texts[f"/proc/{os.getpid()}/stat"] = "1 (a )b c) S " + "0 " * 10 + "80 15 0"
    texts["/proc/77/stat"] = "77 (x) S " + "0 " * 10 + "38 2 0"
    # 150 ticks busy, 70 and 30 of them by oneself and the partner: 50 of 200; 10 of 200 stolen.
    assert meter.read() == (0.25, 0.05)


def test_without_proc_nothing_is_claimed(monkeypatch):
    monkeypatch.setattr(disturbance, "read_text", lambda _: None)
    assert OthersMeter().read() is None


@pytest.mark.skipif(not os.path.exists("/proc/stat"), reason="the system has no /proc/stat")  # noqa: PTH110
def test_another_process_is_seen_and_a_partner_is_not(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(disturbance, "time", SimpleNamespace(monotonic=lambda: now[0]))
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"])

    def wait_for_ticks(ticks: int) -> None:
        while disturbance._process_ticks(other.pid) < ticks:
            assert other.poll() is None
            time.sleep(0.02)

    try:
        wait_for_ticks(20)
        everyone, without = OthersMeter(), OthersMeter([other.pid])
        # The meters' clock says a second, however long the process takes to get its 50 ticks.
        wait_for_ticks(disturbance._process_ticks(other.pid) + 50)
        now[0] += 1.0
        seen, unseen = everyone.read(), without.read()
    finally:
        other.kill()
        other.wait()
    assert seen is not None and unseen is not None
    # The difference is 50 of 100 ticks; processors and processes are counted slightly differently.
    assert seen.others - unseen.others > 0.25
