"""SSIM against the definition in float64, window by window, and against published properties."""

import subprocess
import sys

import numpy as np
import pytest

from superres.device.frames.psnr import PAPER, PsnrProtocol, literature
from superres.device.frames.ssim import ssim_y


def frames(shape: tuple[int, int], noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A frame of gradients, an edge and texture, and the same with noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    clean = np.stack([x * 3 % 256, y * 2 % 256, 128 + 100 * np.sin(x / 3) * np.cos(y / 5)], -1)
    clean[:, shape[1] // 2 :] *= 0.4
    other = clean + rng.normal(0, noise, clean.shape)
    one, two = (np.clip(np.rint(frame), 0, 255).astype(np.uint8) for frame in (clean, other))
    return one, two


def by_definition(hr: np.ndarray, recon: np.ndarray, protocol: PsnrProtocol) -> float:
    """Wang et al. 2004, Eq. 13 to 16, in float64: one window after the other."""
    weights, offset = {
        "full-range": ([0.299, 0.587, 0.114], 0),
        "studio-swing": ([65.481 / 255, 128.553 / 255, 24.966 / 255], 16),
    }[protocol.luma]
    edge = protocol.border
    inside = (slice(edge, hr.shape[0] - edge), slice(edge, hr.shape[1] - edge))
    x, y = (frame[inside].astype(np.float64) @ weights + offset for frame in (hr, recon))
    distance = np.hypot(*np.mgrid[-5:6, -5:6])
    window = np.exp(-(distance**2) / (2 * 1.5**2))
    window /= window.sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for top in range(x.shape[0] - 10):
        for left in range(x.shape[1] - 10):
            a, b = (luma[top : top + 11, left : left + 11] for luma in (x, y))
            mean_a, mean_b = (window * a).sum(), (window * b).sum()
            var_a, var_b = (window * (a - mean_a) ** 2).sum(), (window * (b - mean_b) ** 2).sum()
            both = (window * (a - mean_a) * (b - mean_b)).sum()
            values.append(
                (2 * mean_a * mean_b + c1)
                * (2 * both + c2)
                / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
            )
    return float(np.mean(values))


@pytest.mark.parametrize("protocol", [PAPER, literature(2), PsnrProtocol("studio-swing", 0)])
@pytest.mark.parametrize("noise", [0.4, 3, 60])
# One window, a block and a part of one in both directions, and parts of blocks alone.
@pytest.mark.parametrize("shape", [(15, 16), (70, 120), (40, 61)])
def test_it_is_that_of_the_definition(shape: tuple[int, int], noise: float, protocol: PsnrProtocol):
    hr, recon = frames(shape, noise)
    assert ssim_y(hr, recon, protocol) == pytest.approx(by_definition(hr, recon, protocol), abs=3e-6)


@pytest.mark.parametrize("level", [0, 1, 254])
def test_flat_frames_have_a_closed_form(level: int):
    """Without variance, Eq. 13 is its first factor."""
    hr = np.full((60, 130, 3), level, np.uint8)
    expected = (2 * level * (level + 1) + 6.5025) / (level**2 + (level + 1) ** 2 + 6.5025)
    assert ssim_y(hr, hr + 1, PAPER) == pytest.approx(expected, abs=1e-6)
    assert ssim_y(hr, hr, PAPER) == 1


def test_it_is_symmetric_and_falls_with_noise():
    hr, little = frames((64, 64), 2)
    _, much = frames((64, 64), 20)
    assert ssim_y(hr, little, PAPER) == ssim_y(little, hr, PAPER)
    assert 1 > ssim_y(hr, little, PAPER) > ssim_y(hr, much, PAPER) > 0  # pyright: ignore[reportOptionalOperand, reportOperatorIssue]


def test_a_frame_needs_one_window_inside_the_border():
    hr, recon = frames((15, 15), 3)
    assert ssim_y(hr, recon, literature(2)) is not None
    assert ssim_y(hr[:14], recon[:14], literature(2)) is None
    assert ssim_y(hr[:, :10], recon[:, :10], PAPER) is None


def test_it_is_the_same_with_any_number_of_threads():
    """quality.csv has the same bytes in every run."""
    code = (
        "import numpy as np\n"
        "from superres.device.frames.psnr import PAPER\n"
        "from superres.device.frames.ssim import ssim_y\n"
        "hr = np.random.default_rng(0).integers(0, 256, (270, 480, 3), dtype=np.uint8)\n"
        "print([ssim_y(hr, hr ^ bits, PAPER) for bits in (1, 3, 15)])\n"
    )
    found = set()
    for threads in ("1", "2", "5"):
        limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), threads)
        done = subprocess.run(
            ["env", *(f"{name}={value}" for name, value in limits.items()), sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
        )
        found.add(done.stdout)
    assert len(found) == 1
