"""What a target is and has, in words, and cleaning up on it."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from superres.device.agent.facts import describe_device
from superres.device.base.errors import UserError
from superres.device.machine.jetson import check_state
from superres.targets.remote import errand as remote
from superres.targets.remote.parcel import pack_worker
from superres.targets.settings import Device, Target

_WIDTH = 14


def choose_target(targets: Sequence[Target], name: str | None) -> Target:
    """The target of a name; raises UserError if the study has none of it."""
    found = [target for target in targets if target.name == name]
    if not found:
        known = ", ".join(target.name for target in targets)
        raise UserError(
            f"target: expected --config target=NAME with one of the study's ({known}), found {name or 'none'}"
        )
    return found[0]


def check_device(target: Target, runtimes: Mapping[str, Sequence[str]]) -> None:
    """Print what a target is and has, and for each runtime's precisions whether they will work.

    Raises UserError, once all is printed, if some of them
    won't, or power mode and clocks aren't what the study says.
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
    """Facts of a target, as `describe_device` gives them."""
    if isinstance(target, Device):
        return remote.ask(target, "describe", runtimes={k: list(v) for k, v in runtimes.items()})["facts"]
    with tempfile.TemporaryDirectory(prefix="superres-") as folder:
        worker = Path(folder) / "worker"
        worker.write_bytes(pack_worker().content)
        return describe_device(Path.cwd(), worker, runtimes, lambda seconds: None)


def clean_device(target: Target) -> None:
    """Remove what jobs have put onto a device, and say how much that was; raises UserError for this machine."""
    if not isinstance(target, Device):
        raise UserError(f"target {target.name}: expected a device, found this machine, which keeps nothing")
    removed = remote.ask(target, "clean")
    print(
        f"{target.name}: removed {removed['jobs']} jobs and {removed['bytes'] / 1e6:.1f} MB of files",
        flush=True,
    )


def describe(target: Target, facts: Mapping[str, Any]) -> list[str]:
    """Lines for people."""
    machine, software, disk, state = (facts[key] for key in ("machine", "software", "disk", "state"))
    where = f" ({target.ssh})" if isinstance(target, Device) else ", this machine"
    memory = f"{machine['memory_bytes'] / 2**30:.1f} GiB"
    rows = {
        "module": machine["module"] or "no name in the device tree",
        "processors": f"{machine['cpus']}, {machine['architecture']}, {memory} of memory, Linux {machine['kernel']}",
        "JetPack": software["jetpack"],
        "L4T": software["l4t"],
        "TensorRT": software["tensorrt"],
        "CUDA": software["cuda"],
        "Python": software["python"],
        **{name: software[name] for name in ("numpy", "onnxruntime", "openvino", "torch", "cv2")},
        "disk": f"{disk['free_bytes'] / 1e9:.1f} GB free for {disk['workdir']}, {disk['store_bytes'] / 1e9:.3f} GB in its store",
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
    """What is wrong with power mode and clocks, and the command that mends it; None if nothing is."""
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
