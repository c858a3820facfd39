import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from superres.device.base.errors import UserError
from superres.report.manifest import ArmOnClip
from superres.report.metrics.profiles import (
    ProfileFiles,
    collect_profiles,
    group_of,
    read_networks,
    read_profile,
)
from superres.report.plots import figures
from superres.report.plots.layers import plot_operations
from superres.report.tables.operations_table import write_operations

from ..synthetic import write_network

HEADER = ("run", "layer", "kind", "type", "shape", "macs", "nodes", "ms")
PIXELS = 1000
ROWS = [
    ("inner_nchwc", "QLinearConv", "uint8", "1x3x20x50", "", "inner"),
    ("up", "Resize", "float", "1x2x20x50", "0", ""),
    ("upscaled", "Conv", "float", "1x5x20x50", "", "upscaled"),
    ("r", "Relu", "float", "1x5x20x50", "0", ""),
    ("t", "Transpose", "float", "1x3x40x100", "0", ""),
]
# Three runs; medians are 2, 4, 1, 0.5 and 2.5: 10 ms.
TIMES = [(2.0, 4.0, 1.0, 0.5, 2.5), (9.0, 3.0, 0.9, 0.4, 2.0), (1.0, 5.0, 9.0, 0.6, 3.0)]


def write_profile(folder: Path, model: str = "espcn_rgb", status: str = "ok") -> ProfileFiles:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "profile.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for run, times in enumerate(TIMES if status == "ok" else []):
            writer.writerows((run, *row, ms) for row, ms in zip(ROWS, times, strict=True))
    (folder / "profile.json").write_text(
        json.dumps({"status": status, "pixels": PIXELS, "settings": {"options": {"scale": 2}}})
    )
    write_network(folder / "n.onnx")
    arm = ArmOnClip("local", "onnxruntime", model, "int8-minmax", "park")
    return ProfileFiles(arm, folder / "profile.csv", folder / "profile.json", folder / "n.onnx")


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    files = [write_profile(tmp_path / name, name) for name in ("espcn_rgb", "espcn_ycbcr")]
    files.append(write_profile(tmp_path / "none", "espcn_anchor", "not run: needs a CUDA device"))
    collect_profiles(files, tmp_path / "profile.csv")
    return tmp_path / "profile.csv"


def test_a_row_is_a_median_with_what_it_multiplies(profile: Path) -> None:
    rows = [row for row in read_profile(profile).to_dicts() if row["model"] == "espcn_rgb"]
    assert [row["ms"] for row in rows] == [2.0, 4.0, 1.0, 0.5, 2.5]
    assert [row["share"] for row in rows] == [0.2, 0.4, 0.1, 0.05, 0.25]
    # By the names of the ONNX file's tensors: 5 x 3 weights of 3 x 3, and 5.
    assert [row["macs"] for row in rows] == [135 * PIXELS, None, 5 * PIXELS, None, None]
    assert rows[0]["gops"] == pytest.approx(2 * 135_000 / 2e-3 / 1e9)
    assert [row["group"] for row in rows] == [
        "convolution",
        "interpolation",
        "convolution",
        "pointwise",
        "moving data",
    ]
    assert {row["model"] for row in read_profile(profile).to_dicts()} == {"espcn_rgb", "espcn_ycbcr"}


@pytest.mark.parametrize(
    ("kind", "group"),
    [
        ("FusedConv", "convolution"),
        ("_convolution", "convolution"),
        ("Convert", "pointwise"),
        ("DequantizeLinear", "pointwise"),
        ("upsample_bicubic2d", "interpolation"),
        ("ReorderOutput", "moving data"),
        ("DepthToSpace", "moving data"),
        ("pixel_shuffle", "moving data"),
        ("clamp", "pointwise"),
    ],
)
def test_what_operations_do_in_words_of_all_runtimes(kind: str, group: str) -> None:
    assert group_of(kind) == group


def test_a_network_is_the_sum_of_its_operations(profile: Path, tmp_path: Path) -> None:
    first, second = read_networks(profile)
    assert (first.model, second.model) == ("espcn_rgb", "espcn_ycbcr")
    assert (first.operations, first.total_ms, first.int8) == (5, 10.0, 1)
    assert first.ms["convolution"] == 3.0
    assert first.conv_gops == pytest.approx(2 * 140_000 / 3e-3 / 1e9)
    write_operations(profile, tmp_path / "o.md")
    line, in_float = [text for text in (tmp_path / "o.md").read_text().splitlines() if "ESPCN_RGB" in text]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert [cell.strip() for cell in in_float.strip("|").split("|")][3:] == ["`upscaled`", "3.6%", "10.0%"]
    assert cells[3:] == ["5", "3.00", "4.00", "2.50", "0.50", "10.00", "0", "1 of 2"]


def test_the_plot_names_numbers_and_times(
    profile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, figure_texts: Callable
) -> None:
    found: list[str] = []
    monkeypatch.setattr(figures, "save", lambda figure, *_: found.extend(figure_texts(figure)))
    plot_operations(profile, tmp_path / "a.svg", tmp_path / "a.png")
    assert found.count("5 operations, 10.0 ms") == 2
    assert "ONNX Runtime INT8 minmax" in found


def test_nothing_to_plot_is_an_error(tmp_path: Path) -> None:
    collect_profiles([write_profile(tmp_path, status="not run: why")], tmp_path / "p.csv")
    with pytest.raises(UserError, match="found none; see the arms' status"):
        plot_operations(tmp_path / "p.csv", tmp_path / "a.svg", tmp_path / "a.png")


def test_a_damaged_profile_is_an_error(tmp_path: Path) -> None:
    files = write_profile(tmp_path)
    files.profile.write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="line 1: expected figures, missing columns: "):
        collect_profiles([files], tmp_path / "p.csv")
