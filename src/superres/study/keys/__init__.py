"""The keys of a study, each written once: type, bounds, default and description.

data.py          packages, files, clips, calibration sets and training sets
quantization.py  recipes, settings of their steps, sweep, sensitivity
models.py        models and their training
arms.py          arms, runtimes, and how arms are measured
report.py        tables, pictures and a video to upscale
study.py         the study itself

Settings that another room needs are defined there: kinds of sources, trainings, calibrations, steps, devices.
"""
