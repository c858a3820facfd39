"""Names and numbers that graphs, engines, ranges and training share."""

INPUT, OUTPUT = "frame", "upscaled"
"""Names of every graph's input and output."""

DEFAULT_SCALE = 2
"""How many times as wide and high a model makes a frame if nothing else is said: the paper's scale."""

IMPLICIT = "int8-trt-"
"""Prefix of the precisions that TensorRT calibrates itself."""

INT8_MAX = 127
"""Largest int8 value of a symmetric range; -128 is not used."""

UINT8_MAX = 255
"""Largest uint8 value: steps between the ends of an asymmetric range."""
