"""A Slurm cluster of one node on this machine: real daemons on loopback with their own key and folders."""

import os
import shutil
import socket
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from far_side import free_port, wait_until
from project_copy import ROOT

# The commands of Slurm look here: the plugin takes SLURM_CONF away from its jobs.
CONFIGURATION = Path("/etc/slurm/slurm.conf")
# Snakemake's plugin lies apart: Snakemake imports every plugin that it finds, in each of its processes.
PLUGIN = ROOT / ".venv/cluster"
DAEMONS = ("munged", "slurmctld", "slurmd")
PATH = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/usr/local/sbin"])


def what_lacks() -> str | None:
    """Return why no cluster can be started here; None if one can."""
    if missing := [name for name in DAEMONS if shutil.which(name, path=PATH) is None]:
        return f"no {', '.join(missing)} on this machine: install slurm-wlm and munge"
    if not PLUGIN.is_dir():
        return "no plugin of Snakemake's for Slurm here: make .venv/cluster"
    if os.getuid() != 0:
        return "Slurm's daemons want root here"
    if CONFIGURATION.exists() or CONFIGURATION.is_symlink():
        return f"{CONFIGURATION} is there: this machine belongs to a cluster"
    return None


NEEDS_SLURM = pytest.mark.skipif(what_lacks() is not None, reason=what_lacks() or "")


@dataclass
class OneNode:
    """The daemons, and what they wrote."""

    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        for name in ("state", "spool"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "key").write_bytes(os.urandom(1024))
        (self.folder / "key").chmod(0o600)
        (self.folder / "slurm.conf").write_text(self._configuration(), encoding="utf-8")
        CONFIGURATION.parent.mkdir(parents=True, exist_ok=True)
        CONFIGURATION.symlink_to(self.folder / "slurm.conf")
        files = [f"--{name}-file={self.folder}/munge.{name}" for name in ("pid", "log", "seed")]
        munge = ["munged", "--foreground", "--force", f"--key-file={self.folder}/key"]
        self._start([*munge, f"--socket={self._socket}", *files], "munged")
        wait_until(self._socket.exists, "munged")
        self._start(["slurmctld", "-D", "-i"], "slurmctld")
        self._start(["slurmd", "-D"], "slurmd")
        wait_until(lambda: self.node_state() == "idle", f"an idle node; see {self.folder}")

    def stop(self) -> None:
        """End the daemons, the last one first, with the jobs that they still have."""
        with suppress(subprocess.CalledProcessError):
            self.run("scancel", f"--user={os.getuid()}")
            wait_until(lambda: not self.run("squeue", "--noheader"), "jobs to end")
        for process in reversed(self.processes):
            process.terminate()
            process.wait()
        if CONFIGURATION.is_symlink():
            CONFIGURATION.unlink()

    @staticmethod
    def run(*command: str) -> str:
        """Run a command of Slurm and return what it says."""
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def node_state(self) -> str:
        try:
            return self.run("sinfo", "--noheader", "--format=%T")
        except subprocess.CalledProcessError:
            return "no answer"

    def set_node(self, state: str) -> None:
        """Drain or resume the node."""
        reason = [] if state == "resume" else ["reason=test"]
        self.run("scontrol", "update", f"nodename={self._host}", f"state={state}", *reason)

    def jobs(self) -> list[dict[str, str]]:
        """Return id, state, rule or group, processors, start and end of each job, the oldest first."""
        columns = {"id": "%i", "state": "%T", "rule": "%k", "cpus": "%C", "start": "%S", "end": "%e"}
        text = self.run("squeue", "--noheader", "--states=all", f"--format={'|'.join(columns.values())}")
        rows = [dict(zip(columns, line.split("|"), strict=True)) for line in text.splitlines()]
        return sorted(rows, key=lambda row: int(row["id"]))

    @property
    def _socket(self) -> Path:
        return self.folder / "munge.socket"

    @property
    def _host(self) -> str:
        return socket.gethostname().partition(".")[0]

    def _start(self, command: list[str], name: str) -> None:
        with (self.folder / f"{name}.out").open("wb") as out:
            self.processes.append(
                subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    env={**os.environ, "PATH": PATH},
                    start_new_session=True,
                )
            )

    def _configuration(self) -> str:
        cpus = len(os.sched_getaffinity(0))
        return f"""\
ClusterName=one
SlurmctldHost={self._host}(127.0.0.1)
SlurmctldPort={free_port()}
SlurmdPort={free_port()}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={self._socket}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation={self.folder}/state
SlurmdSpoolDir={self.folder}/spool
SlurmctldPidFile={self.folder}/slurmctld.pid
SlurmdPidFile={self.folder}/slurmd.pid
SlurmctldLogFile={self.folder}/slurmctld.log
SlurmdLogFile={self.folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,batch_sched_delay=0
MinJobAge=7200
KillWait=1
ReturnToService=2
MpiDefault=none
NodeName={self._host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=8000 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES OverSubscribe=NO MaxTime=INFINITE
"""
