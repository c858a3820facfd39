"""What else the machine does while something is timed."""

import multiprocessing
import os
import time

import pytest

from superres.device.machine import disturbance
from superres.device.machine.disturbance import OthersMeter


def stat(busy: int, stolen: int) -> str:
    """/proc/stat after so many ticks: user, nice, system, idle, iowait, irq, softirq, steal, guest, guest_nice."""
    line = f"{busy} 0 0 1000 50 0 0 {stolen} 7 0"
    return f"cpu  {line}\ncpu0 {line}\ncpu1 9999 0 0 0 0 0 0 9999 0 0\nintr 1\n"


def test_others_are_the_busy_ticks_less_ones_own(monkeypatch):
    # Own ticks: utime and stime are the 14th and 15th field, behind a name that holds a bracket and spaces.
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


def spin() -> None:
    while True:
        pass


@pytest.mark.skipif(not os.path.exists("/proc/stat"), reason="the system has no /proc/stat")  # noqa: PTH110
def test_another_process_is_seen_and_a_partner_is_not():
    other = multiprocessing.get_context("spawn").Process(target=spin, daemon=True)
    other.start()
    try:
        while disturbance._process_ticks(other.pid or 0) < 20:
            time.sleep(0.02)
        everyone, without = OthersMeter(), OthersMeter([other.pid or 0])
        time.sleep(0.6)
        seen, unseen = everyone.read(), without.read()
    finally:
        other.kill()
        other.join()
    assert seen is not None and unseen is not None
    # The process gets a fair part of a busy machine, and that is the whole difference.
    assert seen.others - unseen.others > 0.1
