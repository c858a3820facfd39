"""Forms of a graph on uint8 frames. Door: `forms.write_form`.

forms.py          which form each runtime gets, and what writes it (light)
blocks.py         blocks of pixels come out; the runtime makes a frame of them
levels.py         blocks, for the INT8 kernels of ONNX Runtime
channels_last.py  blocks, for the convolutions of OpenVINO
casts.py          frames behind casts, for TensorRT
frames.py         frames on both sides, of networks that don't end in blocks
"""
