"""Training forms of convolutions: they collapse to the network that is kept."""

from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from superres.models.architectures import Fsrcnn, Plain
from superres.models.networks import Network, build_network
from superres.models.settings import NetworkSettings
from superres.models.training.collapsible import collapse, use_training_form
from superres.models.training.noisy import set_noise


def network_of(architecture: Plain | Fsrcnn) -> Network:
    torch.manual_seed(5)
    return build_network("mine", NetworkSettings(architecture=architecture)).double()


def parts_of(convolution: nn.Module) -> tuple[Tensor, Tensor, Tensor]:
    """The plain kernel, the wide one, and the projection that narrows it again."""
    tensors = dict(convolution.named_parameters())
    names = ("original", "0.expand", "0.project")
    plain, expand, project = (tensors[f"parametrizations.weight.{name}"] for name in names)
    return plain, expand, project


def stir(network: Network) -> None:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape, dtype=torch.float64) * 0.1)


def test_training_begins_at_the_plain_kernels() -> None:
    network = network_of(Plain(channels=4, layers=1))
    plain = deepcopy(network)
    assert use_training_form(network, 7)
    image = torch.rand(1, 1, 6, 5, dtype=torch.float64)
    assert (network.trunk(image) - plain.trunk(image)).abs().max() < 1e-14


def test_collapsed_equals_the_expanded_network() -> None:
    """The oracle runs the expanded layers one after the other: 3x3 to many channels, then 1x1, plus W."""
    network = network_of(Plain(channels=4, layers=1))
    plain = deepcopy(network)
    use_training_form(network, 7)
    stir(network)

    def run(image: Tensor) -> Tensor:
        features = image
        for number, convolution in enumerate(network.trunk.convolutions):
            (direct, expand, project), padding = parts_of(convolution), convolution.kernel_size[0] // 2
            wide = functional.conv2d(features, expand, padding=padding)
            added = functional.conv2d(wide, project[:, :, None, None])
            features = functional.conv2d(features, direct, convolution.bias, padding=padding) + added
            features = functional.relu(features) if number < 2 else features
        return functional.pixel_shuffle(features, 2)

    collapse(network, plain)
    image = torch.rand(2, 1, 9, 8, dtype=torch.float64)
    with torch.inference_mode():
        expected = run(image)
        for one in (network, plain):
            assert (one.trunk.residual(image) - expected).abs().max() < 1e-13
    assert not any("parametrizations" in name for name in plain.state_dict())


def test_gradients_reach_every_tensor() -> None:
    network = network_of(Plain(channels=4, layers=1, unshuffle=2))
    use_training_form(network, 7)
    stir(network)
    network.trunk(torch.rand(1, 1, 8, 8, dtype=torch.float64)).square().mean().backward()
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    # A kernel, its wide twin and its projection, and the bias, of three layers.
    assert len(gradients) == 12
    assert all(gradient is not None and gradient.abs().max() > 0 for gradient in gradients.values())


def test_noise_is_as_wide_as_the_steps_of_the_collapsed_kernel() -> None:
    network = network_of(Plain(channels=4, layers=0)).float()
    use_training_form(network, 7)
    first = network.trunk.convolutions[0]
    original, _, project = parts_of(first)
    with torch.no_grad():
        project.fill_(100.0)
    set_noise(network, 1.0, seed=0)
    # Without an input's own noise, what differs between two calls is the noise of the weights.
    first.train()
    image = torch.zeros(1, 1, 9, 9)
    image[..., 4, 4] = 1.0
    results = torch.stack([first(image)[0, :, 3:6, 3:6] for _ in range(200)])
    spread = (results - results.mean(0)).abs().amax((0, 2, 3)).detach()
    steps = first.weight.detach().abs().amax((1, 2, 3)) / 127
    assert (spread > 0.35 * steps).all()
    assert (steps > 10 * original.detach().abs().amax((1, 2, 3)) / 127).all()


@pytest.mark.parametrize("expansion", [0, 7])
def test_fsrcnn_trains_its_deconvolution(expansion: int) -> None:
    network = network_of(Fsrcnn(channels=(6, 3), layers=1))
    plain = deepcopy(network)
    assert use_training_form(network, expansion)
    last = network.trunk.convolutions[-1]
    assert last.get_parameter("parametrizations.weight.original").shape == (6, 1, 9, 9)
    assert not hasattr(network.trunk.convolutions[1], "parametrizations"), "1x1 has nothing to expand"
    stir(network)
    collapse(network, plain)
    # Phase (1, 1) of a 9x9 kernel has 4 x 4 taps.
    kernels = plain.trunk.convolutions[-1].weight[3]
    assert not kernels[:, 0].any() and not kernels[:, :, 0].any() and kernels[:, 1:, 1:].all()
    image = torch.rand(1, 1, 6, 5, dtype=torch.float64)
    assert torch.allclose(network.trunk(image), plain.trunk(image), atol=1e-14)


def test_plain_networks_without_expansion_have_no_training_form() -> None:
    assert not use_training_form(network_of(Plain(channels=4, layers=1)), 0)
