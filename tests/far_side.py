"""A device on this machine: a real sshd on loopback with its own keys, configuration and work folder."""

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from superres.targets.settings import Device

SSHD = next((path for path in ("/usr/sbin/sshd", shutil.which("sshd")) if path and Path(path).exists()), None)
NEEDS_SSHD = pytest.mark.skipif(SSHD is None, reason="no sshd on this machine: install openssh-server")


# Carries ssh's connection and counts its bytes. A file `cut` next to the counts limits the bytes upwards.
PROXY = """
import os, socket, sys, threading
from pathlib import Path
port, counts = int(sys.argv[1]), Path(sys.argv[2])
cut = counts / "cut"
mine = os.open(counts / str(os.getpid()), os.O_WRONLY | os.O_CREAT)
limit = int(cut.read_text()) if cut.exists() else None
cut.unlink(missing_ok=True)
far = socket.create_connection(("127.0.0.1", port))
total = {"up": 0, "down": 0}

def carry(way, read, write):
    while block := read(65536):
        write(block)
        total[way] += len(block)
        os.pwrite(mine, b"%20d %20d" % (total["up"], total["down"]), 0)
        if limit is not None and total["up"] > limit:
            os._exit(1)
    os._exit(0)

def write_all(block):
    while block:
        block = block[os.write(1, block):]

threading.Thread(target=carry, args=("down", far.recv, write_all), daemon=True).start()
carry("up", lambda size: os.read(0, size), far.sendall)
"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def make_key(path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)


def find_python38() -> str | None:
    """Return a working Python 3.8: from $PYTHON38, pyenv or PATH, which may have a shim only."""
    installed = sorted((Path.home() / ".pyenv/versions").glob("3.8*/bin/python"))
    candidates = [os.environ.get("PYTHON38"), *map(str, installed), shutil.which("python3.8")]
    for candidate in filter(None, candidates):
        answer = subprocess.run([candidate, "--version"], capture_output=True, text=True, check=False)
        if answer.stdout.startswith("Python 3.8"):
            return candidate
    return None


def far_python() -> tuple[str, str]:
    """Return a Python for the other side and its name: 3.8 with numpy and onnxruntime, or this one."""
    given = find_python38()
    if given is not None:
        check = [given, "-c", "import numpy, onnxruntime, sys; print(sys.version.split()[0])"]
        answer = subprocess.run(check, capture_output=True, text=True, check=False)
        if answer.returncode == 0:
            return given, f"Python {answer.stdout.strip()}"
    return (
        sys.executable,
        "the one that runs the tests: no 3.8 with numpy and onnxruntime is here ($PYTHON38 may name one)",
    )


@dataclass
class FarSide:
    """An sshd and its connection settings."""

    folder: Path
    device: Device
    process: subprocess.Popen[bytes] | None = None

    @classmethod
    def make(cls, folder: Path, python: str = sys.executable) -> "FarSide":
        folder.mkdir(parents=True, exist_ok=True)
        port = free_port()
        for name in ("host_key", "user_key"):
            make_key(folder / name)
        shutil.copy(folder / "user_key.pub", folder / "authorized_keys")
        host_key = " ".join((folder / "host_key.pub").read_text().split()[:2])
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key}\n")
        (folder / "sshd_config").write_text(
            f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {folder}/host_key\nPidFile {folder}/sshd.pid\n"
            f"AuthorizedKeysFile {folder}/authorized_keys\nStrictModes no\nUsePAM no\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
            "PermitRootLogin prohibit-password\nMaxStartups 100\nLogLevel ERROR\n"
        )
        (folder / "ssh_config").write_text(
            f"Host far\n  HostName 127.0.0.1\n  Port {port}\n  User {pwd.getpwuid(os.getuid()).pw_name}\n"
            f"  IdentityFile {folder}/user_key\n  IdentitiesOnly yes\n"
            f"  UserKnownHostsFile {folder}/known_hosts\n"
            "  GlobalKnownHostsFile none\n  LogLevel ERROR\n"
        )
        (folder / "counts").mkdir()
        (folder / "proxy.py").write_text(PROXY)
        device = Device(
            name="far",
            ssh="far",
            python=python,
            workdir=str(folder / "work"),
            ssh_config=str(folder / "ssh_config"),
        )
        return cls(folder, device)

    def through_proxy(self, cut: int | None = None) -> Device:
        """Return the device through a proxy that counts bytes and breaks the first connection after `cut`."""
        if cut is not None:
            (self.folder / "counts/cut").write_text(str(cut))
        config = self.folder / "proxy_config"
        command = f"{sys.executable} {self.folder}/proxy.py %p {self.folder}/counts"
        config.write_text((self.folder / "ssh_config").read_text() + f"  ProxyCommand {command}\n")
        return self.device.model_copy(update={"ssh_config": str(config)})

    def connections(self) -> int:
        """Return the number of connections of the proxy since the last call of `carried`."""
        return len(list((self.folder / "counts").glob("[0-9]*")))

    def carried(self) -> tuple[int, int]:
        """Return the bytes through the proxy to the device and back since the last call, with ssh's own."""
        up = down = 0
        for path in (self.folder / "counts").glob("[0-9]*"):
            numbers = [int(number) for number in path.read_text().split()]
            up, down = up + numbers[0], down + numbers[1]
            path.unlink()
        return up, down

    @property
    def work(self) -> Path:
        return Path(self.device.workdir)

    def start(self) -> None:
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        assert SSHD is not None
        self.process = subprocess.Popen(
            [SSHD, "-D", "-e", "-f", str(self.folder / "sshd_config")],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        process = self.process

        def is_up() -> bool:
            assert process.poll() is None, "sshd did not start"
            return (self.folder / "sshd.pid").exists()

        wait_until(is_up, "sshd to start")

    def stop(self) -> None:
        """End the listening process only. Sessions go on, as after a real restart of sshd."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
            (self.folder / "sshd.pid").unlink(missing_ok=True)
            self.process = None

    def stop_sessions(self, number: int = signal.SIGKILL) -> list[int]:
        """Send a signal to the processes of this sshd's connections, and return their ids."""
        assert self.process is not None
        found = descendants(self.process.pid, "sshd")
        for pid in found:
            os.kill(pid, number)
        return found

    def with_device(self, **changes: object) -> Device:
        return self.device.model_copy(update=changes)

    def processes(self) -> list[int]:
        """Return the device's processes: those that name its work folder or run in it."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    line = (entry / "cmdline").read_bytes().decode("utf-8", "replace")
                    inside = str((entry / "cwd").readlink()).startswith(str(self.work))
                    if (str(self.work) in line and "ssh\0" not in line) or inside:
                        found.append(int(entry.name))
                except OSError:
                    continue
        return found

    def jobs(self) -> list[Path]:
        folder = self.work / "jobs"
        return sorted(folder.iterdir()) if folder.is_dir() else []

    def parts(self) -> list[Path]:
        return sorted(self.work.rglob("*.part"))

    def result(self) -> dict:
        (job,) = self.jobs()
        return json.loads((job / "result.json").read_text())


def descendants(pid: int, name: str) -> list[int]:
    children: dict[int, list[tuple[int, str]]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                comm, _, rest = (entry / "stat").read_text().partition(") ")
            except OSError:
                continue
            parent = int(rest.split()[1])
            children.setdefault(parent, []).append((int(entry.name), comm.partition("(")[2]))
    found, waiting = [], [pid]
    while waiting:
        for child, comm in children.get(waiting.pop(), []):
            waiting.append(child)
            if comm.startswith(name):
                found.append(child)
    return found


# The longest wait. A test continues as soon as its condition holds; this ends one that hangs.
PATIENCE_S = 120.0


def wait_until(condition, what: str = "it", patience_s: float = PATIENCE_S) -> None:
    end = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.02)
