"""Threads that make frames side by side."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import cv2

from superres.device.machine.facts import usable_cpus


@contextmanager
def frame_threads(number: int) -> Iterator[ThreadPoolExecutor]:
    """A pool of threads, at most one a processor; OpenCV adds none of its own where there are several."""
    workers = min(number, usable_cpus())
    before = cv2.getNumThreads()
    cv2.setNumThreads(1 if workers > 1 else before)
    try:
        with ThreadPoolExecutor(workers) as pool:
            try:
                yield pool
            finally:
                # After an error or an interrupt, nothing more is begun.
                pool.shutdown(cancel_futures=True)
    finally:
        cv2.setNumThreads(before)
