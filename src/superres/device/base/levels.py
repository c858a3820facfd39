"""The levels of INT8, which ranges, graphs, caches and the noise of training share. Light: the workflow imports it."""

LEVELS = 127
"""Largest int8 level of a symmetric range; -128 is not used."""

UINT8_LEVELS = 255
"""Steps between the ends of an asymmetric range."""
