"""A copy of the project in a folder of its own, and Snakemake in it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PARTS = ("Snakefile", "config.yaml", "rules", "studies", "profiles", "workflow", "envs", "src")


@dataclass(frozen=True)
class Project:
    """A copy of the project."""

    folder: Path

    def snakemake(
        self, *arguments: str, environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run Snakemake to its end; its output is in stdout, with stderr in it."""
        return subprocess.run(
            self.command(arguments),
            cwd=self.folder,
            env={**os.environ, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def start(self, *arguments: str, said_to: Path = Path(os.devnull)) -> subprocess.Popen[bytes]:
        """Start Snakemake in a process group of its own; its output goes to a file."""
        with said_to.open("wb") as said:
            return subprocess.Popen(
                self.command(arguments), cwd=self.folder, stdout=said, stderr=said, start_new_session=True
            )

    @staticmethod
    def command(arguments: Sequence[str]) -> list[str]:
        return [sys.executable, "-m", "snakemake", *arguments]

    def write_study(self, name: str, text: str) -> str:
        """Write a study and return its path, for --configfile."""
        path = self.folder / f"studies/{name}.yaml"
        path.write_text(text, encoding="utf-8")
        return f"studies/{name}.yaml"


def copy_project(folder: Path) -> Project:
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("*.egg-info"))
        else:
            shutil.copy2(source, folder / part)
    return Project(folder)


def read_jobs(output: str) -> dict[str, int]:
    """Job counts by rule from a dry run's output; empty if there is nothing to be done."""
    _, _, stats = output.partition("Job stats:\n")
    rows = stats.split("\n\n")[0].splitlines()[2:]
    return {name: int(count) for name, count in (row.split() for row in rows)}
