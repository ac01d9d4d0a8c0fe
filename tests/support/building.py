"""What processes build from clips; they import it."""

import multiprocessing
import os
import signal
import time

import numpy as np

from merbench.contracts.errors import DataError


def process_of(clip):
    """Return the number in the clip's name, and the process that builds it."""
    number = int(clip.name.rpartition("_")[2])
    if number % 10 == 3:
        raise DataError(f"{clip.name} shows no face")
    time.sleep(0.02)
    return np.array([number, os.getpid()])


def slowly(clip):
    """Write the process that builds a clip beside its frames unless it is a script's, and take its time."""
    if multiprocessing.parent_process() is not None:
        (next(iter(clip.files.values())).parent / f"{os.getpid()}.pid").touch()
    time.sleep(0.1)
    return np.zeros(3)


def dying(clip):
    """End the process, as a system without memory does, unless it is the first one."""
    if multiprocessing.parent_process() is not None:
        os.kill(os.getpid(), signal.SIGKILL)
    return np.zeros(3)
