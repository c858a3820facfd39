"""Steps of recipes: each module has `apply`, which makes a new graph and ranges; `state.refine_onnx` runs it.

center.py         int8 that holds the 256 levels of a frame
asymmetric.py     uint8 activations
pertensor.py      one scale for all weights of a convolution
reducerange.py    fewer levels for weights
equalize.py       channels scaled so neighbouring convolutions use their levels equally well
bias.py           biases that correct the mean error of rounding
adaround.py       weights rounded by the effect on a layer's output
anchor.py         the interpolation that a network's output is added to
qat.py            fine-tuning with the rounding of INT8 in the network
pow2.py           power-of-two scales by range
pow2search.py     power-of-two scales by search
mixed.py          layers in float within a budget of dB
"""
