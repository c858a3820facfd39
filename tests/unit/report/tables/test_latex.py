"""The table for papers: its figures, its escapes, and a document with it that LaTeX compiles."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from superres.report.metrics.cautions import PICTURE_MARKS
from superres.report.metrics.schema import read_metrics
from superres.report.plots.registry import draw
from superres.report.tables.cells import TableText
from superres.report.tables.latex import escape, latex_table

from ..synthetic import default_rows, not_run, row, write_metrics

TEXT = TableText()
DOCUMENT = r"""
\documentclass{article}
\usepackage{booktabs,graphicx}
\usepackage[margin=1cm]{geometry}
\pagestyle{empty}
\begin{document}
{\footnotesize\input{table1}}

\includegraphics[width=0.5\textwidth]{fps.pdf}
\end{document}
"""


def table_of(rows: list[dict], folder: Path, machine: str = "") -> str:
    path = folder / "rows.csv"
    return latex_table(read_metrics(write_metrics(path, rows)).to_dicts(), TEXT, machine)


def cells(table: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.removesuffix(r"\\").split("&")]
        for line in table.splitlines()
        if line.endswith(r"\\") and not line.startswith("%")
    ]


def test_a_row_has_the_figures_of_its_arm(tmp_path: Path):
    header, *body = cells(table_of(default_rows(), tmp_path))
    assert header == ["Network", "Runtime", "Precision", "PSNR [dB]", r"PSNR\textsubscript{Y} [dB]", "FPS"]
    found = {tuple(line[1:3]): line for line in body[: len(body) // 2]}
    # 1000 / 44.7 ms.
    assert found["OpenVINO", "INT8 minmax"][3:] == ["30.81", "31.21", "22.4"]
    networks = [line[0] for line in body if line[0]]
    assert networks == ["ESPCN\\_RGB", "ESPCN\\_YCbCr", "Bicubic"]


def test_clips_and_machines_have_columns_of_their_own(tmp_path: Path):
    rows = [
        row("openvino", "espcn_rgb", "fp32", psnr, 100.0, clip=clip, timed_on="park", target=target)
        for target in ("local", "jetson_1")
        for clip, psnr in (("park", 31.0), ("rooms_2", 45.0))
    ]
    table = table_of(rows, tmp_path)
    top, header, *body = cells(table)
    assert top[-3:] == [r"\multicolumn{2}{c}{park}", r"\multicolumn{2}{c}{rooms\_2}", r"\multicolumn{1}{c}{}"]
    assert r"\cmidrule(lr){5-6} \cmidrule(lr){7-8}" in table
    assert header[3] == "Machine" and header.count("FPS") == 1
    assert [line[3:] for line in body] == [
        [machine, "31.00", "31.40", "45.00", "45.40", "10.0"] for machine in (r"jetson\_1", "local")
    ]


def test_what_did_not_run_is_a_comment_with_its_reason(tmp_path: Path):
    rows = [*default_rows(), not_run("tensorrt", "espcn_rgb", "fp16", "needs a CUDA device")]
    lines = table_of(rows, tmp_path).splitlines()
    assert "% not run: needs a CUDA device: TensorRT FP16 ESPCN_RGB" in lines
    assert not any("TensorRT" in line for line in lines if not line.startswith("%"))


def test_a_machine_that_was_busy_is_marked(tmp_path: Path):
    rows = default_rows()
    rows[0] |= {"cautions": "noisy: 0.6 processors were busy with other work"}
    table = table_of(rows, tmp_path)
    assert "3.0$^*$" in table and "% * measured while the machine was busy" in table


def test_a_study_without_a_figure_is_a_table_all_the_same(tmp_path: Path):
    rows = [not_run("tensorrt", "espcn_rgb", "fp16", "needs a CUDA device")]
    assert r"\begin{tabular}" in table_of(rows, tmp_path)


def test_each_mark_of_a_picture_has_its_meaning(tmp_path: Path):
    for kind, mark in PICTURE_MARKS.items():
        rows = [*default_rows(), row("openvino", "espcn_rgb", "int8-a", 20.0, 50.0, cautions=f"{kind}x")]
        table = table_of(rows, tmp_path, "")
        assert f"20.00{escape(mark)}" in table
        (note,) = [line for line in table.splitlines() if line.startswith(f"% {mark} ")]
        assert len(note) > 20


@pytest.mark.parametrize("text", [r"a_b & 50% $x$ #1 {y} \z ~ ^", "plain"])
def test_no_text_is_a_command(text: str):
    assert not re.search(r"(?<!\\)[&%$#_]", escape(text))
    assert escape("plain") == "plain"


def test_a_document_with_the_table_and_a_figure_compiles(metrics: Path, tmp_path: Path):
    latex = shutil.which("pdflatex") or shutil.which("tectonic")
    if latex is None:
        pytest.skip("no LaTeX: pdflatex and booktabs (texlive-latex-recommended), or tectonic")
    strange = row("openvino", "espcn_rgb", "int8-a", 20.0, 50.0, clip="50%_#1{&}~^\\$", cautions="far off: x")
    table = table_of([*default_rows(), strange], tmp_path, "R&D ±1_%")
    (tmp_path / "table1.tex").write_text(table, encoding="utf-8")
    files = {kind: tmp_path / f"fps.{kind}" for kind in ("svg", "png", "pdf")}
    draw("fps", {"metrics": str(metrics)}, {"calibrated": "int8-minmax"}, **files)
    (tmp_path / "paper.tex").write_text(DOCUMENT, encoding="utf-8")
    options = ["-interaction=nonstopmode", "-halt-on-error"] if "pdflatex" in latex else []
    done = subprocess.run(
        [latex, *options, "paper.tex"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "Overfull" not in done.stdout
    assert (tmp_path / "paper.pdf").read_bytes().startswith(b"%PDF")
