"""Level of the paired permutation test over subjects: the nominal level is 5 %.

Two simulated methods of the same kind predict the same simulated subjects, with the clip counts of MEGC 2019: the
share of pairs with p < .05. For tables of several such methods: the share in which any row is marked as below the best,
by Holm over all pairs of rows, as in ``merbench compare``, and by Holm over the best row's own comparisons only.
"""

import argparse

import numpy as np
from _subjects import METHODS, answered, drawn, real_subjects

from merbench.scoring.metrics import unweighted_f1
from merbench.scoring.permutation import SIGNIFICANT, below_the_best, holm, permutation_tests

SETTINGS = {
    "16 subjects, 1 seed each": (("smic-hs",), (1, 1)),
    "28 subjects, 1 seed each": (("samm",), (1, 1)),
    "68 subjects, 1 seed each": (("casme2", "samm", "smic-hs"), (1, 1)),
    "28 subjects, 1 seed and 5": (("samm",), (1, 5)),
}


def rows(rng: np.random.Generator, datasets: tuple[str, ...], method: str, seeds: tuple[int, ...]) -> np.ndarray:
    """Predict the same subjects with equally good methods: (n_rows, n_subjects, 3, 3), averaged over seeds."""
    pools = [real_subjects()[dataset] for dataset in datasets]
    clips, own = drawn(rng, pools, tuple(map(len, pools)))
    return np.stack([answered(rng, clips, own, method, n).mean(axis=0) for n in seeds])


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--long", action="store_true", help="ten times as many simulated tables")
    times = 10 if parser.parse_args().long else 1
    rng = np.random.default_rng(0)
    pairs, tables = 400 * times, 100 * times
    print(f"p < {SIGNIFICANT} for two equally good methods, {pairs} pairs each (nominal level .05)")
    print(f"{'':<28}" + "".join(f"{name:>18}" for name in METHODS))
    for name, (datasets, seeds) in SETTINGS.items():
        found = []
        for method in METHODS:
            drawn_rows = (rows(rng, datasets, method, seeds) for _ in range(pairs))
            p = [permutation_tests(pair, unweighted_f1)[0, 1] for pair in drawn_rows]
            found.append(np.mean(np.array(p) < SIGNIFICANT))
        print(f"{name:<28}" + "".join(f"{share:>18.3f}" for share in found), flush=True)
    print(f"\nany of n equally good rows marked as below the best, {tables} tables of 68 subjects each")
    print(f"{'rows':<10}{'Holm, all pairs':>18}{'Holm, with the best only':>28}")
    for count in (3, 8, 20):
        marked = []
        for _ in range(tables):
            table = rows(rng, ("casme2", "samm", "smic-hs"), "middling", (1,) * count)
            best = int(unweighted_f1(table.sum(axis=1)).argmax())
            others = np.arange(count) != best
            alone = holm(permutation_tests(table, unweighted_f1)[best, others])
            both = (below_the_best(table, best, unweighted_f1)[others], alone)
            marked.append([bool((p < SIGNIFICANT).any()) for p in both])
        shares = np.mean(marked, axis=0)
        print(f"{count:<10}{shares[0]:>18.3f}{shares[1]:>28.3f}", flush=True)


if __name__ == "__main__":
    main()
