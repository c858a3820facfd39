"""The keys of a study, each written once: type, bounds, default and description.

data.py          packages, files, clips, calibration sets and training sets
quantization.py  recipes, settings of their steps, sweep, sensitivity
models.py        models and how they are trained
arms.py          runtimes, targets, arms and how they are timed
report.py        tables, pictures and a video to upscale
study.py         the study itself

Settings that a room needs stand in that room and are keys as they are: kinds of sources, trainings,
calibrations, steps, devices.
"""
