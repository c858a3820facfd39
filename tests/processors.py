"""What this processor can't do, for tests that need it."""

import pytest

from superres.device.machine.facts import adds_in_16_bits, describe_machine

MACHINE = describe_machine()
FLAGS = frozenset(MACHINE["flags"])

exact_int8 = pytest.mark.skipif(
    adds_in_16_bits(MACHINE), reason="this processor adds two INT8 products in 16 bits: no VNNI"
)
"""For tests of INT8 convolutions with all levels of weights; those of `reducerange` run everywhere."""

openvino_bf16 = pytest.mark.skipif(
    not FLAGS & {"avx512f", "amx_bf16", "bf16"}, reason="OpenVINO has no BF16 on this processor"
)
