import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource
import numpy as np
from superres.device.machine.memory import keep_freed_memory
if {keep}:
    assert keep_freed_memory()
def take():
    np.ones(16 << 20, np.uint8)  # malloc's limit for mmap never grows past 32 MiB by itself
    np.ones(48 << 20, np.uint8)
take()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    take()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's malloc has the setting")
def test_blocks_taken_again_cost_no_page_faults() -> None:
    def faults(keep: bool) -> int:
        command = [sys.executable, "-c", PROGRAM.format(keep=keep)]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    # 48 MiB are 12,288 pages of 4 KiB, or 24 of 2 MiB, each time.
    assert faults(keep=True) < min(200, faults(keep=False))
