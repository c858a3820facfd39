"""The rounding of INT8 as torch can train through it."""

from typing import Any

import torch
from torch import Tensor


def fake_quantize(values: Tensor, scale: Tensor, low: int, high: int) -> Tensor:
    """scale * clip(round(values / scale), low, high), as QuantizeLinear and DequantizeLinear compute it in float32.

    `scale` is a scalar or, for weights O x I x kh x kw, O x 1 x 1 x 1; halves go to the even level. Gradients pass
    straight through the rounding, and end where values are clipped; `scale` gets that of S. Esser and
    others, "Learned Step Size Quantization", arXiv:1902.08153, equation 3, summed over what shares it.
    """
    return _Rounding.apply(values, scale, low, high)  # pyright: ignore[reportReturnType]


class _Rounding(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, scale: Tensor, low: int, high: int) -> Tensor:
        quotient = values / scale
        levels = quotient.round().clamp_(low, high)
        ctx.save_for_backward(quotient, levels, scale)
        return levels * scale

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        quotient, levels, scale = ctx.saved_tensors
        difference = quotient.sub_(levels)
        # A value that was rounded, not clipped, lies within half a level of its own.
        kept = difference.abs() <= 0.5
        of_scale = None
        if ctx.needs_input_grad[1]:
            slopes = torch.where(kept, difference.neg_(), levels).mul_(gradient)
            of_scale = slopes.sum() if scale.ndim == 0 else slopes.sum((1, 2, 3), keepdim=True)
        return (gradient * kept if ctx.needs_input_grad[0] else None), of_scale, None, None
