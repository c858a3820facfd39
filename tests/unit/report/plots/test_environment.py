"""A figure depends on nothing of the user's: backend, settings, home."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from project_copy import ROOT

SCRIPT = """
from pathlib import Path
from superres.report.plots.arms import figures
with figures.style():
    figure = figures.new_figure(4, 3)
    axes = figure.add_subplot()
    axes.plot([1, 1000], [-2.5, 3])
    axes.set_xlabel("x_1 $y^2$")
    figures.save(figure, Path("a.svg"), Path("a.png"))
"""
RC = (
    "text.usetex: True\nfont.size: 40\nbackend: TkAgg\nsavefig.bbox: tight\naxes.formatter.use_locale: True\n"
)
HOSTILE = {
    "a notebook": ({"MPLBACKEND": "module://matplotlib_inline.backend_inline"}, None),
    "no backend": ({"MPLBACKEND": "nonsense"}, None),
    "settings by name": ({"MATPLOTLIBRC": "{folder}/mine"}, "mine"),
    "settings here": ({}, "matplotlibrc"),
    "broken settings": ({"MATPLOTLIBRC": "{folder}/broken"}, None),
    "settings at home": ({"MPLCONFIGDIR": "{folder}/home"}, "home/matplotlibrc"),
    "German numbers": ({"LC_ALL": "de_DE.UTF-8"}, None),
    "no home": ({"HOME": "/proc/none"}, None),
}


def draw(folder: Path, environment: dict[str, str]) -> tuple[bytes, bytes]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return (folder / "a.svg").read_bytes(), (folder / "a.png").read_bytes()


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    return draw(tmp_path_factory.mktemp("usual"), {})


@pytest.mark.parametrize("name", HOSTILE)
def test_a_figure_has_the_same_bytes(name: str, usual: tuple[bytes, bytes], tmp_path: Path):
    environment, settings = HOSTILE[name]
    (tmp_path / "broken").write_bytes(b"\xff\xfe")
    (tmp_path / "home").mkdir()
    if settings is not None:
        (tmp_path / settings).write_text(RC)
    filled = {key: value.format(folder=tmp_path) for key, value in environment.items()}
    assert draw(tmp_path, filled) == usual


def test_docs_take_the_users_backend_away_too():
    done = subprocess.run(
        [sys.executable, "-c", "import copy_study"],
        cwd=ROOT / "docs/make",
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "MPLBACKEND": "nonsense"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
