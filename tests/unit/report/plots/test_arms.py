import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Annotation, Text
from PIL import Image

from superres.report.plots import figures
from superres.report.plots.arms import plot_fps, plot_psnr_fps
from superres.report.plots.losses import int8_losses, plot_int8_loss
from superres.report.plots.places import where_words

from ..synthetic import default_rows, not_run, row, write_metrics

PLOTS = [plot_psnr_fps, plot_int8_loss, plot_fps]


@pytest.mark.parametrize("plot", PLOTS)
def test_both_files_are_whole_and_the_same_at_every_run(
    metrics: Path, tmp_path: Path, plot: Callable
) -> None:
    names = [tmp_path / name for name in ("a.svg", "a.png", "b.svg", "b.png")]
    plot(metrics, svg=names[0], png=names[1])
    plot(metrics, svg=names[2], png=names[3])
    assert names[0].read_bytes() == names[2].read_bytes()
    assert names[1].read_bytes() == names[3].read_bytes()
    assert ET.parse(names[0]).getroot().tag.endswith("svg")
    with Image.open(names[1]) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    assert pixels.shape[0] > 300 and pixels.shape[1] > 600
    # Greys only: nothing is told by colour.
    assert np.abs(pixels - pixels[..., :1]).max() == 0


@pytest.mark.parametrize("plot", PLOTS)
def test_arms_that_did_not_run_are_named(
    metrics: Path, tmp_path: Path, plot: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts: list[str] = []
    monkeypatch.setattr(figures, "save", lambda figure, *_: texts.extend(_texts(figure)))
    plot(metrics, svg=tmp_path / "a.svg", png=tmp_path / "a.png")
    assert any("Not run: needs AVX512-FP16: OpenVINO FP16 ESPCN_RGB." in text for text in texts)


@pytest.mark.parametrize("plot", [plot_psnr_fps, plot_fps])
def test_noisy_arms_are_marked_and_explained(
    tmp_path: Path, plot: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts: list[str] = []
    monkeypatch.setattr(figures, "save", lambda figure, *_: texts.extend(_texts(figure)))
    rows = default_rows()
    assert (rows[0]["runtime"], rows[0]["precision"]) == ("pytorch", "fp32")
    rows[0] |= {"cautions": "noisy: 0.6 processors were busy with other work"}
    plot(write_metrics(tmp_path / "m.csv", rows), svg=tmp_path / "a.svg", png=tmp_path / "a.png")
    # 1000 / 330 ms.
    assert ("FP32~" if plot is plot_psnr_fps else "3.0~, 40%") in texts
    assert any("~ The machine was busy: FPS is a lower bound" in " ".join(text.split()) for text in texts)


def test_no_label_of_the_scatter_overlaps_another(
    metrics: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[Figure] = []
    monkeypatch.setattr(figures, "save", lambda figure, *_: saved.append(figure))
    plot_psnr_fps(metrics, tmp_path / "a.svg", tmp_path / "a.png")
    (figure,) = saved
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    renderer = canvas.get_renderer()
    for axes in figure.axes:
        notes = [child for child in axes.get_children() if isinstance(child, Annotation)]
        assert len(notes) == 9
        boxes = [Text.get_window_extent(note, renderer) for note in notes]
        points = axes.transData.transform([note.xy for note in notes])
        for index, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[index + 1 :])
            assert not any(box.contains(x, y) for x, y in points)
            assert axes.get_window_extent().padded(1).containsx(box.x0)
            assert axes.get_window_extent().padded(1).containsx(box.x1)


@pytest.mark.parametrize("models", [3, 5])
def test_each_column_of_the_scatter_has_numbers_of_speed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, models: int
) -> None:
    found: list[Figure] = []
    monkeypatch.setattr(figures, "save", lambda figure, *_: found.append(figure))
    rows = [
        row("openvino", f"net{number}", "fp32", 30.0 + number, 20.0 + number, clip=clip)
        for clip in ("park", "rooms")
        for number in range(models)
    ]
    plot_psnr_fps(write_metrics(tmp_path / "m.csv", rows), svg=tmp_path / "a.svg", png=tmp_path / "a.png")
    panels = [axes for axes in found[0].axes if axes.axison]
    assert len(panels) == 2 * models
    for clip in ("park", "rooms"):
        # The lowest panel of each column of a clip.
        lowest: dict[float, Axes] = {}
        for axes in panels:
            if axes.get_title(loc="left").endswith(clip):
                place = axes.get_position()
                if place.x0 not in lowest or place.y0 < lowest[place.x0].get_position().y0:
                    lowest[place.x0] = axes
        assert len(lowest) == min(models, 3 if models <= 3 else 2)
        for axes in lowest.values():
            shown = [tick for tick in axes.get_xticklabels(which="both") if tick.get_text()]
            assert shown and all(tick.get_visible() for tick in shown)
            assert axes.get_xlabel()


def test_every_panel_of_a_clip_has_the_front_of_all_its_networks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[Figure] = []
    monkeypatch.setattr(figures, "save", lambda figure, *_: saved.append(figure))
    rows = [
        row("openvino", model, precision, psnr + 10 * (clip == "rooms"), 1000 / fps, clip=clip)
        for clip in ("park", "rooms")
        for model, precision, psnr, fps in (
            ("wide", "fp32", 31.2, 10.0),
            ("wide", "bf16", 31.1, 20.0),
            ("slow", "fp32", 31.1, 15.0),
            ("small", "fp32", 30.9, 20.0),
            ("small", "bf16", 30.8, 90.0),
        )
    ]
    plot_psnr_fps(write_metrics(tmp_path / "m.csv", rows), tmp_path / "a.svg", tmp_path / "a.png")
    panels = [axes for axes in saved[0].axes if axes.axison]
    assert len(panels) == 6
    for axes in panels:
        added = 10 * axes.get_title(loc="left").endswith("rooms")
        (front,) = (line for line in axes.lines if line.get_linestyle() == "-")
        found = [
            (round(float(fps), 6), round(float(psnr) - added, 6))
            for fps, psnr in np.asarray(front.get_xydata())
        ]
        assert found == [(90.0, 30.8), (20.0, 31.1), (10.0, 31.2)]


def test_a_wrong_picture_is_not_on_the_front_and_squeezes_no_other_arm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[Figure] = []
    monkeypatch.setattr(figures, "save", lambda figure, *_: saved.append(figure))
    wrong = "far off: 15.00 dB below bicubic; overflowing: two products"
    rows = [
        row("opencv", "bicubic", "uint8", 29.0, 1.0),
        *(row("openvino", name, "fp32", psnr, 10.0) for name, psnr in (("wide", 31.0), ("small", 30.0))),
        row("openvino", "wide", "int8-minmax+balance+asymmetric+reducerange+adaround", 30.9, 20.0),
        row("openvino", "wide", "int8-entropy", 14.0, 2.0) | {"cautions": wrong},
        row("openvino", "small", "int8-entropy", 28.5, 1.0) | {"cautions": "saturated: 1% of its values"},
    ]
    plot_psnr_fps(write_metrics(tmp_path / "m.csv", rows), tmp_path / "a.svg", tmp_path / "a.png")
    panels = [axes for axes in saved[0].axes if axes.axison]
    assert len(panels) == 2
    for axes in panels:
        (front,) = (line for line in axes.lines if line.get_linestyle() == "-")
        assert np.asarray(front.get_xydata())[:, 1].tolist() == [31.0]
        assert axes.get_ylim()[0] > 26
    # As far below bicubic as the best is above it.
    drawn = [np.asarray(line.get_xydata()) for axes in panels for line in axes.lines]
    assert min(points[:, 1].min() for points in drawn) == 27.0
    texts = list(_texts(saved[0]))
    assert "INT8 minmax+balance+\nasymmetric+reducerange+\nadaround" in texts
    assert "INT8 entropy!§ ↓ 14.0 dB" in texts and "INT8 entropy^" in texts
    (note,) = (text for text in texts if text.startswith("PSNR: mean"))
    assert "Not on the front: ! worse than bicubic, or far below FP32; ^" in note.replace("\n", " ")


def test_labels_of_the_fastest_network_stay_in_their_panel_and_each_column_has_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[Figure] = []
    monkeypatch.setattr(figures, "save", lambda figure, *_: saved.append(figure))
    arms = [row for row in default_rows() if row["model"] == "espcn_rgb" and row["runtime"] == "openvino"]
    # Five networks in two columns leave the last panel empty; the second is ten times as fast.
    rows = [
        row | {"model": name, "fps": row["fps"] * speed, "latency_p50_ms": 1000 / (row["fps"] * speed)}
        for name, speed in {"a": 1, "b": 10, "c": 1, "d": 1, "e": 1}.items()
        for row in arms
    ]
    plot_psnr_fps(write_metrics(tmp_path / "m.csv", rows), tmp_path / "a.svg", tmp_path / "a.png")
    (figure,) = saved
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    panels = [axes for axes in figure.axes if axes.axison]
    assert len(panels) == 5
    for axes in panels:
        for note in (child for child in axes.get_children() if isinstance(child, Annotation)):
            box = Text.get_window_extent(note, canvas.get_renderer())
            assert axes.get_window_extent().x0 <= box.x0 and box.x1 <= axes.get_window_extent().x1
    numbered = [any(label.get_visible() for label in axes.get_xticklabels()) for axes in panels]
    assert numbered == [False, False, False, True, True]


def test_losses_are_against_the_same_runtimes_fp32() -> None:
    losses = {
        (row["runtime"], row["model"], row["precision"]): (row["psnr_db"], row["psnr_y_db"])
        for row in int8_losses(default_rows())
    }
    assert len(losses) == 8
    assert losses["openvino", "espcn_rgb", "int8-minmax"] == pytest.approx((0.21, 0.21), abs=1e-9)
    assert losses["onnxruntime", "espcn_ycbcr", "int8-dummy"] == pytest.approx((0.366, 0.366), abs=1e-9)


def test_the_plot_of_losses_has_the_added_error(
    metrics: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[Figure] = []
    monkeypatch.setattr(figures, "save", lambda figure, *_: saved.append(figure))
    plot_int8_loss(metrics, tmp_path / "a.svg", tmp_path / "a.png")
    *decibels, added = saved[0].axes
    assert len(decibels) == 2 and added.get_title(loc="left") == "Squared error added (root)"
    # ESPCN_RGB in ONNX Runtime, w/o calibration: 30.39 dB for 31.0 of FP32, the first bar.
    bar = 255**2 * (10**-3.039 - 10**-3.1)
    assert isinstance(first := added.patches[0], Rectangle) and first.get_width() == pytest.approx(bar)
    texts = [child.get_text() for child in added.get_children() if isinstance(child, Annotation)]
    assert texts[0] == f"{bar:.2f} ({bar**0.5:.1f})" and len(texts) == 8


def test_clips_stand_side_by_side_in_the_plot_of_losses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = []
    monkeypatch.setattr(figures, "save", lambda figure, *_: saved.append(figure))
    rows = default_rows()
    plot_int8_loss(write_metrics(tmp_path / "a.csv", rows), tmp_path / "a.svg", tmp_path / "a.png")
    second = [{**row, "clip": "street", "psnr_db": row["psnr_db"] + 1} for row in rows]
    plot_int8_loss(write_metrics(tmp_path / "b.csv", rows + second), tmp_path / "a.svg", tmp_path / "a.png")
    one, two = saved
    assert two.get_figheight() == one.get_figheight()
    assert [axes.get_title(loc="left").split("\n")[-1] for axes in two.axes] == ["park"] * 2 + ["street"] * 2
    # The same bars in each, at the same heights.
    bars = [[patch.get_y() for patch in axes.patches] for axes in two.axes]
    assert len(bars[0]) == 8 and bars[0] == bars[1] == bars[2] == bars[3]


@pytest.mark.parametrize(("tuned", "all_of_them"), [(30.9, False), (30.9, True), (31.1, False)])
def test_overflow_squeezes_no_other_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tuned: float, all_of_them: bool
) -> None:
    saved: list[Figure] = []
    monkeypatch.setattr(figures, "save", lambda figure, *_: saved.append(figure))
    overflow = {"cautions": "overflowing: two products in 3 layers"}
    rows = [
        row("openvino", "net", "fp32", 31.0, 10.0),
        row("openvino", "net", "int8-entropy", 17.0, 20.0) | overflow,
        row("openvino", "net", "int8-tuned", tuned, 20.0) | (overflow if all_of_them else {}),
    ]
    plot_int8_loss(write_metrics(tmp_path / "m.csv", rows), tmp_path / "a.svg", tmp_path / "a.png")
    axes = saved[0].axes[0]
    bars = [bar.get_width() for bar in axes.patches if isinstance(bar, Rectangle)]
    texts = [note.get_text() for note in axes.get_children() if isinstance(note, Annotation)]
    if tuned < 31 and not all_of_them:
        assert bars == pytest.approx([0.1, 0.1]) and texts == ["→ 14.000§", "0.100"]
    else:
        assert bars == pytest.approx([14.0, 31 - tuned]) and texts[0] == "14.000§"
    assert any("§ INT8 sums can overflow on this processor" in text for text in _texts(saved[0]))


def test_losses_leave_out_arms_without_fp32() -> None:
    rows = [row for row in default_rows() if (row["runtime"], row["precision"]) != ("openvino", "fp32")]
    assert {row["runtime"] for row in int8_losses(rows)} == {"onnxruntime"}


def test_nothing_to_plot_is_said_in_the_plot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`all` of arms that can't run here ends with a table that says so."""
    saved = []
    monkeypatch.setattr(figures, "save", lambda figure, *_: saved.append(figure))
    rows = [not_run("tensorrt", "espcn_rgb", "fp16", "no CUDA"), default_rows()[-1]]
    metrics = write_metrics(tmp_path / "m.csv", rows)
    for plot in PLOTS:
        plot(metrics, tmp_path / "a.svg", tmp_path / "a.png")
        (title, note) = [text for text in _texts(saved[-1]) if text]
        assert title.startswith("No ") and note.startswith("Not run: no CUDA: TensorRT FP16 ESPCN_RGB.")


def test_clips_of_one_size_have_one_panel_of_speed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = []
    monkeypatch.setattr(figures, "save", lambda figure, *_: saved.append(figure))
    rows = default_rows()
    rows += [{**row, "clip": "rooms"} for row in rows]
    metrics = write_metrics(tmp_path / "m.csv", rows)
    for plot, panels in ((plot_fps, 2), (plot_psnr_fps, 4)):
        plot(metrics, tmp_path / "a.svg", tmp_path / "a.png")
        assert len([axes for axes in saved[-1].axes if axes.axison]) == panels


def _texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if isinstance(text, Text)]


def test_titles_say_only_what_differs() -> None:
    places = [("park", "local", "x2"), ("rooms", "local", "x2")]
    assert [where_words(place, places) for place in places] == ["park", "rooms"]
    jetson = ("park", "jetson", "x2")
    assert where_words(jetson, [places[0], jetson]) == "jetson"
    assert where_words(places[0], [*places, jetson]) == "park on local"
    larger = ("park", "local", "x4")
    assert where_words(larger, [places[0], larger]) == "x4"
    assert where_words(larger, [*places, larger]) == "park at x4"
