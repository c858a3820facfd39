import csv
import json
import re
from pathlib import Path

import pytest

from superres.device.timing.ratios import Ratio
from superres.report.labels import border_label
from superres.report.tables.cells import (
    METRICS,
    NEEDS_CUDA,
    NO_RATIO,
    NOT_IN_STUDY,
    OURS,
    PAPER,
    TableText,
    format_ratio,
    is_figure,
    read_paper,
)
from superres.report.tables.table import describe_machines, write_table

from ..synthetic import default_rows, not_run, row, write_metrics

TEXT = TableText(notes=["Clip `park` is a turning view."])

# Table 1 of the paper, typed from its page: PSNR, PSNR_Y, FPS of both networks.
PAPER_ROWS = {
    ("PSNR [dB]", "ESPCN_RGB"): "30.0797 30.0817 30.0797 30.0772 27.9382 29.7454",
    ("PSNR [dB]", "ESPCN_YCbCr"): "30.7626 30.7586 30.7626 30.7587 29.9882 30.5667",
    ("PSNR_Y [dB]", "ESPCN_RGB"): "30.6808 30.6829 30.6808 30.6782 28.3645 30.4385",
    ("PSNR_Y [dB]", "ESPCN_YCbCr"): "30.7575 30.7534 30.7575 30.7536 29.9838 30.5617",
    ("FPS [frames/sec]", "ESPCN_RGB"): "10.39 16.01 14.08 28.16 51.95 51.95",
    ("FPS [frames/sec]", "ESPCN_YCbCr"): "10.27 16.97 14.82 28.01 47.37 47.37",
}
PAPER_COLUMNS = (
    "PyTorch FP32",
    "PyTorch FP16",
    "TensorRT FP32",
    "TensorRT FP16",
    "TensorRT INT8 w/o calibration",
    "TensorRT INT8 w/ calibration",
)


def write(metrics: Path, folder: Path, text: TableText = TEXT) -> tuple[list[dict[str, str]], str]:
    manifest = folder / "manifest.json"
    machine = {"module": None, "cpu": "CPU of a test", "usable_cpus": 1, "flags": ["sse2", "avx512_vnni"]}
    manifest.write_text(json.dumps({"latency": {"machine": machine, "threads": 2}}))
    table = {f"{kind}_out": folder / f"table1.{kind}" for kind in ("csv", "md", "tex")}
    write_table(metrics, [manifest] * 2, **table, text=text)
    with (folder / "table1.csv").open(newline="") as file:
        return list(csv.DictReader(file)), (folder / "table1.md").read_text()


def find(rows: list[dict[str, str]], metric: str, model: str, source: str) -> dict[str, str]:
    (found,) = (r for r in rows if (r["metric"], r["model"], r["source"]) == (metric, model, source))
    return found


def test_the_papers_figures_are_the_papers(metrics: Path, tmp_path: Path) -> None:
    rows, _ = write(metrics, tmp_path)
    for (metric, model), figures in PAPER_ROWS.items():
        found = find(rows, metric, model, PAPER)
        assert [found[column] for column in PAPER_COLUMNS] == figures.split()
    assert find(rows, "PSNR [dB]", "Bicubic", PAPER)["OpenCV UINT8"] == "28.9282"
    assert find(rows, "PSNR_Y [dB]", "Bicubic", PAPER)["OpenCV UINT8"] == "29.4030"
    assert find(rows, "FPS [frames/sec]", "Bicubic", PAPER)["OpenCV UINT8"] == "78.51"
    assert len(read_paper("int8-minmax")) == 39


def test_our_figures_and_reasons(metrics: Path, tmp_path: Path) -> None:
    rows, _ = write(metrics, tmp_path)
    ours = find(rows, "PSNR [dB]", "ESPCN_RGB", OURS)
    assert ours["PyTorch FP32"] == "31.0200"
    assert ours["ONNX Runtime INT8 w/ calibration"] == "30.8100"
    assert ours["OpenVINO INT8 w/o calibration"] == "30.4070"
    assert ours["OpenVINO FP16"] == "not run: needs AVX512-FP16"
    assert {ours[column] for column in PAPER_COLUMNS[1:]} == {NEEDS_CUDA}
    assert find(rows, "PSNR [dB]", "ESPCN_YCbCr", OURS)["OpenVINO FP16"] == NOT_IN_STUDY
    assert find(rows, "FPS [frames/sec]", "Bicubic", OURS)["OpenCV UINT8"] == f"{1000 / 1.1:.2f}"
    assert find(rows, "PSNR of the mean error [dB]", "ESPCN_RGB", OURS)["PyTorch FP32"] == "31.0000"
    assert all(value for line in rows for value in line.values())


def test_a_wide_interval_has_both_ends() -> None:
    """A margin of the wider side would reach below zero."""
    assert format_ratio(Ratio(1.87, 0.98, 4.53)) == "1.87 (0.98 to 4.53)"
    assert format_ratio(Ratio(1.87, 1.6, 2.1)) == "1.87 ±0.27"
    assert is_figure("1.87 (0.98 to 4.53)")


def test_numbers_have_their_nouns(tmp_path: Path) -> None:
    one = [{**each, "frames": 1, "iterations": 1, "threads": 1} for each in default_rows()]
    _, text = write(write_metrics(tmp_path / "metrics.csv", one), tmp_path)
    assert "means over 1 frame of each frame's value" in text
    assert "1 timed frame with 1 thread, one arm" in text


def test_speedups_and_shares_of_the_limit(metrics: Path, tmp_path: Path) -> None:
    rows, text = write(metrics, tmp_path)
    over = find(rows, "Times as fast as the reference", "ESPCN_RGB", OURS)
    # 140 / 44.7 ms; its interval goes 2% up and 1% down.
    assert over["OpenVINO INT8 w/ calibration"] == "3.13 ±0.06"
    ours = find(rows, "Times as fast as default PyTorch FP32, same network", "ESPCN_RGB", OURS)
    # 330 / 44.7; errors of both runs, at most 2% and 1%.
    assert ours["OpenVINO INT8 w/ calibration"] == "7.38 ±0.17"
    assert ours["OpenVINO FP16"] == "not run: needs AVX512-FP16"
    paper = find(rows, "Times as fast as default PyTorch FP32, same network", "ESPCN_RGB", PAPER)
    assert paper["TensorRT INT8 w/ calibration"] == "5.00"
    paper = find(rows, "Times as fast as FP32 in the same runtime", "ESPCN_RGB", PAPER)
    assert paper["TensorRT INT8 w/ calibration"] == "3.69"
    bicubic = find(rows, "Times as fast as default PyTorch FP32, same network", "Bicubic", OURS)
    assert bicubic["OpenCV UINT8"] == NO_RATIO
    assert find(rows, "Share of the machine's limit [%]", "ESPCN_RGB", OURS)["PyTorch FP32"] == "40"
    assert "- The reference is OpenVINO FP32 ESPCN_RGB. Each arm took turns with it" in text
    # 27.9e9 multiply-adds in 40% of 140 ms.
    assert "- 10^9 multiply-adds a second of the fastest FP32 product: 498 on `local`." in text


def test_squared_errors_added(metrics: Path, tmp_path: Path) -> None:
    rows, text = write(metrics, tmp_path)
    title = METRICS["added_mse"]
    ours = find(rows, title, "ESPCN_RGB", OURS)
    # 30.387 dB for 30.997 of FP32 in the same runtime: 59.48 - 51.69 levels squared.
    assert ours["OpenVINO INT8 w/o calibration"] == "7.79 (2.8)"
    assert ours["PyTorch FP32"] == "0.00"
    assert ours["OpenVINO FP16"] == "not run: needs AVX512-FP16"
    assert find(rows, title, "Bicubic", OURS)["OpenCV UINT8"] == NO_RATIO
    # The paper's, worked out by hand from its PSNR: eight and four times as much without calibration.
    for model, cells in {
        "ESPCN_RGB": "40.69 (6.4) / 5.11 (2.3)",
        "ESPCN_YCbCr": "10.65 (3.3) / 2.52 (1.6)",
    }.items():
        paper = find(rows, title, model, PAPER)
        assert " / ".join(paper[column] for column in PAPER_COLUMNS[-2:]) == cells
    assert f"### {title}" in text and "PSNR falls by 10 log10(1 + added / m)" in text
    assert any("40.69 (6.4)" in line for line in text.partition("## The paper")[2].splitlines())


def test_cautions_are_said_and_noisy_arms_marked(tmp_path: Path) -> None:
    rows = default_rows()
    rows[5] |= {
        "cautions": "noisy: 0.6 processors were busy with other work; "
        "1 of 3 quantised convolutions run in float"
    }
    rows[4] |= {"cautions": "1 of 3 quantised convolutions run in float"}
    arms = [(line["runtime"], line["precision"], line["model"]) for line in rows[4:6]]
    assert arms == [("onnxruntime", "int8-minmax", "espcn_rgb"), ("openvino", "fp32", "espcn_rgb")]
    table, text = write(write_metrics(tmp_path / "m.csv", rows), tmp_path)
    fps = find(table, "FPS [frames/sec]", "ESPCN_RGB", OURS)
    assert (fps["OpenVINO FP32"], fps["OpenVINO BF16"]) == ("7.14~", "12.66")
    assert "busy while 1 arm ran" in text
    assert (
        "- Caution, 1 of 3 quantised convolutions run in float: ONNX Runtime INT8 minmax ESPCN_RGB, "
        "OpenVINO FP32 ESPCN_RGB." in text
    )


def test_every_row_of_ours_is_followed_by_the_papers(metrics: Path, tmp_path: Path) -> None:
    rows, _ = write(metrics, tmp_path)
    lines = [row for row in rows if row["metric"] in {metric for metric, _ in PAPER_ROWS}]
    assert [line["source"] for line in lines] == [OURS, PAPER] * 9
    assert all(a["model"] == b["model"] for a, b in zip(lines[::2], lines[1::2], strict=True))


def test_further_calibrations_get_columns_at_the_end(tmp_path: Path) -> None:
    rows = [*default_rows(), row("openvino", "espcn_rgb", "int8-entropy", 30.9, 45.0)]
    table, text = write(write_metrics(tmp_path / "m.csv", rows), tmp_path)
    names = [name for name in table[0] if name.startswith("OpenVINO")]
    assert names[-2:] == ["OpenVINO INT8 w/ calibration", "OpenVINO INT8 entropy"]
    assert find(table, "PSNR [dB]", "ESPCN_RGB", OURS)["OpenVINO INT8 entropy"] == "30.9000"
    assert "INT8 entropy |" in text
    chosen = TableText(calibrated="int8-entropy")
    table, _ = write(tmp_path / "m.csv", tmp_path, chosen)
    assert find(table, "PSNR [dB]", "ESPCN_RGB", OURS)["OpenVINO INT8 w/ calibration"] == "30.9000"
    assert find(table, "PSNR [dB]", "ESPCN_RGB", PAPER)["TensorRT INT8 w/ calibration"] == "29.7454"


def test_a_target_that_has_tensorrt_needs_no_cuda_device(tmp_path: Path) -> None:
    rows = [
        row("tensorrt", "espcn_rgb", "fp16", 30.0, 30.0),
        not_run("tensorrt", "espcn_rgb", "fp32", "no memory"),
    ]
    table, _ = write(write_metrics(tmp_path / "m.csv", rows), tmp_path)
    ours = find(table, "FPS [frames/sec]", "ESPCN_RGB", OURS)
    assert ours["TensorRT FP16"] == "33.33"
    assert ours["TensorRT FP32"] == "not run: no memory"
    assert ours["PyTorch FP16"] == NOT_IN_STUDY


def test_markdown_reads_as_plain_text(metrics: Path, tmp_path: Path) -> None:
    _, text = write(metrics, tmp_path)
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert max(map(len, tables)) < 140
    blocks = re.split("^##+ ", text, flags=re.M)[1:]
    for block in blocks[:-2]:
        widths = {len(line) for line in block.splitlines() if line.startswith("|")}
        assert len(widths) == 1
    assert "## Not run\n\n- needs AVX512-FP16: OpenVINO FP16 ESPCN_RGB\n" in text
    assert "| ESPCN_RGB   | PyTorch  | FP32" in text.partition("## The paper")[2]
    assert (
        "on CPU of a test, 1 CPU (avx512_vnni), 2 threads." in text
        and "30 timed frames with 2 threads" in text
    )
    assert text.rstrip().endswith("- Clip `park` is a turning view.")


def test_another_way_to_measure_is_said(tmp_path: Path) -> None:
    rows = [{**line, "luma": "studio-swing", "border": 2} for line in default_rows()]
    _, default = write(write_metrics(tmp_path / "default.csv", default_rows()), tmp_path)
    text = TableText(kernel="matlab")
    _, other = write(write_metrics(tmp_path / "other.csv", rows), tmp_path, text)
    assert "PSNR_Y (Eq. 2) on full-range BT.601 luma. Both are means over" in default
    assert (
        "(Eq. 2) on studio-swing BT.601 luma, as MATLAB's rgb2ycbcr, without 2 pixels at each side. Both are"
        in other
    )
    wider = [{**rows[0], "border": 3, "scale": 3}, *rows]
    assert border_label(wider) == ", without a border of as many pixels as the scale (2 at x2, 3 at x3)"
    assert "INTER_CUBIC (a = -0.75" in default
    assert "MATLAB's imresize (a = -0.5" in other


def rows_of(text: str, title: str) -> list[list[str]]:
    """The cells of the table below a title."""
    (block,) = (part for part in text.split("### ")[1:] if part.startswith(f"{title}\n"))
    lines = [line for line in block.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_several_clips_have_a_row_each_and_speed_once(tmp_path: Path) -> None:
    rows = default_rows()
    street = [{**line, "clip": "street", "psnr_db": line["psnr_db"] + 10} for line in rows]
    table, text = write(write_metrics(tmp_path / "m.csv", [*rows, *street]), tmp_path)
    psnr, fps = rows_of(text, "PSNR [dB]"), rows_of(text, "FPS [frames/sec]")
    assert psnr[0][:4] == ["Model", "Runtime", "Clip", "FP32"]
    assert psnr[2][1:4] == ["PyTorch", "park", "31.0200"] and psnr[3][1:4] == ["PyTorch", "street", "41.0200"]
    # `timed_on` is park for both: speed has one row an arm.
    assert fps[0][:3] == ["Model", "Runtime", "FP32"]
    assert len(psnr) - 2 == 2 * (len(fps) - 2) == 2 * (2 * 3 + 1)
    assert "- Speed on `street` is that on `park`, whose frames have the same size." in text
    assert {line["clip"] for line in table} == {"park", "street"}
    assert {line["clip"] for line in table if line["metric"] == "FPS [frames/sec]"} == {"park"}
    # The paper's figures are there once.
    paper = [line for line in table if line["source"] == PAPER]
    assert len(paper) == len({(line["metric"], line["model"]) for line in paper})


def test_several_clips_of_other_sizes_are_timed_each(tmp_path: Path) -> None:
    rows = default_rows()
    street = [{**line, "clip": "street", "timed_on": "street"} for line in rows]
    table, text = write(write_metrics(tmp_path / "m.csv", [*rows, *street]), tmp_path)
    assert {line["clip"] for line in table if line["metric"] == "FPS [frames/sec]"} == {"park", "street"}
    assert rows_of(text, "FPS [frames/sec]")[0][2] == "Clip"


def test_a_table_has_no_row_that_says_nothing(metrics: Path, tmp_path: Path) -> None:
    """No runtime that the study doesn't name, no row of dashes."""
    _, text = write(metrics, tmp_path)
    ours = text.partition("## The paper")[0]
    assert "TensorRT" not in ours and "needs a CUDA device" not in text
    for line in ours.splitlines():
        if line.startswith("| ") and "---" not in line:
            assert set(line.replace("|", " ").split()[2:]) - {"-", "n/a"}, line
    assert ours.count("\n") <= 12 * len(METRICS)


def test_a_column_or_row_without_a_figure_is_left_out_and_said_below(tmp_path: Path) -> None:
    rows = [*default_rows(), *(not_run("tensorrt", "espcn_rgb", p, "needs a GPU") for p in ("fp32", "fp16"))]
    _, text = write(write_metrics(tmp_path / "metrics.csv", rows), tmp_path)
    ours, _, below = text.partition("## The paper")
    assert "FP16" not in ours and "TensorRT" not in ours and "n/a" not in ours
    assert "## Not run\n\n- needs a GPU: TensorRT FP32 ESPCN_RGB, TensorRT FP16 ESPCN_RGB\n" in below
    for table in re.findall(r"(?:^\|.*\n)+", ours, re.M):
        columns = zip(*(line.strip("|\n").split("|") for line in table.splitlines()[2:]), strict=True)
        assert all({cell.strip() for cell in column} - {"-", ""} for column in columns), table


@pytest.mark.parametrize("names", [["samples"], ["samples.park", "samples.street"]])
def test_a_far_off_picture_is_shown_where_it_is(tmp_path: Path, names: list[str]) -> None:
    rows = default_rows()
    rows[0] |= {"cautions": "far off: 9.00 dB below bicubic, look at the arm's sample before its figures"}
    text = write(write_metrics(tmp_path / "m.csv", rows), tmp_path, TableText(samples=names))[1]
    assert f"look at {' and '.join(f'`plots/{name}.png`' for name in names)} before" in text
    assert "31.0200!" in text


def test_a_busy_machine_is_described_with_what_holds_and_what_to_do(tmp_path: Path) -> None:
    rows = default_rows()
    for line, busy in zip(rows[:2], (0.6, 1.4), strict=True):
        line |= {"cautions": "noisy: so it was", "other_processors": busy}
    rows[1]["latency_p90_ms"] = 2 * rows[1]["latency_p50_ms"]
    text = write(write_metrics(tmp_path / "m.csv", rows), tmp_path)[1]
    assert "busy while 2 arms ran: other work took 0.6 to 1.4 processors meanwhile" in text
    assert "the 90th percentile is 1.05 to 2.00 times the median" in text
    assert (
        "FPS and the share of the limit are lower bounds" in text and "Ratios to the reference hold" in text
    )
    assert "--forcerun measure_roofline measure_latency" in text


def test_exact_frames_are_said(tmp_path: Path) -> None:
    rows = default_rows()
    assert "without any error." in write(write_metrics(tmp_path / "m.csv", rows), tmp_path)[1]
    rows[3] |= {"exact_frames": 7}
    text = write(write_metrics(tmp_path / "m.csv", rows), tmp_path)[1]
    assert "counts at most 60 dB, as in libvmaf" in text and "at most 7 of 24" in text


def test_machines_are_described_once_each(tmp_path: Path) -> None:
    board = {"module": "Jetson Xavier NX", "cpu": "ARMv8", "usable_cpus": 6, "flags": []}
    unknown = {"cpu": "", "architecture": "x86_64", "usable_cpus": 2, "flags": ["amx_int8", "avx512_bf16"]}
    unknown |= {"max_mhz": 2596.1, "caches_kib": {"L1d": 48, "L2": 1024, "L3": 32768}}
    paths = []
    for number, (machine, threads) in enumerate([(board, 6), (unknown, 1), (board, 6)]):
        paths.append(tmp_path / f"{number}.json")
        paths[-1].write_text(json.dumps({"latency": {"machine": machine, "threads": threads}}))
    assert describe_machines(paths) == (
        "Jetson Xavier NX, 6 CPUs (no INT8 or BF16 instructions), 6 threads; "
        "x86_64, 2 CPUs (avx512_bf16, amx_int8), 2.6 GHz, 32 MiB L3, 1 thread"
    )


def test_the_files_are_the_same_at_every_run(metrics: Path, tmp_path: Path) -> None:
    first = write(metrics, tmp_path)
    second = write(metrics, tmp_path)
    assert first == second


def test_int8_with_tensorrts_own_ranges_stands_in_the_papers_columns(tmp_path: Path) -> None:
    own = [
        row("tensorrt", "espcn_rgb", "int8-trt-dummy", 27.9, 20.0),
        row("tensorrt", "espcn_rgb", "int8-trt-entropy", 29.7, 20.0),
    ]
    text = TableText(calibrated="int8-entropy")
    rows, markdown = write(write_metrics(tmp_path / "metrics.csv", own), tmp_path, text)
    ours = find(rows, "PSNR [dB]", "ESPCN_RGB", OURS)
    assert ours["TensorRT INT8 w/o calibration"] == "27.9000"
    assert ours["TensorRT INT8 w/ calibration"] == "29.7000"
    assert (
        "TensorRT's INT8 is `int8-trt-dummy` and `int8-trt-entropy`: it finds the ranges itself" in markdown
    )
    # With TensorRT's Q/DQ graph of the same calibration, each has its own column.
    both = [*own, row("tensorrt", "espcn_rgb", "int8-entropy", 29.6, 20.0)]
    rows, _ = write(write_metrics(tmp_path / "metrics.csv", both), tmp_path, text)
    ours = find(rows, "PSNR [dB]", "ESPCN_RGB", OURS)
    assert ours["TensorRT INT8 w/ calibration"] == "29.6000"
    assert ours["TensorRT INT8 entropy by TensorRT"] == "29.7000"
