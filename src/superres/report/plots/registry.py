"""The plots of a study by name. Light: a dry run reads it, and only `draw` imports what draws."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

Files = str | Path | Sequence[str | Path]
"""One file, or several where a plot shows several."""


@dataclass(frozen=True)
class Plot:
    """What a plot is drawn from, and by what.

    `inputs` are names of files and `settings` names of what a study says. Both are parameters of `function`
    ("module:name", a module beside this one), next to `svg` and `png`, the files that every plot writes.
    """

    function: str
    inputs: tuple[str, ...]
    settings: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """The module that draws it, as a path in the package."""
        return f"report/plots/{self.function.partition(':')[0]}.py"

    def load(self) -> Callable[..., None]:
        """Import the function that draws it."""
        module, _, name = self.function.partition(":")
        return getattr(import_module(f"superres.report.plots.{module}"), name)


PLOTS: dict[str, Plot] = {
    "psnr_fps": Plot("arms:plot_psnr_fps", ("metrics",), ("calibrated",)),
    "int8_loss": Plot("arms:plot_int8_loss", ("metrics",), ("calibrated",)),
    "fps": Plot("arms:plot_fps", ("metrics",), ("calibrated",)),
    "images": Plot("curves:plot_images", ("evaluation",), ("series",)),
    "operations": Plot("layers:plot_operations", ("profile",)),
    "sensitivity": Plot("layers:plot_sensitivity", ("tables",)),
    "frontier": Plot("layers:plot_frontier", ("tables",), ("budget_db",)),
    "samples": Plot("samples:plot_samples", ("hr", "clip", "samples"), ("arms", "frame", "quality")),
    "training": Plot("curves:plot_training", ("curve",)),
}
"""Every plot by its name, with which the names of its files begin."""


def draw(name: str, inputs: Mapping[str, Files], settings: Mapping[str, Any], svg: Path, png: Path) -> None:
    """Draw a plot of `PLOTS` as SVG and PNG, from the files and settings that it names.

    Raises ValueError for a plot, a file or a setting that isn't known, or that is missing; UserError as the
    plot does.
    """
    kind = name.partition(".")[0]
    if kind not in PLOTS:
        raise ValueError(f"expected a plot of {', '.join(PLOTS)}, found {name}")
    plot = PLOTS[kind]
    for what, expected, found in (("files", plot.inputs, inputs), ("settings", plot.settings, settings)):
        if set(expected) != set(found):
            raise ValueError(f"plot {name}: expected the {what} {sorted(expected)}, found {sorted(found)}")
    plot.load()(**{key: _paths(files) for key, files in inputs.items()}, **settings, svg=svg, png=png)


def _paths(files: Files) -> Path | list[Path]:
    return Path(files) if isinstance(files, (str, Path)) else [Path(file) for file in files]
