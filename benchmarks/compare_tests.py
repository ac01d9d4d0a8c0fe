"""Time the permutation tests of a table: 20 methods, 442 clips, 10,000 resamples, on one core."""

import argparse

import numpy as np
from _subjects import answered, drawn, real_subjects
from _timing import interleaved, print_ratios
from threadpoolctl import threadpool_limits

from merbench.scoring.metrics import unweighted_f1
from merbench.scoring.permutation import RESAMPLES, below_the_best, subject_swaps


def main() -> None:
    """Print the seconds for all pairs of a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    pools = list(real_subjects().values())
    clips = np.concatenate(pools)
    _, own = drawn(rng, [clips], (len(clips),))
    rows = np.concatenate([answered(rng, clips, own, "middling") for _ in range(options.methods)])
    best = int(unweighted_f1(rows.sum(axis=1)).argmax())

    def table() -> None:
        subject_swaps.cache_clear()
        below_the_best(rows, best, unweighted_f1)

    pairs = options.methods * (options.methods - 1) // 2
    print(f"{options.methods} methods, {pairs} pairs, {clips.sum()} clips, {RESAMPLES} resamples")
    with threadpool_limits(1):
        print_ratios(interleaved({"tests of all pairs": table}, options.rounds), "tests of all pairs", 1.0, "s")
    print("aim: under 5 s")


if __name__ == "__main__":
    main()
