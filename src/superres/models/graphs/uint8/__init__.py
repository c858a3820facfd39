"""Forms of a graph on uint8 frames. Door: `forms.write_form`.

forms.py          the form of each runtime, and the function that writes it (light)
blocks.py         blocks of pixels as output; the runtime turns them into a frame
levels.py         blocks, for the INT8 kernels of ONNX Runtime
channels_last.py  blocks, for the convolutions of OpenVINO
casts.py          frames and casts, for TensorRT

A network that doesn't end in blocks gets frames on both sides: `graphs.editor.frame_graph`.
"""
