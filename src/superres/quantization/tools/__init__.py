"""Quantisers of others: each module has `quantize`, an FP32 graph in and its own Q/DQ graph out.

run.py          runs one and writes down what it was given; door: `quantize_by_tool`
onnxruntime.py  ONNX Runtime's static quantiser
nncf.py         OpenVINO's quantiser
"""
