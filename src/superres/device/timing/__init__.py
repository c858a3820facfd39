"""Times of frames.

timing.py               one session in blocks of frames, or several in turn
reference_process.py    another arm's session in a process of its own
ratios.py               ratios of speeds, with intervals
"""
