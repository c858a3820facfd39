"""What was imported is looked through neither by the garbage collector nor at the end of a process."""

import subprocess
import sys

PROGRAM = """
import atexit, gc
kept = [[] for _ in range(100_000)]
# Runs after the handler that comes later.
atexit.register(lambda: print(gc.get_freeze_count() > 200_000, len(gc.get_objects()) < 1_000))
from superres.device.base.garbage import spare_imports
spare_imports()
print(gc.get_freeze_count() > 100_000)
kept += [[] for _ in range(100_000)]
"""


def test_objects_are_out_of_the_collectors_sight_now_and_at_the_end():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True", "True"]


def test_garbage_that_comes_later_is_collected():
    program = """
import gc, weakref
from superres.device.base.garbage import spare_imports
spare_imports()
class Circle:
    def __init__(self):
        self.itself = self
circle = weakref.ref(Circle())
gc.collect()
print(circle() is None)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
