import torch
from torch import nn

from superres.models.training.optimizer import MatrixSoap


def convolution(seed: int = 0) -> nn.Conv2d:
    torch.manual_seed(seed)
    return nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def loss_of(conv: nn.Conv2d, seed: int) -> torch.Tensor:
    """Distance to a fixed convolution on images whose neighbouring pixels and channels are similar."""
    generator = torch.Generator().manual_seed(seed)
    smooth = torch.rand(8, 1, 3, 3, generator=generator).repeat_interleave(4, 2).repeat_interleave(4, 3)
    images = smooth + 0.05 * torch.rand(8, 3, 12, 12, generator=generator)
    target = convolution(9)
    return (conv(images) - target(images).detach()).square().mean()


def train(conv: nn.Conv2d, optimizer: MatrixSoap | torch.optim.Optimizer, steps: range) -> float:
    for step in steps:
        optimizer.zero_grad()
        loss_of(conv, step).backward()
        optimizer.step()
    return loss_of(conv, 10_000).item()


def test_it_sees_the_correlations_that_adam_does_not() -> None:
    soap, adam = convolution(), convolution()
    of_soap = train(soap, MatrixSoap(soap.parameters(), 0.01, 5), range(400))
    of_adam = train(adam, torch.optim.Adam(adam.parameters(), 0.01), range(400))
    assert of_soap < of_adam / 10


def test_learning_rate_zero_changes_nothing() -> None:
    conv = convolution()
    optimizer = MatrixSoap(conv.parameters(), 0.01, 5)
    optimizer.set_learning_rate(0.0)
    train(conv, optimizer, range(4))
    assert torch.equal(conv.weight, convolution().weight)


def test_a_saved_state_goes_on_to_the_same_bits() -> None:
    whole, first = convolution(), convolution()
    train(whole, MatrixSoap(whole.parameters(), 0.01, 3), range(12))
    optimizer = MatrixSoap(first.parameters(), 0.01, 3)
    train(first, optimizer, range(7))
    second = convolution(1)
    second.load_state_dict(first.state_dict())
    resumed = MatrixSoap(second.parameters(), 0.01, 3)
    resumed.load_state_dict(optimizer.state_dict())
    train(second, resumed, range(7, 12))
    assert torch.equal(second.weight, whole.weight)
