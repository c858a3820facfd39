"""The largest values of INT8 and UINT8, which ranges, graphs, caches and the noise of training share."""

INT8_MAX = 127
"""Largest int8 value of a symmetric range; -128 is not used."""

UINT8_MAX = 255
"""Largest uint8 value: steps between the ends of an asymmetric range."""
