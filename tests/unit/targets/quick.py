"""A job without a runtime that takes no time and does what a test asks for.

It is a real job that builds the engine of a runtime that doesn't exist. Tests replace the worker's one task.
"""

import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from far_side import PATIENCE_S, FarSide
from superres.device.job import Job
from superres.targets.remote import errand as remote
from superres.targets.remote.parcel import Worker, pack_worker
from superres.targets.remote.ssh import Patience
from superres.targets.settings import Device

# A worker whose one task copies its model, and does on the way what a test asks for.
WORK = """
import json, os, signal, sys, threading, time
from pathlib import Path
from superres.device.base.outputs import Outputs

def main(arguments):
    job = json.loads(Path("job.json").read_text())
    settings = job["settings"]["options"]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    def watch():
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
    threading.Thread(target=watch, daemon=True).start()
    with Outputs(job["outputs"]) as outputs:
        print("begun", file=sys.stderr, flush=True)
        while "gate" in settings and not Path(settings["gate"]).exists():
            time.sleep(0.02)
        if "exit" in settings:
            sys.exit(settings["exit"])
        if "error" in settings:
            sys.stderr.write("error: " + job["inputs"]["model"] + ": " + settings["error"] + chr(10))
            sys.exit(2)
        model = Path(job["inputs"]["model"]).read_bytes()
        outputs["engine"].write_bytes(model[::-1] * settings.get("times", 1))
        outputs["record"].write_text(json.dumps({"pid": os.getpid()}))
    print("done", file=sys.stderr, flush=True)
    return 0
"""

# Little patience where a device never answers, much with one that is slow.
QUICK = Patience(silence_s=60.0, first_s=2.0, reconnect_s=PATIENCE_S, pauses=(0.2,), most_tries=600)
SECONDS = PATIENCE_S


def repack(name: str, change: Callable[[str], str]) -> Worker:
    """The worker with one module changed."""
    with zipfile.ZipFile(io.BytesIO(pack_worker().content)) as archive:
        files = {entry: archive.read(entry) for entry in archive.namelist()}
    files[name] = change(files[name].decode()).encode()
    changed = io.BytesIO()
    with zipfile.ZipFile(changed, "w") as archive:
        for entry, text in files.items():
            archive.writestr(entry, text)
    return Worker(changed.getvalue(), hashlib.sha256(changed.getvalue()).hexdigest())


def make_job(folder: Path, size: int = 1000, **options: object) -> Job:
    model = folder / "model.onnx"
    if not model.exists():
        model.write_bytes(os.urandom(size))
    outputs = {"engine": str(folder / "engine.bin"), "record": str(folder / "engine.json")}
    settings = {"options": options}
    return Job(
        "build_engine", "probe", "fp32", 1, {"model": str(model)}, outputs, settings, "far/probe/m/fp32"
    )


def run(job: Job, far: FarSide, device: Device | None = None) -> str:
    lines: list[str] = []
    remote.run_on_device(job, device or far.device, lines.append, QUICK)
    return "".join(lines)


def start(
    job: Job, device: Device, lines: Path, silence_s: float = QUICK.silence_s
) -> subprocess.Popen[bytes]:
    """The same call in a process that can be killed; what it says goes to `lines`."""
    script = (
        "import json, sys\n"
        "from superres.device.job import Job\n"
        "from superres.targets.remote import errand as remote\n"
        "from superres.targets.remote.parcel import Worker\n"
        "from superres.targets.settings import Device\n"
        "from superres.targets.remote.ssh import Patience\n"
        "job, device, worker, patience = sys.argv[1:]\n"
        "content = open(worker, 'rb').read()\n"
        "import hashlib\n"
        "remote.pack_worker = lambda: Worker(content, hashlib.sha256(content).hexdigest())\n"
        "device = Device.model_validate_json(device)\n"
        "remote.run_on_device(Job.from_json(job), device, patience=Patience(**json.loads(patience)))\n"
    )
    archive = lines.with_suffix(".worker")
    archive.write_bytes(remote.pack_worker().content)
    settings = device.model_dump_json()
    patience = json.dumps(asdict(replace(QUICK, silence_s=silence_s)))
    return subprocess.Popen(
        [sys.executable, "-c", script, job.to_json(), settings, str(archive), patience],
        stderr=lines.open("wb"),
    )


def check_outputs(job: Job) -> int:
    """Whether both outputs are there and right; returns the id of the process that made them."""
    model = Path(job.inputs["model"]).read_bytes()
    times = job.settings["options"].get("times", 1)
    assert Path(job.outputs["engine"]).read_bytes() == model[::-1] * times
    return json.loads(Path(job.outputs["record"]).read_text())["pid"]


def has_begun(far: FarSide) -> bool:
    return any("begun" in (job / "log").read_text() for job in far.jobs() if (job / "log").exists())


def workers(far: FarSide) -> list[int]:
    return [p for p in far.processes() if b"\0work\0" in Path(f"/proc/{p}/cmdline").read_bytes()]


def agents(far: FarSide) -> list[int]:
    return [p for p in far.processes() if b"\0agent\0" in Path(f"/proc/{p}/cmdline").read_bytes()]


def said(lines: Path, text: str, times: int = 1) -> bool:
    return lines.read_text().count(text) >= times
