"""ONNX graphs: read, edit, write.

onnx_file.py  reads and writes files, and finds the convolutions in a graph
shapes.py     shapes of a graph's tensors, those of sizes that it computes itself too
layer_counts.py  multiply-adds of layers, and which of them are quantised
footprint.py  memory for a pixel, and how far a result looks
editor.py     edits a graph in place, and gives it uint8 frames as ends
outline.py    what a reader wants to see of a graph: boxes, arrows, Q/DQ pairs as marks
operator_words.py  words and groups of operators
repeats.py    folds repeated blocks of an outline
fp16.py       FP16 written into the file
uint8/        faster forms of a graph on uint8 frames
"""
