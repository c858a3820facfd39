"""The search finds the known settings of a clip; independent code computes its figures in float64."""

import csv
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from superres.data.video.y4m import read_header, read_planes
from superres.data.video.yuv import yuv_to_rgb
from superres.device.base.errors import UserError
from superres.device.frames.pixels import enlarge_bicubic
from superres.device.frames.psnr import PAPER, PsnrProtocol

from ..data.resampling_oracle import reduce_exactly

SCRIPT = Path(__file__).parents[3] / "benchmarks/find_protocol.py"


def load_script() -> Any:
    spec = spec_from_file_location("find_protocol", SCRIPT)
    assert spec is not None and spec.loader is not None
    # Dataclasses find their module by its name.
    sys.modules[spec.name] = script = module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


protocol = load_script()
Combination, Measured, Published = protocol.Combination, protocol.Measured, protocol.Published
HEIGHT, WIDTH, FRAMES = 48, 64, 3
ALL = protocol.Candidates()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a few frames of coloured edges and textures, 8-bit 4:2:0."""
    path = tmp_path_factory.mktemp("forensics") / "a.y4m"
    rng = np.random.default_rng(0)
    content = f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F50:1 Ip A1:1 C420mpeg2\n".encode()
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    for k in range(FRAMES):
        waves = np.sin((x + 3 * k) / 2.3) * np.cos((y - 2 * k) / 3.1) * 70 + 90 * ((x // 9 + y // 7) % 2)
        luma = np.clip(60 + waves + rng.normal(0, 6 + 4 * k, waves.shape), 16, 235).astype(np.uint8)
        chroma = [
            np.clip(128 + 45 * np.sin((x[::2, ::2] * a + y[::2, ::2] * b) / 9), 16, 240).astype(np.uint8)
            for a, b in ((1, 2), (2, -1))
        ]
        content += b"FRAME\n" + luma.tobytes() + b"".join(plane.tobytes() for plane in chroma)
    path.write_bytes(content)
    return path


@pytest.fixture(scope="module")
def measured(path: Path) -> list[Any]:
    return protocol.measure_candidates(path, ALL, PAPER, threads=2)


def figures(path: Path, settings: Any) -> Any:
    """Compute PSNR and PSNR of luma of one combination by their definitions."""
    header = read_header(path)
    errors = []
    for k in range(FRAMES):
        hr = yuv_to_rgb(read_planes(path, header, k), settings.matrix, settings.range == "limited", "left")
        lr = protocol.halve(hr, settings.downsampling)
        if settings.upsampling == "matlab":
            upscaled = enlarge_bicubic(lr, 2)
        else:
            upscaled = cv2.resize(lr, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        difference = hr.astype(np.float64) - upscaled
        luma = difference @ [0.299, 0.587, 0.114]
        errors.append((np.mean(difference**2), np.mean(luma**2)))
    if settings.average == "error":
        errors = [np.mean(errors, axis=0)]
    rgb, luma = np.mean(10 * np.log10(255**2 / np.array(errors)), axis=0)
    return Published(float(rgb), float(luma))


def test_all_combinations_are_measured_once(measured: list[Any]):
    expected = 2 * 2 * 10 * 2 * 2
    assert len(measured) == len({one.combination for one in measured}) == expected == 160


@pytest.mark.parametrize(
    "down, up", list(product(("bicubic", "opencv-cubic", "pillow-lanczos"), ("opencv", "matlab")))
)
def test_the_settings_of_a_figure_are_found_among_all(path: Path, measured, down: str, up: str):
    for matrix, span, average in product(ALL.matrices, ALL.ranges, ("frames", "error")):
        truth = Combination(down, up, matrix, span, average)
        first, second, *_ = protocol.rank(measured, figures(path, truth))
        assert first.measured.combination == truth
        assert first.distance_db < 1e-9
        # No other is as close as the fourth decimal of a published figure.
        assert second.distance_db > 1e-4


def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_call_prints_the_table_and_writes_files(path: Path, tmp_path: Path):
    found = figures(path, Combination("pillow-bicubic", "matlab", "bt601", "full", "error"))
    out, page = tmp_path / "f.csv", tmp_path / "f.md"
    wanted = ("--psnr", f"{found.psnr_db:.4f}", "--psnr-y", f"{found.psnr_y_db:.4f}")
    done = run(path, *wanted, "--csv", out, "--markdown", page, "--threads", 2)
    assert done.returncode == 0, done.stderr
    closest = (
        "Closest: pillow-bicubic downsampling, matlab upsampling, bt601, full range, PSNR of the mean error: "
        f"{found.psnr_db:.4f} dB PSNR and {found.psnr_y_db:.4f} dB PSNR_Y, 0.000"
    )
    assert closest in done.stdout and closest in page.read_text()
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 160
    assert rows[0].items() >= {"downsampling": "pillow-bicubic", "range": "full", "average": "error"}.items()
    distances = [float(row["distance_db"]) for row in rows]
    assert distances == sorted(distances) and distances[0] < 6e-5
    assert done.stdout.count("\n|") == page.read_text().count("\n|") == 2 + 15


def test_lists_and_stride_narrow_the_search(path: Path, capsys):
    protocol.main(
        [str(path), "--downsampling", "area", "opencv-cubic", "--matrices", "bt601", "--stride", "2"]
    )
    said = capsys.readouterr()
    assert "in 16 combinations; wanted: 28.9282 and 29.4030 dB" in said.out
    assert "find_protocol: 2/2" in said.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gone.y4m",), "error: y4m: expected a file at gone.y4m, found nothing"),
        (("a.y4m", "--matrices", "bt2020"), "invalid choice: 'bt2020'"),
        (("a.y4m", "--stride", 0), "expected --stride and --threads of 1 or more"),
    ],
)
def test_mistakes_get_a_line(arguments: tuple[object, ...], message: str):
    done = run(*arguments)
    assert done.returncode != 0 and message in done.stderr and "Traceback" not in done.stderr


def test_figures_without_a_match_are_reported(measured: list[Any]):
    ranked = protocol.rank(measured, Published(11.0, 12.0))
    assert protocol.conclude(ranked, Published(11.0, 12.0), "a")[-1].startswith(
        "None matches the published figures"
    )


def test_equals_are_named():
    combinations = [
        Combination(name, "opencv", "bt601", "full", "frames") for name in ("area", "opencv-area")
    ]
    ranked = protocol.rank([Measured(one, 30.0, 31.0) for one in combinations], Published(30.0, 31.0))
    said = protocol.conclude(ranked, Published(30.0, 31.0), "a")
    assert said[-1].startswith("Equally close within 0.0001 dB: opencv-area downsampling")


def test_threads_make_no_difference(path: Path, measured: list[Any]):
    assert protocol.measure_candidates(path, ALL, PAPER, threads=1) == measured


def test_a_border_that_leaves_nothing_is_named(path: Path):
    with pytest.raises(UserError, match=r"a-0000: expected frames larger than a border of 24 pixels"):
        protocol.measure_candidates(path, ALL, PsnrProtocol("full-range", 24))


KERNELS_OF_ITS_OWN = ("bicubic-swscale", "opencv-area", "opencv-cubic", "pillow-bicubic", "pillow-lanczos")


@pytest.mark.parametrize("kernel", KERNELS_OF_ITS_OWN)
def test_kernels_of_libraries_match_their_definitions(kernel: str):
    # Away from the borders, which differ, and from 0 and 255, where intermediate clipping matters.
    frame = np.random.default_rng(4).integers(90, 160, (40, 66, 3), dtype=np.uint8)
    inside = (slice(4, -4), slice(4, -4))
    expected = reduce_exactly(frame, kernel)[inside]
    found = protocol.halve(frame, kernel)[inside]
    # OpenCV rounds once, in fixed point; Pillow after each direction.
    assert np.abs(found - expected).max() < (1.6 if kernel.startswith("pillow") else 0.6)
    for other in set(protocol.DOWNSAMPLING) - {kernel, "bicubic", "bicubic-matlab", "area"}:
        if not {kernel, other} <= {"lanczos", "pillow-lanczos"}:
            assert (
                np.abs(found - expected).mean() < np.abs(found - reduce_exactly(frame, other)[inside]).mean()
            )


def test_opencv_halves_linearly_as_it_does_by_area():
    """INTER_LINEAR needs no kernel of its own."""
    frame = np.random.default_rng(5).integers(0, 256, (40, 66, 3), dtype=np.uint8)
    linear = cv2.resize(frame, (33, 20), interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(linear, protocol.halve(frame, "opencv-area"))


@pytest.mark.parametrize("kernel", KERNELS_OF_ITS_OWN)
def test_a_flat_frame_stays_flat(kernel: str):
    assert (protocol.halve(np.full((10, 14, 3), 201, np.uint8), kernel) == 201).all()
