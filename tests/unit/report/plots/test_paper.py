"""Figures for papers: PDF with embedded TrueType fonts, the same bytes at every run."""

import re
import zlib
from pathlib import Path

import pytest

from superres.report.plots.registry import draw


def objects(pdf: bytes) -> bytes:
    """Return a PDF with its compressed streams opened."""
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.S)
    opened = []
    for stream in streams:
        try:
            opened.append(zlib.decompress(stream))
        except zlib.error:
            continue
    return pdf + b"".join(opened)


@pytest.mark.parametrize("plot", ["psnr_fps", "int8_loss", "fps"])
def test_fonts_are_embedded_and_no_outlines_of_type_3(metrics: Path, tmp_path: Path, plot: str):
    for name in "ab":
        files = {kind: tmp_path / f"{name}.{kind}" for kind in ("svg", "png", "pdf")}
        draw(plot, {"metrics": str(metrics)}, {"calibrated": "int8-minmax"}, **files)
    pdf = (tmp_path / "a.pdf").read_bytes()
    assert pdf == (tmp_path / "b.pdf").read_bytes()
    found = objects(pdf)
    fonts = re.findall(rb"/BaseFont /([\w+-]+)", found)
    assert fonts and all(b"DejaVu" in font for font in fonts), fonts
    assert b"/FontFile2" in found and b"/Type3" not in found
    # About as many embedded files as fonts: none is only named.
    assert found.count(b"/FontFile2") == len(re.findall(rb"/Type /FontDescriptor", found))
    assert b"/CreationDate" not in found


def test_a_plot_is_drawn_without_one_where_none_is_wanted(metrics: Path, tmp_path: Path):
    files = {kind: tmp_path / f"a.{kind}" for kind in ("svg", "png")}
    draw("fps", {"metrics": str(metrics)}, {"calibrated": "int8-minmax"}, **files)
    assert {path.name for path in tmp_path.glob("a.*")} == {"a.svg", "a.png"}
