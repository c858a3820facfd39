"""Ranges of activations. Doors: `observation.observe_activations`, `calibrate.calibrate_ranges`.

calibration.py  the images of a calibration
observation.py  one pass of images through a graph: extremes and histograms of its tensors
histogram.py    a histogram of magnitudes
methods.py      from a histogram to a range; one function for each method with images
calibrate.py    writes the ranges of a calibration
record.py       the ranges file: how a graph is quantised
cache.py        TensorRT's calibration caches
"""
