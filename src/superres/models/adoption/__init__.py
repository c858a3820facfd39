"""Adopt a network of others: bring any super-resolution ONNX file to the pipeline's contract, in the graph.

adopt.py      DOOR `adopt_onnx`: the steps in their order, and the record of what was found
checkpoint.py DOOR `export_checkpoint`: a checkpoint of PyTorch as such a file, by spandrel
statements.py what a study may state of a network; light
ends.py       inputs, outputs, layout and types of a foreign graph
rewriting.py  opsets, half floats, transposed convolutions, sizes that were fixed at export
sizes.py      fixed sizes made dynamic, multiples, the scale
reading.py    ways to feed a network with a photograph, and how well each does
contract.py   the nodes around the network: colours, ranges, padding, a clip
"""
