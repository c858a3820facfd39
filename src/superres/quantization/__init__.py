"""From an FP32 graph to INT8.

Doors: `ranges.observation.observe_activations`, `ranges.calibrate.calibrate_ranges`,
`state.refine_onnx`, `qdq.quantize_onnx`, `tools.run.quantize_by_tool`.

settings.py       calibration methods, and the study keys of calibrations and steps (light)
recipes.py        all steps, and recipes of them (light)
state.py          runs a step; its input and output, and what steps share
qdq.py            which tensors of a graph get Q/DQ pairs: those around its convolutions and products
pairs.py          puts them into the graph
trainable.py      the quantised convolutions as a torch network, for qat
fraction_bits.py  power-of-two scales as fraction bits
grids.py          the values that levels of int8 or uint8 stand for
ranges/           statistics of activations, and the ranges that follow
steps/            one file for each step of a recipe
layers/           loss and time of single layers, and the layers that stay in float
tools/            one file for each quantiser of another project
"""
