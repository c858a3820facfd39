from pathlib import Path

import numpy as np
import onnx
import pytest

from superres.device.base.errors import UserError
from superres.models.graphs.onnx_file import KEPT_FLOAT_PROPERTY
from superres.quantization.ranges.calibration import FrameFile, RandomImages
from superres.quantization.ranges.observation import observe_activations, read_observed

from ..network import build_network, network_weights, write_set


def images(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    return [rng.integers(0, 20 * (i + 1), (12, 17, 3), dtype=np.uint8) for i in range(count)]


def test_the_first_images_are_those_of_a_pass_of_their_own(network: Path, tmp_path: Path) -> None:
    path = write_set(tmp_path, images(7))
    observe_activations(network, FrameFile(path), tmp_path / "all.npz", prefixes=[3], model="m", threads=1)
    for count in (1, 2, 3, 5, 7):
        observe_activations(network, FrameFile(path, count), tmp_path / "some.npz", model="m", threads=1)
        alone, first = read_observed(tmp_path / "some.npz"), read_observed(tmp_path / "all.npz", count)
        assert alone.data == first.data and first.images == count
        for name, expected in alone.tensors.items():
            found = first.tensors[name]
            values = 12 * 17 * count * {"frame": 3, "r1": 8, "r2": 6, "c3": 12}[name]
            assert found.total == expected.total == values
            assert (found.low, found.high) == (expected.low, expected.high)
            # A prefix keeps the range of the whole set: the same counts, in bins a power of two wider.
            ratio = 2 ** (found.exponent - expected.exponent)
            np.testing.assert_array_equal(
                found.counts[: len(found.counts) // ratio],
                expected.counts.reshape(-1, ratio).sum(axis=1),
            )
    with pytest.raises(UserError, match=r"expected statistics of 4 images, found those of 1, 2, 3, 5, 7"):
        read_observed(tmp_path / "all.npz", 4)


def test_random_images_of_one_seed_share_a_pass_too(network: Path, tmp_path: Path) -> None:
    for count in (2, 4):
        data = RandomImages("normal", 1, count, 8, 9)
        observe_activations(network, data, tmp_path / f"{count}.npz", model="m", threads=1)
    alone, first = read_observed(tmp_path / "2.npz"), read_observed(tmp_path / "4.npz", 2)
    assert alone.tensors["frame"].amax == first.tensors["frame"].amax
    assert alone.data == first.data


def test_the_same_bytes_again(network: Path, tmp_path: Path) -> None:
    path = write_set(tmp_path, images(3))
    for name in ("a", "b"):
        observe_activations(network, FrameFile(path), tmp_path / f"{name}.npz", model="m", threads=2)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_convolutions_that_stay_in_float_are_not_observed(tmp_path: Path) -> None:
    model = build_network(network_weights())
    model.metadata_props.add(key=KEPT_FLOAT_PROPERTY, value='["c3"]')
    onnx.save(model, tmp_path / "kept.onnx")
    data = RandomImages("uniform", 0, 1, 8, 8)
    observe_activations(tmp_path / "kept.onnx", data, tmp_path / "o.npz", model="m")
    assert set(read_observed(tmp_path / "o.npz").tensors) == {"frame", "r1", "r2"}


def test_nothing_is_left_of_a_set_that_is_black_or_constant(network: Path, tmp_path: Path) -> None:
    for value in (0, 9):
        path = write_set(tmp_path, [np.full((8, 8, 3), value, np.uint8)] * 2)
        with pytest.raises(UserError, match="tensor frame: expected values that vary over the images"):
            observe_activations(network, FrameFile(path), tmp_path / "o.npz", model="m")
        assert not list(tmp_path.glob("o.npz*"))


def test_a_dead_layer_is_an_error(tmp_path: Path) -> None:
    layers = network_weights()
    layers[0][0][:] = 0
    layers[0][1][:] = -1
    onnx.save(build_network(layers), tmp_path / "dead.onnx")
    data = RandomImages("ones", 0, 1, 8, 8)
    with pytest.raises(UserError, match=r"tensor r1: expected values that vary .* found 0.0 everywhere"):
        observe_activations(tmp_path / "dead.onnx", data, tmp_path / "o.npz", model="m")


def test_infinity_names_its_tensor_and_the_later_image(network: Path, tmp_path: Path) -> None:
    layers = [(weights, bias * 0) for weights, bias in network_weights()]
    layers[2][0][:] = 1e38
    onnx.save(build_network(layers), tmp_path / "huge.onnx")
    dark, white = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 255, np.uint8)
    dark[0, 0] = 1
    path = write_set(tmp_path, [dark, white])
    with pytest.raises(UserError, match=r"tensor c3, image image-1: expected finite activations"):
        observe_activations(tmp_path / "huge.onnx", FrameFile(path), tmp_path / "o.npz", model="m")
    assert not list(tmp_path.glob("o.npz*"))


def test_files_and_counts_that_do_not_fit(network: Path, tmp_path: Path) -> None:
    path = write_set(tmp_path, images(3))
    with pytest.raises(UserError, match="expected 9, as a calibration or sweep asks for, found 3; lower"):
        observe_activations(network, FrameFile(path), tmp_path / "o.npz", prefixes=[9], model="m")
    (tmp_path / "bad.npz").write_bytes(b"no zip file")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    for name in ("bad.npz", "other.npz", "missing.npz"):
        with pytest.raises(UserError, match="expected statistics of activations, found something else"):
            read_observed(tmp_path / name)


def test_a_damaged_byte_is_one_line_wherever_it_is(network: Path, tmp_path: Path) -> None:
    data = FrameFile(write_set(tmp_path, images(2)))
    observe_activations(network, data, tmp_path / "o.npz", model="m")
    whole = (tmp_path / "o.npz").read_bytes()
    refused = 0
    for place in range(0, len(whole), max(1, len(whole) // 60)):
        (tmp_path / "o.npz").write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            read_observed(tmp_path / "o.npz")
        except UserError:
            refused += 1
    assert refused > 30
