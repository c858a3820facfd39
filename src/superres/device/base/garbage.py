"""Python's garbage collector, which looks through all that libraries make when they are imported."""

import atexit
import gc


def spare_imports() -> None:
    """Keep what exists out of the collector's sight, now and when the process ends.

    Half a million objects of PyTorch alone live to the end anyway; looking through them at exit takes as long
    as half of its import.
    """
    gc.freeze()
    atexit.register(gc.freeze)
