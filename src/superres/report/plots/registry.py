"""The plots of a study by name. Light at import, for dry runs: only `draw` imports matplotlib."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from superres.device.base.errors import UserError

Files = str | Path | Sequence[str | Path]
"""One file, or several for a plot of several."""


@dataclass(frozen=True)
class Plot:
    """A plot's function, its inputs, and its caption in the report.

    `function` is "module:name" in this folder. Its parameters are the files `inputs`, the study's `settings`,
    and the outputs `svg` and `png`. `caption` is reStructuredText, filled in by
    `write_caption`.
    """

    function: str
    caption: str
    inputs: tuple[str, ...]
    settings: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """Its module, as a path in the package."""
        return f"report/plots/{self.function.partition(':')[0]}.py"

    def load(self) -> Callable[..., None]:
        """Import its function."""
        module, _, name = self.function.partition(":")
        return getattr(import_module(f"superres.report.plots.{module}"), name)


PLOTS: dict[str, Plot] = {
    "psnr_fps": Plot(
        "arms:plot_psnr_fps",
        "PSNR (mean over frames, Eq. 1) against frames per second of every arm of study {study}. FPS is "
        "1000 / median milliseconds from uint8 frame in memory to uint8 frame in memory, on a logarithmic"
        " axis. Shapes are runtimes, greys are precisions. The line joins the arms of any network that no "
        "other beats in both. Bicubic is in each panel's title.",
        ("metrics",),
        ("calibrated",),
    ),
    "int8_loss": Plot(
        "losses:plot_int8_loss",
        "PSNR and PSNR_Y that INT8 loses in study {study}, and the squared error that it adds: against FP32 "
        "of the same model in the same runtime. ``INT8 dummy`` has ranges of one random image: the paper's "
        '"w/o calibration".',
        ("metrics",),
        ("calibrated",),
    ),
    "fps": Plot(
        "arms:plot_fps",
        "Frames per second of every arm of study {study}: 1000 / median milliseconds from uint8 frame in "
        "memory to the larger uint8 frame in memory, one arm at a time. Bicubic, far faster, is "
        "in the note.",
        ("metrics",),
        ("calibrated",),
    ),
    "images": Plot(
        "curves:plot_images",
        "Squared error that INT8 adds to FP32's in study {study}, and the PSNR lost, over the number of "
        "calibration images. A line per method, a panel per model and runtime.",
        ("evaluation",),
        ("series",),
    ),
    "operations": Plot(
        "layers:plot_operations",
        "Number and time of the operations of every network in study {study}, a panel per runtime and "
        "precision. The paper's Figures 3 to 6 show ESPCN_RGB, ESPCN_YCbCr and the colour conversion.",
        ("profile",),
    ),
    "sensitivity": Plot(
        "layers:plot_sensitivity",
        "Squared error that each part of each layer adds in study {study}, and the PSNR lost, measured on "
        "executed graphs: added if only this part is quantised, won back if only it stays in float. "
        "``weights`` have a scale per output channel; ``activations`` are the layer's input.",
        ("sensitivities",),
    ),
    "frontier": Plot(
        "layers:plot_frontier",
        "Layers in float after the recipe {of} in study {study}: squared error added on the calibration's "
        "photographs, and PSNR lost, against the time per frame, relative to all INT8. The line joins "
        "subsets that no other beats in both.",
        ("frontiers",),
        ("budget",),
    ),
    "samples": Plot(
        "samples:plot_samples",
        "The most detailed region of a frame of study {study}: the original (HR), bicubic, and each "
        "precision in the runtime {runtime}, upscaled from LR. PSNR is that of the whole frame.",
        ("hr", "clip", "samples"),
        ("arms", "frame", "quality"),
    ),
    "training": Plot(
        "curves:plot_training",
        "Training of {of} over its steps: the loss, and PSNR_Y on validation images that it never trains on.",
        ("curve",),
    ),
    "graph": Plot(
        "graphs:plot_graphs",
        "The network {of} of study {study}, operator by operator, as its ONNX file has it, with shapes. "
        "Constants are words of the operator that reads them, Q/DQ pairs marks on an arrow. "
        "Repeated blocks of a large network are drawn once.",
        ("graphs",),
        ("drawn",),
    ),
    "graphs": Plot(
        "graphs:plot_graphs",
        "The networks of study {study} side by side, operator by operator, in FP32. The paper's Figures 1 "
        "and 2 show ESPCN_RGB and ESPCN_YCbCr.",
        ("graphs",),
        ("drawn",),
    ),
}
"""Every plot by its name, the first part of its files' names."""


def split_name(name: str) -> tuple[str, str]:
    """Return the plot in `PLOTS` of a plot's files, and what it is of: `graph_mine` gives `graph`, `mine`.

    A dot or an underscore joins them. Raises UserError if the plot is unknown.
    """
    for kind in PLOTS:
        if name == kind or name.startswith((f"{kind}.", f"{kind}_")):
            return kind, name[len(kind) + 1 :]
    raise UserError(f"expected a plot of {', '.join(PLOTS)}, found {name}")


def find_plot(name: str) -> Plot:
    """Return a plot by its name or that of its files; raises UserError if it is unknown."""
    return PLOTS[split_name(name)[0]]


def write_caption(name: str, *, study: str, runtime: str) -> str:
    """Return the caption of a plot, as reStructuredText.

    `{study}` is the study's name, `{runtime}` the runtime of samples, `{of}` what the plot is of.
    """
    named = {"study": study, "runtime": runtime, "of": split_name(name)[1]}
    return find_plot(name).caption.format(**{key: f"``{value}``" for key, value in named.items()})


def draw(
    name: str,
    inputs: Mapping[str, Files],
    settings: Mapping[str, Any],
    svg: Path,
    png: Path,
    *,
    pdf: Path | None = None,
) -> None:
    """Draw a plot of `PLOTS` as SVG and PNG, and as PDF for papers, from its inputs and settings by name.

    Raises ValueError for unknown or missing files or settings; UserError for an unknown plot, and as the
    plot does.
    """
    plot = find_plot(name)
    for what, expected, found in (("files", plot.inputs, inputs), ("settings", plot.settings, settings)):
        if set(expected) != set(found):
            raise ValueError(f"plot {name}: expected the {what} {sorted(expected)}, found {sorted(found)}")
    from superres.report.plots.figures import also_as

    with also_as(pdf):
        plot.load()(**{key: _paths(files) for key, files in inputs.items()}, **settings, svg=svg, png=png)


def _paths(files: Files) -> Path | list[Path]:
    return Path(files) if isinstance(files, (str, Path)) else [Path(file) for file in files]
