"""Training forms of a network's convolutions: kernels that are computed from other tensors at each step.

torch's parametrizations do the work: `weight` of a convolution becomes a function of what is trained, and all
that reads it (the noise of INT8 too) sees the plain kernel. Its cost doesn't depend on the patches.
"""

from operator import attrgetter

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import register_parametrization

from superres.models.architectures import Fsrcnn
from superres.models.networks import Network
from superres.models.operations import deconvolution_of, phase_kernels


class Expanded(nn.Module):
    """A kernel plus a wide kernel behind a 1x1 convolution: W + P K, with nothing but linear layers.

    They are the first two branches of ECBSR's block (Zhang et al., ACM MM 2021), collapsed at each step as in
    SESR (Bhardwaj et al., MLSys 2022). `project` begins at zero: training starts at the plain kernel.
    """

    def __init__(self, weight: Tensor, width: int):
        super().__init__()
        outputs, inputs, *size = weight.shape
        self.expand = nn.Parameter(weight.new_empty(width, inputs, *size))
        nn.init.kaiming_normal_(self.expand, nonlinearity="linear")
        self.project = nn.Parameter(weight.new_zeros(outputs, width))

    def forward(self, weight: Tensor) -> Tensor:
        wide = torch.einsum("oe,eiyx->oiyx", self.project, self.expand)
        return (weight + wide).contiguous(memory_format=torch.channels_last)


class Deconvolution(nn.Module):
    """The kernel of a convolution before DepthToSpace, from that of a deconvolution by a scale."""

    def __init__(self, scale: int):
        super().__init__()
        self.scale = scale

    def forward(self, weight: Tensor) -> Tensor:
        return phase_kernels(weight, self.scale).contiguous(memory_format=torch.channels_last)

    def right_inverse(self, kernels: Tensor) -> Tensor:
        """Return the weights of the deconvolution."""
        return deconvolution_of(kernels, self.scale)


def use_training_form(network: Network, expansion: int) -> bool:
    """Give a network's convolutions their training form, in place; return whether any has one.

    FSRCNN trains its deconvolution. All other kernels larger than 1x1 are expanded to `expansion` channels,
    none with 0.
    """
    *inner, last = network.trunk.convolutions
    architecture = network.trunk.architecture
    if isinstance(architecture, Fsrcnn):
        register_parametrization(last, "weight", Deconvolution(architecture.scale))
    else:
        inner.append(last)
    wide = [convolution for convolution in inner if expansion and convolution.kernel_size != (1, 1)]
    for convolution in wide:
        register_parametrization(convolution, "weight", Expanded(convolution.weight.detach(), expansion))
    return last not in inner or bool(wide)


@torch.no_grad()
def collapse(network: Network, plain: Network) -> None:
    """Copy a network in its training form to its plain twin."""
    for name, parameter in plain.named_parameters():
        parameter.copy_(attrgetter(name)(network))
