"""Check a target for people: describe it, test its runtimes, and clean it."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from superres.device.agent.facts import describe_device
from superres.device.base.errors import UserError
from superres.device.base.words import counted
from superres.device.machine.jetson import check_state
from superres.targets.remote import errand as remote
from superres.targets.remote.parcel import pack_worker
from superres.targets.settings import Device, Target

_WIDTH = 14


def choose_target(targets: Sequence[Target], name: str | None) -> Target:
    """Return the target of a name. Raises UserError for an unknown name."""
    found = [target for target in targets if target.name == name]
    if not found:
        known = ", ".join(target.name for target in targets)
        raise UserError(
            f"target: expected --config target=NAME with one of the study's ({known}), found {name or 'none'}"
        )
    return found[0]


def check_device(target: Target, runtimes: Mapping[str, Sequence[str]]) -> None:
    """Print facts of a target, and whether each runtime's precisions will work.

    Raises UserError, after printing, if one won't, or if power mode or clocks differ from the study's.
    """
    facts = read_facts(target, runtimes)
    print("\n".join(describe(target, facts)), flush=True)
    failing = [
        f"{name} {precision}"
        for name, answers in facts["runtimes"].items()
        for precision, answer in answers.items()
        if answer != "yes"
    ]
    wrong = state_error(target, facts)
    problems = [*([f"{', '.join(failing)} won't work"] if failing else []), *([wrong] if wrong else [])]
    if problems:
        raise UserError(f"target {target.name}: {'; '.join(problems)}")


def read_facts(target: Target, runtimes: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return the facts of a target, as `describe_device` does."""
    if isinstance(target, Device):
        return remote.ask(target, "describe", runtimes={k: list(v) for k, v in runtimes.items()})["facts"]
    with tempfile.TemporaryDirectory(prefix="superres-") as folder:
        worker = Path(folder) / "worker"
        worker.write_bytes(pack_worker().content)
        return describe_device(Path.cwd(), worker, runtimes, lambda seconds: None)


def clean_device(target: Target) -> None:
    """Remove all files of jobs from a device and print how much. Raises UserError for this machine."""
    if not isinstance(target, Device):
        raise UserError(f"target {target.name}: expected a device, found this machine, which keeps nothing")
    removed = remote.ask(target, "clean")
    print(
        f"{target.name}: removed {counted(removed['jobs'], 'job')} and "
        f"{removed['bytes'] / 1e6:.1f} MB of files",
        flush=True,
    )


def describe(target: Target, facts: Mapping[str, Any]) -> list[str]:
    """Return the facts of a target as lines for people."""
    machine, software, disk, state = (facts[key] for key in ("machine", "software", "disk", "state"))
    where = f" ({target.ssh})" if isinstance(target, Device) else ", this machine"
    memory = f"{machine['memory_bytes'] / 2**30:.1f} GiB"
    rows = {
        "module": machine["module"] or "no name in the device tree",
        "processors": f"{machine['cpus']}, {machine['architecture']}, {memory} of memory, "
        f"Linux {machine['kernel']}",
        "JetPack": software["jetpack"],
        "L4T": software["l4t"],
        "TensorRT": software["tensorrt"],
        "CUDA": software["cuda"],
        "Python": software["python"],
        **{name: software[name] for name in ("numpy", "onnxruntime", "openvino", "torch", "cv2")},
        "disk": f"{disk['free_bytes'] / 1e9:.1f} GB free for {disk['workdir']}, "
        f"{disk['store_bytes'] / 1e9:.3f} GB in its store",
        "power mode": f"{state['power_mode']} ({state['power_mode_name']})"
        if "power_mode" in state
        else None,
        "clocks": _clocks(state),
        "temperature": _highest(state.get("temperatures_c", {})),
        "throttled": ", ".join(f"{k} {v} times" for k, v in state.get("throttled", {}).items()) or None,
    }
    lines = [f"{target.name}{where}"]
    lines += [f"  {name:<{_WIDTH}}{value if value is not None else '-'}" for name, value in rows.items()]
    for runtime, answers in facts["runtimes"].items():
        lines += [f"  {runtime}"]
        lines += [f"    {precision:<{_WIDTH + 10}}{answer}" for precision, answer in answers.items()]
    return lines


def state_error(target: Target, facts: Mapping[str, Any]) -> str | None:
    """Return what is wrong with power mode or clocks and the command to fix it; None if all is right."""
    if not isinstance(target, Device):
        return None
    try:
        check_state(facts["state"], target.conditions, "now")
    except UserError as error:
        return str(error)
    return None


def _clocks(state: Mapping[str, Any]) -> str | None:
    if "clocks" not in state:
        return None
    clocks = state["clocks"]
    gpu = f", GPU at {clocks['GPU']['current'] / 1e6:.0f} MHz" if "GPU" in clocks else ""
    return ("locked" if state["clocks_locked"] else "free") + gpu


def _highest(temperatures: Mapping[str, float]) -> str | None:
    if not temperatures:
        return None
    name, value = max(temperatures.items(), key=lambda item: item[1])
    return f"{value:.1f} degrees Celsius ({name})"
