"""Plots as SVG and PNG, in greys, the same bytes at every run; the door is `registry.draw`.

registry.py    every plot by its name, with what it is drawn from
figures.py     style, files and labels that all share
arms.py        psnr_fps, int8_loss, fps: from metrics.csv
images.py      images: loss over the number of calibration images, from evaluation.csv
layers.py      sensitivity, frontier: layers in INT8 and in float
operations.py  operations: their times, from profile.csv
samples.py     samples: a detail of a frame, in every precision
training.py    training: loss and validation over steps
"""
