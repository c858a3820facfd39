"""The figures of layers: their numbers, their words, and files that are the same at every run."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from PIL import Image

from superres.csv_rows import write_rows
from superres.quantization.layers.schema import Frontier, Sensitivity
from superres.quantization.layers.sensitivity import sensitivity_variants
from superres.report.plots import figures
from superres.report.plots.layers import plot_frontier, plot_sensitivity, sensitivity_bars

FACTS = {
    "recipe": "mse",
    "runtime": "openvino",
    "threads": 1,
    "runtime_version": "1",
    "onnx_sha256": "ab" * 32,
    "ranges_sha256": "cd" * 32,
}
COSTS = {
    ("conv1", "weights"): 0.023,
    ("conv1", "activations"): 0.039,
    ("conv2", "weights"): 0.034,
    ("conv2", "activations"): 0.011,
}


def sensitivity_rows(model: str, clip: str = "park", share: float = 1.0) -> list[dict[str, Any]]:
    """Rows in which losses add up, but for one part that wins back more than it loses alone."""
    rows = []
    for variant in sensitivity_variants({"conv1": "conv1", "conv2": "conv2"}):
        loss = share * sum(COSTS[layer, part] for layer, parts in variant.parts.items() for part in parts)
        if (variant.layer, variant.part, variant.quantized) == ("conv2", "weights", "all_but"):
            loss -= share * 0.01
        row = {"model": model, "clip": clip, "frames": 24, "border": 0, "int8_convolutions": 0, **FACTS}
        row |= {"layer": variant.layer, "part": variant.part, "quantized": variant.quantized}
        rows.append(
            row | {"psnr_db": 31.0 - loss, "fp32_psnr_db": 31.0, "loss_db": loss, "added_mse": 50 * loss}
        )
    return rows


def frontier_rows(model: str) -> list[dict[str, Any]]:
    figures_of = {
        "none": (0.12, 1.0),
        "conv1": (0.06, 1.3),
        "conv2": (0.08, 2.4),
        "conv1 conv2": (0.0, 2.6),
    }
    return [
        {
            "model": model,
            "float_layers": name,
            "layers": 2,
            "loss_db": loss,
            # FP32 has 29 dB on the images, an error of 81.86.
            "added_mse": 81.86 * (10 ** (loss / 10) - 1),
            "psnr_of_mean_db": 29 - loss,
            "images": 40,
            "downsampling": "bicubic",
            "time_ratio": ratio,
            "time_ratio_q1": ratio * 0.97,
            "time_ratio_q3": ratio * 1.05,
            "latency_p50_ms": 50 * ratio,
            "rounds": 20,
            "int8_convolutions": 2 - name.count("conv"),
            "on_frontier": name != "conv2",
            **FACTS,
        }
        for name, (loss, ratio) in figures_of.items()
    ]


@pytest.fixture
def sensitivities(tmp_path: Path) -> list[Path]:
    paths = []
    for model, share in (("espcn_anchor", 0.1), ("espcn_rgb", 1.0)):
        paths.append(tmp_path / f"{model}.csv")
        write_rows(Sensitivity, sensitivity_rows(model, share=share), paths[-1])
    return paths


@pytest.fixture
def frontiers(tmp_path: Path) -> list[Path]:
    paths = []
    for model in ("espcn_anchor", "espcn_rgb"):
        paths.append(tmp_path / f"{model}.frontier.csv")
        write_rows(Frontier, frontier_rows(model), paths[-1])
    return paths


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    found: list[Figure] = []
    monkeypatch.setattr(figures, "save", lambda figure, *_: found.append(figure))
    return found


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if isinstance(text, Text)]


def test_bars_are_losses_alone_and_what_is_won_back() -> None:
    rows = sensitivity_rows("espcn_rgb")
    bars = {(layer, part): values for layer, part, *values in sensitivity_bars(rows, "loss_db")}
    assert len(bars) == 3 * 3
    assert bars["conv1", "activations"] == pytest.approx([0.039, 0.039])
    assert bars["conv2", "weights"] == pytest.approx([0.034, 0.044])
    assert bars["conv1", "both"] == pytest.approx([0.062, 0.062])
    assert bars["all", "both"][0] == pytest.approx(0.107) and bars["all", "both"][1] is None
    added = {(layer, part): values for layer, part, *values in sensitivity_bars(rows, "added_mse")}
    assert added["conv2", "weights"] == pytest.approx([1.7, 2.2])


def test_a_panel_a_model_in_the_tables_order(sensitivities: list[Path], saved: list[Figure]) -> None:
    plot_sensitivity(sensitivities, Path("a.svg"), Path("a.png"))
    (figure,) = saved
    assert [axes.get_title("left") for axes in figure.axes] == ["ESPCN_RGB", "ESPCN anchor"]
    assert {"2.20 (0.044 dB)", "5.35 (0.107 dB)", "0.22 (0.004 dB)"} <= {*texts(figure)}
    assert any("24 frames of park" in text for text in texts(figure))


def test_a_panel_a_clip(tmp_path: Path, saved: list[Figure]) -> None:
    rows = sensitivity_rows("espcn_rgb") + sensitivity_rows("espcn_rgb", "lake")
    write_rows(Sensitivity, rows, tmp_path / "s.csv")
    plot_sensitivity([tmp_path / "s.csv"], tmp_path / "a.svg", tmp_path / "a.png")
    assert [axes.get_title("left") for axes in saved[0].axes] == ["ESPCN_RGB: park", "ESPCN_RGB: lake"]


def test_the_frontier_is_joined_and_the_choice_is_black(frontiers: list[Path], saved: list[Figure]) -> None:
    plot_frontier(frontiers, Path("a.svg"), Path("a.png"), budget={"budget_db": 0.07})
    (figure,) = saved
    first = figure.axes[0]
    assert first.get_title("left") == "ESPCN_RGB" and first.get_title("right") == "1.0 = 50 ms"
    line = np.asarray(first.lines[0].get_xydata())
    assert line == pytest.approx(np.array([[1.0, 2.293], [1.3, 1.139], [2.6, 0.0]]), abs=1e-3)
    assert chosen_points(figure) == [pytest.approx([1.3, 1.139], abs=1e-3)]
    # The right axis has the same in dB.
    low, high = next(iter(first.child_axes)).get_ylim()
    assert high == pytest.approx(10 * np.log10(1 + first.get_ylim()[1] / 81.86), abs=1e-4) and low < 0.0
    assert {"all INT8", "conv1", "conv2", "all float"} <= {*texts(figure)}


def test_without_a_choice_the_frontier_is_drawn_all_the_same(
    frontiers: list[Path], saved: list[Figure]
) -> None:
    plot_frontier(frontiers, Path("a.svg"), Path("a.png"), budget={"budget_db": 0.01})
    lines = saved[0].axes[0].lines
    # 0.01 dB of an error of 81.86.
    ys = [np.asarray(line.get_ydata()).tolist() for line in lines]
    assert [0.1887, 0.1887] in [pytest.approx(each, abs=1e-4) for each in ys if len(each) == 2]
    assert not any(line.get_markerfacecolor() == "black" for line in lines if line.get_marker() == "o")


def chosen_points(figure: Figure) -> list:
    points = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    return [
        np.asarray(one.get_xydata())[0].tolist() for one in points if one.get_markerfacecolor() == "black"
    ]


def test_a_budget_of_squared_error_is_drawn_and_chosen_by(frontiers: list[Path], saved: list[Figure]) -> None:
    plot_frontier(frontiers, Path("a.svg"), Path("a.png"), budget={"budget_mse": 0.9})
    assert chosen_points(saved[0]) == []
    plot_frontier(frontiers, Path("a.svg"), Path("a.png"), budget={"budget_mse": 1.3})
    assert [1.3, 1.3] in [np.asarray(line.get_ydata()).tolist() for line in saved[1].axes[0].lines]
    assert chosen_points(saved[1]) == [pytest.approx([1.3, 1.139], abs=1e-3)]
    said = " ".join(" ".join(texts(saved[1])).split())
    assert "the budget of an added mean squared error of 1.3, if in sight" in said


def test_a_budget_out_of_sight_is_not_drawn(frontiers: list[Path], saved: list[Figure]) -> None:
    plot_frontier(frontiers, Path("a.svg"), Path("a.png"), budget={"budget_db": 2.0})
    assert saved[0].axes[0].get_ylim()[1] < 4


def test_no_label_of_the_frontier_covers_a_point_or_another(
    frontiers: list[Path], saved: list[Figure]
) -> None:
    plot_frontier(frontiers, Path("a.svg"), Path("a.png"), budget={"budget_db": 0.07})
    (figure,) = saved
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    for axes in figure.axes:
        notes = [note for note in axes.texts if isinstance(note, Annotation)]
        boxes = [Text.get_window_extent(note, canvas.get_renderer()) for note in notes]
        assert len(boxes) == 4
        for i, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[i + 1 :])
            assert not any(box.contains(x, y) for x, y in axes.transData.transform([n.xy for n in notes]))


def test_files_are_grey_and_the_same_at_every_run(
    sensitivities: list[Path], frontiers: list[Path], tmp_path: Path
) -> None:
    for name in ("a", "b"):
        plot_sensitivity(sensitivities, tmp_path / f"s{name}.svg", tmp_path / f"s{name}.png")
        plot_frontier(
            frontiers, tmp_path / f"f{name}.svg", tmp_path / f"f{name}.png", budget={"budget_db": 0.07}
        )
    for kind in "sf":
        for ending in ("svg", "png"):
            assert (tmp_path / f"{kind}a.{ending}").read_bytes() == (
                tmp_path / f"{kind}b.{ending}"
            ).read_bytes()
        with Image.open(tmp_path / f"{kind}a.png") as picture:
            pixels = np.asarray(picture.convert("RGB")).astype(int)
        assert pixels.shape[0] > 300 and pixels.shape[1] > 600
        assert np.abs(pixels - pixels[..., :1]).max() == 0
