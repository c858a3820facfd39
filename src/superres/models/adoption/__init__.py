"""Adopt a network of others: bring any super-resolution ONNX file to the pipeline's contract, in the graph.

checkpoint.py DOOR `export_checkpoint`: a checkpoint of PyTorch as such a file, by spandrel
adopt.py      DOOR `adopt_onnx`, `adopt_as_is`: the steps in their order, and the record of what was found
statements.py what a study may state of a network; light
ends.py       inputs, outputs, layout and types of a foreign graph
rewriting.py  opsets, half floats, transposed convolutions, sizes that were fixed at export
sizes.py      fixed sizes made dynamic, multiples, the scale
quantized.py  the float form of a graph that is quantised already
reach.py      how far a network of one size looks: the overlap of its tiles
reading.py    ways to feed a network with a picture
choice.py     the way that is taken, by a photograph
grown.py      a foreign graph to which nodes are added
contract.py   the nodes around the network: colours, ranges, padding, a clip
"""
