"""The paper's Table 1 with the study's figures beside its own, and its arms as points."""

from collections.abc import Sequence

from superres.csv_rows import Row
from superres.report import labels
from superres.report.page.data import Grid, Point
from superres.report.tables.cells import (
    METRICS,
    Block,
    TableText,
    build_blocks,
    is_figure,
    read_paper,
)

_SHOWN = ("psnr_db", "psnr_y_db", "fps", "speedup_pytorch")


def paper_tables(rows: Sequence[Row], text: TableText) -> list[Grid]:
    """Return a table per metric, clip and target in the paper's layout, without empty rows and columns.

    They have the paper's networks alone; there is none without any of them.
    """
    known = {model for _, model, _, _ in read_paper(text.calibrated)}
    blocks = build_blocks([row for row in rows if row["model"] in known], text)
    several = len(blocks) > 1
    tables = []
    for metric in _SHOWN:
        for block in blocks:
            where = f" ({block.clip} on {block.target}, {labels.scale_label(block.scale)})"
            if grid := _grid(block, metric, text, where * several):
                tables.append(grid)
    return tables


def _grid(block: Block, metric: str, text: TableText, where: str) -> Grid | None:
    sources = (("this study", block.ours), ("paper", block.paper))
    found = {
        (model, source, column): cells[metric, model, *column]
        for source, cells in sources
        for model in block.models
        for column in block.columns
        if is_figure(cells.get((metric, model, *column), ""))
    }
    if not any(source == "this study" for _, source, _ in found):
        return None
    columns = [column for column in block.columns if any(column == key[2] for key in found)]
    rows = [
        [labels.model_label(model), source, *(found.get((model, source, column), "–") for column in columns)]
        for model in block.models
        for source, _ in sources
        if any((model, source) == key[:2] for key in found)
    ]
    names = [f"{labels.runtime_label(runtime)} {text.precision(precision)}" for runtime, precision in columns]
    return Grid(title=METRICS[metric] + where, header=["Model", "Source", *names], rows=rows, names=2)


def paper_points(calibrated: str) -> list[Point]:
    """Return the paper's arms with PSNR and FPS."""
    paper = read_paper(calibrated)
    arms = dict.fromkeys(cell[1:] for cell in paper)
    found = []
    for model, runtime, precision in arms:
        psnr, psnr_y, fps = (
            paper.get((metric, model, runtime, precision)) for metric in ("psnr_db", "psnr_y_db", "fps")
        )
        if psnr and fps:
            words = (
                labels.runtime_label(runtime),
                labels.precision_label(precision),
                labels.model_label(model),
            )
            hover = f"<b>{' '.join(words)}</b><br>the paper: {psnr} dB, {fps} FPS"
            luma = float(psnr_y) if psnr_y else None
            found.append(Point(arm="", hover=hover, psnr_db=float(psnr), psnr_y_db=luma, fps=float(fps)))
    return found
