"""The keys of a study, each written once: type, bounds, default and description.

data.py          packages, files, clips, calibration sets and training sets
quantization.py  calibrations, recipes, steps, sweep, sensitivity
models.py        models and how they are trained
arms.py          runtimes, targets, arms and how they are timed
report.py        tables, pictures and a video to upscale
study.py         the study itself

Models of settings that a room has stand in that room: kinds of sources, trainings, steps, devices.
"""
