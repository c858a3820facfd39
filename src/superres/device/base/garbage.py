"""Python's garbage collector, which looks through all that libraries make when they are imported."""

import atexit
import gc
from typing import Optional


def spare_imports(collect_after: Optional[int] = None) -> None:
    """Keep what exists out of the collector's sight, now and when the process ends.

    Half a million objects of PyTorch alone live to the end anyway; looking
    through them at exit takes half as long as their import. The collector
    starts after `collect_after` new objects; None leaves that to Python.
    """
    gc.freeze()
    if collect_after is not None:
        gc.set_threshold(collect_after)
    atexit.register(gc.freeze)
