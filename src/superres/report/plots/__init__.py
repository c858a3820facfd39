"""Plots as SVG and PNG, mostly in greys, with the same bytes at every run; call `registry.draw`.

registry.py  every plot by its name, with its inputs, function and caption
figures.py   style, files and labels that all plots share
arms.py      psnr_fps, fps: from metrics.csv
losses.py    int8_loss: from metrics.csv
places.py    rows of metrics.csv, and the panels that they belong to
curves.py    images: error added over calibration images, from evaluation.csv; training: over its steps
layers.py    sensitivity, frontier: layers in INT8 and float; operations: their times, from profile.csv
graphs.py    graph, graphs: networks operator by operator, from ONNX; graph_panel.py draws one of them
layered.py   places of the boxes of any directed graph
samples.py   samples: a detail of a frame in every precision
"""

import os

# Before matplotlib is imported: the user's backend may exist in a notebook only, and the user's file of
# settings may be broken. A figure depends on neither (`figures.style`).
os.environ.update(MPLBACKEND="agg", MATPLOTLIBRC=os.devnull)
