"""On a clip whose settings are known, the search finds them: figures are made apart from it, in float64."""

import csv
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import pytest

from superres.data.resampling import KERNELS, downsample
from superres.data.sources.source import Source
from superres.data.sources.y4m import Y4m
from superres.data.sources.yuv import yuv_to_rgb
from superres.data.sources.yuv4mpeg import read_header, read_planes
from superres.device.base.errors import UserError
from superres.device.frames.bicubic import upscale_bicubic
from superres.device.frames.psnr import PAPER, PsnrProtocol
from superres.forensics.search import Candidates, measure_candidates, search_protocol
from superres.forensics.table import Combination, Measured, Published, conclude, rank

HEIGHT, WIDTH, FRAMES = 48, 64, 3
ALL = Candidates(("bt601", "bt709"), ("limited", "full"), KERNELS, ("opencv", "matlab"))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few frames of coloured edges and textures, 8-bit 4:2:0."""
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
def clip(path: Path) -> Source:
    """What the source says of matrix and range plays no part."""
    return Source(Y4m(path=str(path)))


@pytest.fixture(scope="module")
def measured(clip: Source) -> list[Measured]:
    return measure_candidates(clip, ALL, PAPER, threads=2)


def figures(path: Path, settings: Combination) -> Published:
    """PSNR and PSNR of luma by one combination, by their definitions."""
    header = read_header(path)
    errors = []
    for k in range(FRAMES):
        hr = yuv_to_rgb(read_planes(path, header, k), settings.matrix, settings.range == "limited", "left")
        lr = downsample(hr, settings.downsampling)
        if settings.upsampling == "matlab":
            upscaled = upscale_bicubic(lr)
        else:
            upscaled = cv2.resize(lr, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        difference = hr.astype(np.float64) - upscaled
        luma = difference @ [0.299, 0.587, 0.114]
        errors.append((np.mean(difference**2), np.mean(luma**2)))
    if settings.average == "error":
        errors = [np.mean(errors, axis=0)]
    rgb, luma = np.mean(10 * np.log10(255**2 / np.array(errors)), axis=0)
    return Published(float(rgb), float(luma))


def test_all_combinations_are_measured_once(measured: list[Measured]):
    expected = 2 * 2 * len(KERNELS) * 2 * 2
    assert len(measured) == len({one.combination for one in measured}) == expected == 160


@pytest.mark.parametrize(
    "down, up", list(product(("bicubic", "opencv-cubic", "pillow-lanczos"), ("opencv", "matlab")))
)
def test_the_settings_behind_a_figure_are_found_among_all(path: Path, measured, down: str, up: str):
    for matrix, span, average in product(ALL.matrices, ALL.ranges, ("frames", "error")):
        truth = Combination(down, up, matrix, span, average)
        first, second, *_ = rank(measured, figures(path, truth))
        assert first.measured.combination == truth
        assert first.distance_db < 1e-9
        # No other is as close as the fourth decimal of a published figure.
        assert second.distance_db > 1e-4


def test_both_files_and_the_log_say_what_was_found(path: Path, clip: Source, tmp_path: Path, capsys):
    found = figures(path, Combination("pillow-bicubic", "matlab", "bt601", "full", "error"))
    rounded = Published(round(found.psnr_db, 4), round(found.psnr_y_db, 4))
    out, page = tmp_path / "f.csv", tmp_path / "f.md"
    search_protocol(clip, ALL, rounded, PAPER, clip="run", csv_out=out, md_out=page, threads=2)
    closest = (
        "Closest: pillow-bicubic downsampling, matlab upsampling, bt601, full range, PSNR of the mean error: "
        f"{rounded.psnr_db:.4f} dB PSNR and {rounded.psnr_y_db:.4f} dB PSNR_Y, 0.000"
    )
    assert closest in page.read_text() and closest in capsys.readouterr().err
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 160
    assert rows[0].items() >= {"downsampling": "pillow-bicubic", "range": "full", "average": "error"}.items()
    distances = [float(row["distance_db"]) for row in rows]
    assert distances == sorted(distances) and distances[0] < 6e-5
    assert page.read_text().count("\n|") == 2 + 15


def test_what_nothing_brings_is_said(measured: list[Measured]):
    ranked = rank(measured, Published(11.0, 12.0))
    assert conclude(ranked, Published(11.0, 12.0), "a")[-1].startswith(
        "None of them brings the published figures"
    )


def test_equals_are_named():
    combinations = [
        Combination(name, "opencv", "bt601", "full", "frames") for name in ("area", "opencv-area")
    ]
    ranked = rank([Measured(one, 30.0, 31.0) for one in combinations], Published(30.0, 31.0))
    said = conclude(ranked, Published(30.0, 31.0), "a")
    assert said[-1].startswith("As close within 0.0001 dB: opencv-area downsampling")


def test_threads_make_no_difference(clip: Source, measured: list[Measured]):
    assert measure_candidates(clip, ALL, PAPER, threads=1) == measured


def test_a_border_that_leaves_nothing_is_named(clip: Source):
    with pytest.raises(UserError, match=r"a-0000: expected frames larger than a border of 24 pixels"):
        measure_candidates(clip, ALL, PsnrProtocol("full-range", 24))
