"""Steps of recipes: each module has `apply`, which makes a new graph and ranges. Door: `base.refine_onnx`.

base.py           takes a step; the state that goes in and comes out, and what steps share
center.py         int8 that holds the 256 levels of a frame
asymmetric.py     uint8 activations
pertensor.py      one scale for all weights of a convolution
equalize.py       channels scaled so that neighbouring convolutions use their levels equally well
bias.py           biases that take back the mean error of rounding
adaround.py       weights rounded by what it does to a layer's output
qat.py            fine-tuning with the rounding of INT8 in the network
trainable.py      the quantised convolutions as a torch network, for qat
pow2.py           power-of-two scales by range
pow2search.py     power-of-two scales by search
fraction_bits.py  power-of-two scales as fraction bits, for both
mixed.py          layers in float within a budget of dB
"""
