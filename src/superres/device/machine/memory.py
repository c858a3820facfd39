"""Memory of this process: how much it took, and one setting of
the C library that decides half of PyTorch's speed on a CPU.
"""

import ctypes
import sys
from typing import Optional

# <malloc.h> of glibc
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT_BYTES = 1 << 30


def keep_freed_memory() -> bool:
    """Have malloc keep freed blocks of up to 1 GiB for the next request, in this process; False if it can't.

    A training step frees and takes the same activations again, and so does every
    frame of a network that PyTorch runs layer by layer. By default glibc hands blocks
    of several MB back to the kernel and then pays a page fault for each 4 KiB of the
    next. Only glibc has this setting; elsewhere nothing changes but the speed.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    results = [mallopt(M_MMAP_THRESHOLD, KEPT_BYTES), mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)]
    return all(results)


def peak_memory_bytes() -> Optional[int]:
    """The most memory (resident set) that this process ever held; None where the system doesn't tell."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Kilobytes, but on macOS bytes.
    return peak if sys.platform == "darwin" else peak * 1024
