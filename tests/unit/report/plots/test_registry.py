"""Every plot is found by its name and called with what it names; a user's matplotlibrc changes none."""

import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest

from superres.device.base.errors import UserError
from superres.report.plots.registry import PLOTS, draw, split_name, write_caption

CHANGED: dict[Any, Any] = {
    "font.size": 17.0,
    "axes.facecolor": "pink",
    "savefig.bbox": "tight",
    "savefig.dpi": 30.0,
    "axes.grid": True,
    "path.simplify": False,
    "svg.fonttype": "none",
}


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_takes_what_it_names(name: str) -> None:
    plot = PLOTS[name]
    function = plot.load()
    assert f"{function.__module__.removeprefix('superres.').replace('.', '/')}.py" == plot.module
    assert set(inspect.signature(function).parameters) == {*plot.inputs, *plot.settings, "svg", "png"}


@pytest.mark.parametrize("name", PLOTS)
def test_a_caption_is_about_its_study_or_its_model(name: str) -> None:
    found = write_caption(f"{name}.mse+bias", study="mine", runtime="openvino")
    assert ("``mine``" in found) != (name == "training")
    assert ("``mse+bias``" in found) == (name in ("frontier", "training", "graph"))
    assert ("``openvino``" in found) == (name == "samples")


def test_a_name_is_split_where_its_plot_ends() -> None:
    names = ["psnr_fps", "graph_psnr_fps", "graphs", "frontier.mse+bias", "samples.own_clip"]
    assert [split_name(name) for name in names] == [
        ("psnr_fps", ""),
        ("graph", "psnr_fps"),
        ("graphs", ""),
        ("frontier", "mse+bias"),
        ("samples", "own_clip"),
    ]


def test_the_registry_imports_nothing_that_draws() -> None:
    code = "import sys, superres.report.plots.registry; print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    heavy = {"matplotlib", "polars", "numpy", "onnx", "torch", "PIL"}
    assert not heavy & set(done.stdout.decode().split())


def test_a_plot_is_drawn_from_names_of_files(metrics: Path, tmp_path: Path) -> None:
    svg, png = tmp_path / "fps.svg", tmp_path / "fps.png"
    draw("fps", {"metrics": str(metrics)}, {"calibrated": "int8-minmax"}, svg, png)
    assert svg.stat().st_size > 1000 and png.stat().st_size > 1000


@pytest.mark.parametrize("name", ["psnr_fps", "int8_loss", "fps"])
def test_settings_of_matplotlib_change_nothing(metrics: Path, tmp_path: Path, name: str) -> None:
    found = {}
    for label, settings in {"default": {}, "changed": CHANGED}.items():
        svg, png = tmp_path / f"{label}.svg", tmp_path / f"{label}.png"
        with mpl.rc_context(settings):
            draw(name, {"metrics": metrics}, {"calibrated": "int8-minmax"}, svg, png)
            # They are the user's again.
            assert mpl.rcParams["font.size"] == settings.get("font.size", 10.0)
        found[label] = (svg.read_bytes(), png.read_bytes())
    assert found["default"] == found["changed"]


@pytest.mark.parametrize(
    ("name", "inputs", "settings", "message"),
    [
        ("psnr", {}, {}, "expected a plot of psnr_fps, .*found psnr"),
        ("fps", {"profile": "p.csv"}, {"calibrated": "x"}, r"the files \['metrics'\], found \['profile'\]"),
        ("fps", {"metrics": "m.csv"}, {}, r"the settings \['calibrated'\], found \[\]"),
    ],
)
def test_what_a_plot_does_not_know(
    tmp_path: Path, name: str, inputs: dict, settings: dict, message: str
) -> None:
    with pytest.raises((ValueError, UserError), match=message):
        draw(name, inputs, settings, tmp_path / "a.svg", tmp_path / "a.png")
