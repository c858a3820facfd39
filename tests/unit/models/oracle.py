"""Oracles in float64 numpy that share no code with the package."""

import numpy as np


def convolve(image: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Cross-correlation with zero padding, C x H x W to D x H x W, summed tap by tap."""
    out_channels, _, size, _ = weight.shape
    _, height, width = image.shape
    half = size // 2
    padded = np.zeros((image.shape[0], height + 2 * half, width + 2 * half))
    padded[:, half : half + height, half : half + width] = image
    result = np.zeros((out_channels, height, width)) + bias[:, None, None]
    for dy in range(size):
        for dx in range(size):
            window = padded[:, dy : dy + height, dx : dx + width]
            result += np.einsum("dc,chw->dhw", weight[:, :, dy, dx], window)
    return result


def depth_to_space(image: np.ndarray) -> np.ndarray:
    """CRD order by its index formula: output[c, 2y + i, 2x + j] = input[4c + 2i + j, y, x]."""
    channels, height, width = image.shape
    result = np.zeros((channels // 4, 2 * height, 2 * width))
    for c, y, x in np.ndindex(*result.shape):
        result[c, y, x] = image[4 * c + 2 * (y % 2) + x % 2, y // 2, x // 2]
    return result


def espcn(image: np.ndarray, tensors: dict[str, np.ndarray]) -> np.ndarray:
    """The trunk of both networks, C x H x W to C x 2H x 2W, not clipped."""
    for layer in ("conv1", "conv2", "conv3"):
        image = convolve(image, tensors[f"trunk.{layer}.weight"], tensors[f"trunk.{layer}.bias"])
        if layer != "conv3":
            image = np.maximum(image, 0)
    return depth_to_space(image)


def cubic(distance: float, a: float) -> float:
    """Keys' cubic convolution kernel, 1981, with its free parameter."""
    d = abs(distance)
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0.0


def upsample(image: np.ndarray, kernel: str, a: float = -0.75, scale: int = 2) -> np.ndarray:
    """Enlarge C x H x W by `bicubic`, `bilinear` or `nearest`, half-pixel centres, edge pixels repeated."""
    return np.stack(
        [_matrix(c.shape[0], kernel, a, scale) @ c @ _matrix(c.shape[1], kernel, a, scale).T for c in image]
    )


def _matrix(count: int, kernel: str, a: float, scale: int) -> np.ndarray:
    matrix = np.zeros((scale * count, count))
    for out in range(scale * count):
        centre = (out + 0.5) / scale - 0.5
        for source in range(int(np.floor(centre)) - 1, int(np.floor(centre)) + 3):
            weight = {
                "bicubic": cubic(centre - source, a),
                "bilinear": max(0.0, 1 - abs(centre - source)),
                "nearest": float(source == out // scale),
            }[kernel]
            matrix[out, min(max(source, 0), count - 1)] += weight
    return matrix


def espcn_ycbcr(frame: np.ndarray, tensors: dict[str, np.ndarray], kernel: str) -> np.ndarray:
    """The whole network, by the matrix of full-range BT.601 and its numerical inverse."""
    forward = np.array(
        [
            [0.299, 0.587, 0.114],
            [-0.299 / 1.772, -0.587 / 1.772, 0.886 / 1.772],
            [0.701 / 1.402, -0.587 / 1.402, -0.114 / 1.402],
        ]
    )
    ycc = np.einsum("ij,jhw->ihw", forward, frame)
    upscaled = np.concatenate([espcn(ycc[:1], tensors), upsample(ycc[1:], kernel)])
    return np.clip(np.einsum("ij,jhw->ihw", np.linalg.inv(forward), upscaled), 0, 1)
