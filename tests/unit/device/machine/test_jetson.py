"""Real output of a Jetson's tools, and its parsing."""

import json
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from superres import device
from superres.device.agent.facts import read_l4t
from superres.device.base.errors import UserError
from superres.device.machine import jetson
from superres.device.machine.jetson import (
    Clock,
    check_state,
    read_clocks,
    read_power_mode,
    read_state,
    run_tool,
    throttling,
)

# Orin Nano, JetPack 6 (L4T 36.4).
ORIN_CLOCKS = """SOC family:tegra234  Machine:NVIDIA Jetson Orin Nano \
Engineering Reference Developer Kit Super
Online CPUs: 0-5
cpu0:  Online=1 Governor=schedutil MinFreq=729600 MaxFreq=1344000 CurrentFreq=729600 IdleStates: WFI=1 c7=1
cpu1:  Online=1 Governor=schedutil MinFreq=729600 MaxFreq=1344000 CurrentFreq=1190400 IdleStates: WFI=1 c7=1
cpu5:  Online=0 Governor=schedutil MinFreq=729600 MaxFreq=1344000 CurrentFreq=1190400 IdleStates: WFI=1 c7=1
GPU MinFreq=306000000 MaxFreq=918000000 CurrentFreq=306000000
Active GPU TPCs: 4
EMC MinFreq=204000000 MaxFreq=3199000000 CurrentFreq=2133000000 FreqOverride=0
FAN Dynamic Speed Control=nvfancontrol hwmon0_pwm1=69
NV Power Mode: 25W
"""
# The same after jetson_clocks.
ORIN_LOCKED = """SOC family:tegra234  Machine:NVIDIA Jetson Orin Nano \
Engineering Reference Developer Kit Super
Online CPUs: 0-5
cpu0:  Online=1 Governor=schedutil MinFreq=1728000 MaxFreq=1728000 CurrentFreq=1728000 IdleStates: WFI=0 c7=0
GPU MinFreq=1020000000 MaxFreq=1020000000 CurrentFreq=1020000000
EMC MinFreq=204000000 MaxFreq=3199000000 CurrentFreq=3199000000 FreqOverride=1
FAN Dynamic Speed Control=disabled hwmon0_pwm1=255
NV Power Mode: MAXN_SUPER
"""
# Nano, JetPack 4.
NANO_CLOCKS = """SOC family:tegra210  Machine:jetson-nano
Online CPUs: 0-3
CPU Cluster Switching: Disabled
cpu0: Online=1 Governor=schedutil MinFreq=102000 MaxFreq=1428000 CurrentFreq=1428000 IdleStates: WFI=1 c7=1
GPU MinFreq=76800000 MaxFreq=921600000 CurrentFreq=153600000
EMC MinFreq=204000000 MaxFreq=1600000000 CurrentFreq=1600000000 FreqOverride=0
Fan: speed=0
NV Power Mode: MAXN
"""
# AGX Orin, JetPack 7 (L4T 39), after jetson_clocks; L4T 35 prints its DLA and PVA alike.
AGX_LOCKED = """SOC family:tegra234  Machine:NVIDIA Jetson AGX Orin Developer Kit
Online CPUs: 0-11, Offline CPUs:
cpu0:  Governor=schedutil MinFreq=2201600 MaxFreq=2201600 CurrentFreq=2201600 IdleStates: WFI=0 c7=0
cpu11: Governor=schedutil MinFreq=2201600 MaxFreq=2201600 CurrentFreq=2201600 IdleStates: WFI=0 c7=0
GPU MinFreq=1300500000 MaxFreq=1300500000 CurrentFreq=1300500000
Active GPU TPCs: 8
EMC MinFreq=3199000000 MaxFreq=3199000000 CurrentFreq=3199000000
DLA0_CORE:   Online=1 MinFreq=0 MaxFreq=1600000000 CurrentFreq=1600000000
DLA0_FALCON: Online=1 MinFreq=0 MaxFreq=844800000 CurrentFreq=844800000
PVA0_VPS0: Online=1 MinFreq=0 MaxFreq=1369600000 CurrentFreq=1369600000
PVA0_AXI:  Online=1 MinFreq=0 MaxFreq=985600000 CurrentFreq=985600000
FAN Dynamic Speed Control=nvfancontrol hwmon2_pwm1_enable=1
NV Power Mode: MAXN
"""
# AGX Thor, JetPack 7 (L4T 38), after jetson_clocks: its GPU has another name, its video decoder a clock.
THOR_LOCKED = """SOC family:tegra264  Machine:NVIDIA Jetson AGX Thor Developer Kit
Online CPUs: 0-13, Offline CPUs:
cpu0:  Governor=schedutil MinFreq=2601000 MaxFreq=2601000 CurrentFreq=2601000 IdleStates: WFI=0 cc7=0
gpu-gpc-0 MinFreq=1575000000 MaxFreq=1575000000 CurrentFreq=1575000000
gpu-nvd-0 MinFreq=1692000000 MaxFreq=1692000000 CurrentFreq=1692000000
EMC MinFreq=665600000 MaxFreq=4266000000 CurrentFreq=4266000000 FreqOverride=1
PVA0_VPS0: Online=0 MinFreq=0 MaxFreq=1215000000 CurrentFreq=1215000000
NV Power Mode: MAXN
"""
# The same with its GPU free, and with its video decoder free.
THOR_FREE = THOR_LOCKED.replace("MinFreq=1575000000", "MinFreq=324000000")
THOR_DECODER = THOR_LOCKED.replace("MinFreq=1692000000", "MinFreq=324000000")
# Nothing says what the GPU does.
NO_GPU = "\n".join(line for line in AGX_LOCKED.splitlines() if not line.startswith("GPU"))
# The same board before it, with one processor free.
AGX_FREE = AGX_LOCKED.replace("MinFreq=2201600", "MinFreq=729600", 1)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("NV Power Mode: MAXN_SUPER\n2\n", (2, "MAXN_SUPER")),
        ("NVPM WARN: fan mode is not set!\nNV Power Mode: MODE_15W_6CORE\n2\n", (2, "MODE_15W_6CORE")),
        ("NV Fan Mode:quiet\nNV Power Mode: MODE_20W_6CORE\n8\n", (8, "MODE_20W_6CORE")),
        # As a plain user of an AGX Orin: files of /sys/kernel are root's.
        (
            "NV Fan Mode:quiet\nNV Power Mode: MAXN\n0\n"
            "NVPM ERROR: Error opening /sys/kernel/nvpmodel_emc_cap/emc_iso_cap: 13\n"
            "NVPM ERROR: failed to read PARAM EMC: ARG MAX_FREQ\n",
            (0, "MAXN"),
        ),
        ("NVPM ERROR: failed to read PARAM GPU\n", None),
        ("", None),
    ],
)
def test_power_mode(text: str, expected: tuple[int, str] | None):
    assert read_power_mode(text) == expected


def test_clocks():
    free = read_clocks(ORIN_CLOCKS)
    assert set(free) == {"cpu0", "cpu1", "GPU", "EMC"}
    assert free["cpu1"] == Clock(729600, 1344000, 1190400)
    assert not any(clock.locked for clock in free.values())
    locked = read_clocks(ORIN_LOCKED)
    assert locked["EMC"] == Clock(3199000000, 3199000000, 3199000000)
    assert all(clock.locked for clock in locked.values())
    assert read_clocks(NANO_CLOCKS)["GPU"] == Clock(76800000, 921600000, 153600000)
    assert read_clocks("Error: run it as root\n") == {}
    agx = read_clocks(AGX_LOCKED)
    assert agx["cpu11"] == Clock(2201600, 2201600, 2201600) and agx["EMC"].locked
    assert not agx["DLA0_CORE"].locked


@pytest.mark.parametrize(
    ("shown", "locked", "free"),
    [
        (AGX_LOCKED, True, None),
        (AGX_FREE, False, "cpu0 free"),
        (ORIN_CLOCKS, False, "cpu0, cpu1, GPU free"),
        (THOR_LOCKED, True, None),
        (THOR_FREE, False, "GPU free"),
        (THOR_DECODER, True, None),
        (NO_GPU, False, "no clock of the GPU that can be read"),
    ],
)
def test_processors_and_gpu_decide_whether_clocks_are_locked(tools: Path, shown, locked, free):
    (tools / "clocks").write_text(shown)
    state = read_state()
    assert state["clocks_locked"] is locked
    found = nullcontext() if free is None else pytest.raises(UserError, match=f"them locked, found {free};")
    with found:
        check_state(state, {"lock_clocks": True}, "now")


def test_l4t():
    line = (
        "# R35 (release), REVISION: 4.1, GCID: 33958178, BOARD: t186ref, EABI: aarch64, "
        "DATE: Tue Aug  1 19:57:35 UTC 2023"
    )
    assert read_l4t(line) == "35.4.1"
    assert read_l4t("") is None


def test_a_state_that_is_not_wanted():
    state = {"power_mode": 0, "power_mode_name": "MAXN", "clocks_locked": False}
    state["clocks"] = {"cpu0": {"lowest": 1, "highest": 2}, "GPU": {"lowest": 2, "highest": 2}}
    check_state(state, {}, "now")
    check_state(state, {"power_mode": 0, "lock_clocks": False}, "now")
    with pytest.raises(
        UserError, match=r"^power mode now: expected 2, found 0 \(MAXN\); run `sudo nvpmodel -m 2`"
    ):
        check_state(state, {"power_mode": 2}, "now")
    with pytest.raises(
        UserError, match=r"^clocks now: expected them locked, found cpu0 free; run `sudo jetson_clocks`"
    ):
        check_state(state, {"lock_clocks": True}, "now")
    with pytest.raises(UserError, match=r"expected 2, found no nvpmodel"):
        check_state({}, {"power_mode": 2}, "now")


def test_throttling_is_what_has_been_counted_since():
    before = {"throttled": {"oc1": 3, "oc2": 0}}
    assert throttling(before, {"throttled": {"oc1": 5, "oc2": 0, "oc3": 1}}) == {"oc1": 2, "oc3": 1}
    assert throttling(before, before) == {} == throttling({}, {})


def test_what_any_user_may_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The files of an Orin, below a root of the test's own."""
    files = {
        "devices/system/cpu/cpu0/cpufreq/scaling_min_freq": "1728000",
        "devices/system/cpu/cpu0/cpufreq/scaling_max_freq": "1728000",
        "devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1727999",
        "class/devfreq/17000000.gpu/min_freq": "306000000",
        "class/devfreq/17000000.gpu/max_freq": "918000000",
        "class/devfreq/17000000.gpu/cur_freq": "306000000",
        "class/devfreq/15340000.vic/min_freq": "1",
        "class/thermal/thermal_zone0/type": "cpu-thermal",
        "class/thermal/thermal_zone0/temp": "49468",
        "class/thermal/thermal_zone4/type": "cv0-thermal",
        "class/thermal/thermal_zone4/temp": "-256000",
        "class/hwmon/hwmon3/oc1_event_cnt": "0",
        "class/hwmon/hwmon3/oc1_throt_en": "1",
        "class/hwmon/hwmon3/oc2_event_cnt": "5",
        "class/hwmon/hwmon3/oc2_throt_en": "0",
        "class/hwmon/hwmon3/oc3_event_cnt": "27",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    monkeypatch.setattr(jetson, "SYS", tmp_path)
    state = read_state()
    assert state["clocks"]["cpu0"] == {"lowest": 1728000, "highest": 1728000, "current": 1727999}
    assert state["clocks"]["GPU"]["highest"] == 918000000 and len(state["clocks"]) == 2
    assert not state["clocks_locked"]
    assert state["temperatures_c"] == {"cpu-thermal": 49.468}
    # oc2 counts, but may not slow anything down here.
    assert state["throttled"] == {"oc1": 0, "oc3": 27}


@pytest.mark.parametrize("name", ["gpu-gpc-0", "17000000.gv11b"])
def test_the_gpu_among_the_devices_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    """A Thor has its video decoder beside it, which comes later by name."""
    for engine, lowest in ((name, 7), ("gpu-nvd-0", 1)):
        for part, value in (("min", lowest), ("max", 7), ("cur", 7)):
            file = tmp_path / f"class/devfreq/{engine}/{part}_freq"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{value}\n")
    monkeypatch.setattr(jetson, "SYS", tmp_path)
    state = read_state()
    assert state["clocks"] == {"GPU": {"lowest": 7, "highest": 7, "current": 7}} and state["clocks_locked"]


def make_tool(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Jetson's programs, in power mode 2 with locked clocks."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "mode").write_text("NV Power Mode: MODE_15W_6CORE\n2\n")
    (folder / "clocks").write_text(ORIN_LOCKED)
    make_tool(folder, "nvpmodel", f'[ "$1" = -q ] && cat {folder}/mode')
    make_tool(folder, "jetson_clocks", f'[ "$1" = --show ] && cat {folder}/clocks')
    make_tool(folder, "sudo", '[ "$1" = -n ] && shift && exec "$@"')
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def run_worker(folder: Path, conditions: dict) -> subprocess.CompletedProcess[str]:
    job = {
        "task": "build_engine",
        "runtime": "opencv",
        "precision": "uint8",
        "threads": 1,
        "inputs": {},
        "outputs": {"engine": str(folder / "engine.bin"), "record": str(folder / "engine.json")},
        "settings": {"options": {"frames": "uint8"}},
        "label": "jetson/opencv/bicubic/uint8",
        "conditions": conditions,
    }
    (folder / "job.json").write_text(json.dumps(job))
    return subprocess.run(
        [sys.executable, "-m", device.__name__, str(folder / "job.json")],
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_arm_is_recorded_with_its_devices_state(tools: Path, tmp_path: Path):
    done = run_worker(tmp_path, {"power_mode": 2, "lock_clocks": True})
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "engine.json").read_text())
    for when in ("state_before", "state_after"):
        assert record[when]["power_mode_name"] == "MODE_15W_6CORE" and record[when]["clocks_locked"]
    assert record["conditions"] == {"power_mode": 2, "lock_clocks": True}


def test_a_tool_outside_the_path_is_run_all_the_same(tools: Path, monkeypatch: pytest.MonkeyPatch):
    """Cron and some systems' SSH don't search /usr/sbin, where NVIDIA's programs lie."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(jetson, "SBIN", str(tools))
    state = read_state()
    assert state["power_mode"] == 2 and state["clocks_locked"]
    assert run_tool("no-such-tool") == ""


@pytest.mark.parametrize(
    "conditions, message",
    [
        (
            {"power_mode": 0},
            "error: power mode before build_engine: expected 0, found 2 (MODE_15W_6CORE); "
            "run `sudo nvpmodel -m 0`",
        ),
        (
            {"lock_clocks": True},
            "error: clocks before build_engine: expected them locked, found cpu0, cpu1, GPU free",
        ),
    ],
)
def test_an_arm_in_another_state_fails_and_says_what_to_do(
    tools: Path, tmp_path: Path, conditions: dict, message: str
):
    (tools / "clocks").write_text(ORIN_CLOCKS)
    done = run_worker(tmp_path, conditions)
    assert done.returncode == 2 and message in done.stderr
    assert not (tmp_path / "engine.bin").exists()


def test_a_mode_that_changes_meanwhile_fails_too(tools: Path, tmp_path: Path):
    make_tool(
        tools, "nvpmodel", f"cat {tools}/mode; printf 'NV Power Mode: MODE_10W_2CORE\\n0\\n' > {tools}/mode"
    )
    done = run_worker(tmp_path, {"power_mode": 2})
    assert (
        done.returncode == 2
        and "power mode after build_engine: expected 2, found 0 (MODE_10W_2CORE)" in done.stderr
    )
    assert not (tmp_path / "engine.bin").exists() and not list(tmp_path.glob("*.part"))
