"""ONNX graphs: read, edit, write.

onnx_file.py  reads and writes files, and finds the convolutions in a graph
editor.py     edits a graph in place, and gives it uint8 frames as ends
fp16.py       FP16 written into the file
uint8/        faster forms of a graph on uint8 frames
"""
