import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from superres.device.frames.psnr import PsnrProtocol
from superres.report.plots.registry import draw
from superres.report.plots.samples import Sample, draw_samples, find_detail


def test_detail_is_found_where_it_is() -> None:
    image = np.full((60, 80, 3), 90, np.uint8)
    image[33:43, 51:61] = np.random.default_rng(0).integers(0, 256, (10, 10, 3))
    top, left = find_detail(image, (14, 14))
    assert top <= 33 and top + 14 >= 43
    assert left <= 51 and left + 14 >= 61


def test_detail_against_a_plain_double_loop() -> None:
    image = np.random.default_rng(1).integers(0, 256, (14, 17, 3), dtype=np.uint8)
    luma = image @ np.array([0.299, 0.587, 0.114])
    energy = np.zeros(luma.shape)
    for y in range(14):
        for x in range(17):
            across = luma[y, x] - luma[y, x - 1] if x else 0.0
            down = luma[y, x] - luma[y - 1, x] if y else 0.0
            energy[y, x] = round(across**2 + down**2)
    sums = {(y, x): energy[y : y + 4, x : x + 5].sum() for y in range(11) for x in range(13)}
    assert find_detail(image, (5, 4)) == max(sums, key=lambda place: sums[place])


def test_a_crop_larger_than_the_frame_takes_it_all() -> None:
    assert find_detail(np.zeros((8, 9, 3), np.uint8), (160, 120)) == (0, 0)


def test_the_picture_names_psnr_of_the_whole_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hr = np.random.default_rng(2).integers(0, 250, (120, 160, 3), dtype=np.uint8)
    titles: list[str] = []
    draw = Text.set_text
    monkeypatch.setattr(Text, "set_text", lambda self, s: (titles.append(str(s)), draw(self, s))[1])
    path = tmp_path / "samples.png"
    upscaled = {"Bicubic": hr + 1, "OpenVINO INT8": hr + 5}
    draw_samples([Sample("frame 3", hr, upscaled)], path.with_suffix(".svg"), path, crop=(40, 30))
    # A difference of 1 everywhere is 20 log10(255) = 48.13 dB, one of 5 is 13.98 dB less.
    assert {"HR\n", "frame 3", "Bicubic\n48.13 dB", "OpenVINO INT8\n34.15 dB"} <= set(titles)
    with Image.open(path) as picture:
        assert picture.width > picture.height


def test_psnr_in_the_picture_leaves_the_border_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hr = np.full((20, 30, 3), 100, np.uint8)
    upscaled = hr + 1
    upscaled[:3] = 0
    titles: list[str] = []
    draw = Text.set_text
    monkeypatch.setattr(Text, "set_text", lambda self, s: (titles.append(str(s)), draw(self, s))[1])
    protocol = PsnrProtocol("studio-swing", 3)
    sample = Sample("f", hr, {"Bicubic": upscaled}, protocol)
    draw_samples([sample], tmp_path / "a.svg", tmp_path / "a.png")
    assert "Bicubic\n48.13 dB" in titles


def test_files_of_arms_become_both_kinds_of_picture(tmp_path: Path) -> None:
    hr = np.random.default_rng(3).integers(0, 250, (2, 24, 32, 3), dtype=np.uint8)
    np.save(tmp_path / "hr.npy", hr)
    index = {"hr_shapes": [[24, 32]] * 2, "names": ["a", "b"]}
    (tmp_path / "clip.json").write_text(json.dumps(index))
    arms = [("bicubic", "uint8", 2), ("espcn_rgb", "fp32", 2), ("espcn_rgb", "int8-minmax", 2)]
    # The last did not run.
    images = [hr[1] + 1, hr[1] + 5, np.zeros(0, np.uint8)]
    samples = [tmp_path / f"{number}.npy" for number in range(3)]
    for path, image in zip(samples, images, strict=True):
        np.save(path, image)
    files = {"hr": tmp_path / "hr.npy", "clip": tmp_path / "clip.json", "samples": samples}
    settings = {"arms": arms, "frame": 1, "quality": {2: {"luma": "full-range", "border": 0}}}
    svg, png = tmp_path / "samples.svg", tmp_path / "samples.png"
    draw("samples", files, settings, svg, png)
    embedded = re.findall(r"data:image/png;base64,([A-Za-z0-9+/=\s]+)", svg.read_text())
    found = [np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB")) for text in embedded]
    # The SVG has every pixel once: HR, bicubic and FP32.
    for image, expected in zip(found, [hr[1], *images[:2]], strict=True):
        assert image.shape == (24, 32, 3)
        assert (image == expected).all() or (image[::-1] == expected).all()
    with Image.open(png) as picture:
        assert picture.width > picture.height


def test_mistakes(tmp_path: Path) -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(ValueError, match="found none"):
        draw_samples([], tmp_path / "a.svg", tmp_path / "a.png")
    with pytest.raises(ValueError, match="one size"):
        draw_samples([Sample("f", image, {"x": image[:4]})], tmp_path / "a.svg", tmp_path / "a.png")
    assert not list(tmp_path.iterdir())
