"""The grid of symmetric INT8, which ranges, graphs, caches and the noise of training share."""

LEVELS = 127
"""Largest int8 level of a symmetric range; -128 is not used."""
