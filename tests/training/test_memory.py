import platform
import subprocess
import sys

import pytest

CODE = """
import resource
import numpy as np
from merbench.training.memory import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(30):
        np.ones(1_000_000)  # 8 MB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before = faults()
print(keep_freed_memory(), keep_freed_memory())
faults()
print(before, faults())
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="nothing is done with another C library")
def test_freed_blocks_are_reused_without_page_faults():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    answers, counts = done.stdout.splitlines()
    before, after = map(int, counts.split())
    assert answers == "True True"
    assert before > 100  # few where the system hands out huge pages
    assert after < before / 4
