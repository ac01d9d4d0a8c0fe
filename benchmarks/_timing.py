"""Shared by the benchmarks: interleaved rounds, medians, ratios within one run; small copies of the release."""

import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

SHARED_RELEASE = Path(__file__).parents[2] / "shared" / "data" / "megc2019-flow28"


def interleaved(
    candidates: Mapping[str, Callable[[], object]],
    rounds: int,
    warm_up: bool = True,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Time each candidate once per round, in turn, after a warm-up round; return seconds, by name.

    Machines drift and neighbours make noise: only ratios between candidates of the same rounds mean anything. What runs
    on one thread beside other work is better timed by `time.process_time`.
    """
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for turn in range(-1 if warm_up else 0, rounds):
        for name, call in candidates.items():
            begin = clock()
            call()
            if turn >= 0:
                seconds[name].append(clock() - begin)
    return seconds


def print_ratios(seconds: Mapping[str, list[float]], baseline: str, unit: float = 1e3, name: str = "ms") -> None:
    """Print each candidate's median and range, and the median of its round-by-round ratio to the baseline."""
    print(f"{'':<44}{'median':>9} {name}{'min':>9}{'max':>9}{'baseline / it':>15}")
    for candidate, times in seconds.items():
        ratio = statistics.median(b / t for b, t in zip(seconds[baseline], times, strict=True))
        low, middle, high = (f(times) * unit for f in (min, statistics.median, max))
        print(f"{candidate:<44}{middle:>9.1f} {'':<{len(name)}}{low:>9.1f}{high:>9.1f}{ratio:>14.2f}x")
