"""The networks, their training and their export.

Doors: `training.train.train_model`, `export.export_onnx`, `export.export_program`,
`graphs.uint8.forms.write_form`.

settings.py       the built-in models, and the study keys of a network and its training (light)
architectures.py  networks as lists of their layers, which are study keys (light)
networks.py       the networks
operations.py     their fixed operations: colour conversion, interpolation by two
folding.py        a network for luma as convolutions on RGB alone
weights.py        safetensors files; weights/ has the trained ones
export.py         a network as ONNX, or as a program of PyTorch
training/         the training loop and its parts
graphs/           reading, editing and writing ONNX
"""
