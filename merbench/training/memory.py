"""Memory of small nets on a CPU: large maps that are freed and allocated again at every step."""

import ctypes
import sys
from functools import cache

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # malloc.h of glibc


@cache
def keep_freed_memory() -> bool:
    """Let glibc keep freed blocks for the next step instead of handing the pages back and faulting them in again.

    It holds for the whole process, changes no number, and nearly halves the step time of a shallow net with large maps
    (``benchmarks/ststnet_fold.py``). Returns False, and does nothing, if the C library is not glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False
    return all([mallopt(_M_MMAP_MAX, 0), mallopt(_M_TRIM_THRESHOLD, 2**31 - 1), mallopt(_M_TOP_PAD, 64 * 2**20)])
