"""The networks, their training and their export.

Doors: `training.train.train_model`, `export.export_onnx`, `export.export_program`,
`graphs.uint8.forms.write_form`.

settings.py       the built-in models, and what a study can set about a network and its training (light)
networks.py       the networks
colour.py         RGB to YCbCr and back
interpolation.py  doubling by linear kernels
folding.py        a network for luma as convolutions on RGB alone
weights.py        safetensors files; weights/ has the trained ones
export.py         a network as ONNX, or as a program of PyTorch
training/         the loop and what it asks at each step
graphs/           reading, editing and writing ONNX
"""
