"""Power of a Jetson's rails: lines of tegrastats from several modules, and which samples count."""

import time
from pathlib import Path

import pytest

from superres.device.machine import jetson, power
from superres.device.machine.power import PowerLog, module_power, read_power, read_sensors

# Module and L4T version, a line of its tegrastats, its rails and the milliwatts of the whole module.
LINES = {
    "Nano, 32": (
        "RAM 613/3964MB (lfb 634x4MB) SWAP 0/1982MB (cached 0MB) CPU [2%@102,1%@102,0%@102,0%@102] "
        "EMC_FREQ 0% GR3D_FREQ 0% PLL@39C CPU@40.5C PMIC@100C GPU@41C AO@46C thermal@41C "
        "POM_5V_IN 900/943 POM_5V_GPU 0/0 POM_5V_CPU 123/123",
        {"POM_5V_IN": 900, "POM_5V_GPU": 0, "POM_5V_CPU": 123},
        900,
    ),
    "TX1, 32": (
        "RAM 1179/3983MB (lfb 126x4MB) IRAM 0/252kB(lfb 252kB) CPU [1%@102,4%@102,0%@102,0%@102] "
        "EMC_FREQ 7%@408 GR3D_FREQ 0%@76 APE 25 GPU@39C PLL@37C VDD_IN 2532/2698 VDD_CPU 76/178",
        {"VDD_IN": 2532, "VDD_CPU": 76},
        2532,
    ),
    "AGX Xavier, 32": (
        "RAM 1903/15699MB (lfb 3150x4MB) EMC_FREQ 0% GR3D_FREQ 0% AO@35C GPU@35.5C "
        "GPU 0/0 CPU 216/216 SOC 863/863 CV 0/0 VDDRQ 144/144 SYS5V 1886/1886",
        {"GPU": 0, "CPU": 216, "SOC": 863, "CV": 0, "VDDRQ": 144, "SYS5V": 1886},
        3109,
    ),
    "AGX Orin, 35": (
        "10-16-2023 10:59:22 RAM 1205/30623MB (lfb 6429x4MB) SWAP 0/15311MB (cached 0MB) CPU [0%@729,off] "
        "EMC_FREQ 0%@204 GR3D_FREQ 0%@114 GR3D2_FREQ 0%@114 NVJPG1 729 VIC_FREQ 729 APE 233 CV0@-256C "
        "CPU@43.5C Tdiode@32.5C VDD_GPU_SOC 4788mW/4788mW VDD_CPU_CV 798mW/798mW VIN_SYS_5V0 3842mW/3842mW "
        "NC 0mW/0mW VDDQ_VDD2_1V8AO 707mW/707mW NC 0mW/0mW",
        {"VDD_GPU_SOC": 4788, "VDD_CPU_CV": 798, "VIN_SYS_5V0": 3842, "NC": 0, "VDDQ_VDD2_1V8AO": 707},
        9428,
    ),
    "AGX Orin, idle, 36": (
        "03-17-2024 18:54:10 RAM 10239/62841MB (lfb 442x4MB) SWAP 1/31421MB (cached 0MB) GR3D_FREQ 0% "
        "cpu@37.5C VDD_GPU_SOC 1592mW/1592mW VDD_CPU_CV -398mW/-398mW VIN_SYS_5V0 2624mW/2624mW",
        {"VDD_GPU_SOC": 1592, "VDD_CPU_CV": -398, "VIN_SYS_5V0": 2624},
        3818,
    ),
    "Orin Nano, 36": (
        "09-17-2026 02:10:16 RAM 1483/7620MB (lfb 105x4MB) SWAP 253/12002MB (cached 2MB) CPU [0%@729,off] "
        "GR3D_FREQ 62%@612 cpu@47.75C tj@50C VDD_IN 4541mW/4541mW VDD_CPU_GPU_CV 521mW/530mW "
        "VDD_SOC 1446mW/1473mW",
        {"VDD_IN": 4541, "VDD_CPU_GPU_CV": 521, "VDD_SOC": 1446},
        4541,
    ),
    "AGX Orin, 39": (
        "07-25-2026 09:08:28 RAM 20642/62817MB (lfb 1x2MB) CPU [23%@2201,10%@2201] EMC_FREQ 3%@3199 "
        "GR3D_FREQ 12%@[1300,1300] PVA0_FREQ off APE 174 cpu@52.968C/52.968C "
        "VDD_GPU_SOC 5139mW/5139mW/5139mW VDD_CPU_CV 3268mW/3268mW/3268mW VIN_SYS_5V0 5500mW/5500mW/5500mW",
        {"VDD_GPU_SOC": 5139, "VDD_CPU_CV": 3268, "VIN_SYS_5V0": 5500},
        13907,
    ),
    "Xavier, 32, not root": (
        "RAM 1689/3825MB (lfb 339x4MB) EMC_FREQ 0% GR3D_FREQ 0% thermal@50.3C",
        {},
        None,
    ),
    "of another maker": ("VDD_CORE 100mW/100mW", {"VDD_CORE": 100}, None),
}


@pytest.mark.parametrize(("line", "rails", "whole"), LINES.values(), ids=LINES.keys())
def test_rails_of_every_module_and_version(line: str, rails: dict[str, int], whole: int | None):
    assert read_power(line) == rails
    assert module_power(rails) == whole


def make_tegrastats(folder: Path, line: str) -> None:
    """Write a program that prints the line, with the milliwatts in the file `now`, 200 times a second."""
    path = folder / "tegrastats"
    printed = line.format(f"$(cat {folder}/now)")
    path.write_text(f'#!/bin/sh\nwhile :; do echo "{printed}"; sleep 0.005; done\n')
    path.chmod(0o755)


def wait_for(log: PowerLog, milliwatts: int, samples: int = 2) -> None:
    """Wait until some more samples of this value have come."""

    def count() -> int:
        return sum(sample.rails.get("VDD_IN") == milliwatts for sample in log._samples)

    wanted = count() + samples
    while count() < wanted:
        time.sleep(0.005)


def test_only_the_arms_own_frames_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """5 W before, 9 W while another arm runs, 7 and 8 W in the arm's own two blocks."""
    make_tegrastats(tmp_path, "VDD_IN {0}mW/1mW VDD_SOC 3mW/3mW")
    monkeypatch.setattr(jetson, "SBIN", str(tmp_path))
    now = tmp_path / "now"

    def switch(milliwatts: int) -> None:
        part = tmp_path / "part"
        part.write_text(str(milliwatts))
        part.replace(now)

    switch(5000)
    with PowerLog(interval_ms=5) as log:
        wait_for(log, 5000)
        for own, other in ((7000, 9000), (8000, 9000)):
            switch(own)
            wait_for(log, own)
            with log.own():
                wait_for(log, own)
            switch(other)
            wait_for(log, other)
    summary = log.summary
    assert summary is not None
    assert set(summary["rails"]) == {"VDD_IN", "VDD_SOC"} and summary["rails"]["VDD_SOC"]["mean_mw"] == 3
    assert summary["rails"]["VDD_IN"]["highest_mw"] == 8000
    assert summary["samples"] >= 4
    assert 7000 < summary["module_mw"] < 8000


def test_a_machine_without_rails_has_no_power(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setattr(power, "SENSORS", tmp_path)
    with PowerLog() as log, log.own():
        pass
    assert log.summary is None and capsys.readouterr().err == ""


def test_rails_that_this_user_may_not_read_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    make_tegrastats(tmp_path, "RAM 1689/3825MB thermal@50.3C")
    monkeypatch.setattr(jetson, "SBIN", str(tmp_path))
    monkeypatch.setattr(power, "SENSORS", tmp_path / "none")
    with PowerLog(interval_ms=5) as log, log.own():
        pass
    assert log.summary == {"rails": {}, "module_mw": None, "samples": 0}
    assert "found none that this user may read" in capsys.readouterr().err


def test_sensors_stand_in_where_tegrastats_prints_no_rails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "1-0040/hwmon/hwmon4"
    folder.mkdir(parents=True)
    # 5 V and 1.2 A; a channel that isn't connected has a label and no current.
    for name, text in {
        "in1_label": "VDD_IN",
        "in1_input": "5000",
        "curr1_input": "1200",
        "in2_label": "NC",
    }.items():
        (folder / name).write_text(text + "\n")
    monkeypatch.setattr(power, "SENSORS", tmp_path)
    assert read_sensors() == {"VDD_IN": 6000}
    with PowerLog(interval_ms=5) as log, log.own():
        while len(log._samples) < 3:
            time.sleep(0.005)
    assert log.summary is not None and log.summary["module_mw"] == 6000.0
