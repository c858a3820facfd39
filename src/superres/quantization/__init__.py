"""From an FP32 graph to INT8.

Doors: `ranges.observation.observe_activations`, `ranges.calibrate.calibrate_ranges`,
`steps.base.refine_onnx`, `qdq.quantize_onnx`, `tools.run.quantize_by_tool`.

settings.py  methods of calibration, and what a study can set about calibrations and steps (light)
recipes.py   the steps that there are, and recipes of them (light)
qdq.py       Q/DQ pairs around the convolutions of a graph
ranges/      what was seen of activations, and the ranges that follow
steps/       one file for each step of a recipe
layers/      what each layer loses, and which stay in float
tools/       one file for each quantiser of others
"""
