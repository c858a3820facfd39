"""Quantisers of other projects: each module has `quantize`, from an FP32 graph to its own Q/DQ graph.

run.py          runs one and records its settings; door: `quantize_by_tool`
onnxruntime.py  ONNX Runtime's static quantiser
nncf.py         OpenVINO's quantiser
"""
