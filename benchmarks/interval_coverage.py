"""Coverage of 95 % intervals over subjects, for simulated methods on simulated subjects.

New subjects are drawn each time with the clip counts of MEGC 2019, from one database or from all three; the true
figure is that of very many subjects. Four kinds of intervals: plain percentiles of the bootstrap; expanded percentiles,
which merbench uses; bias-corrected and accelerated (BCa); and studentised, by the linearised spread within each draw.
"""

import argparse

import numpy as np
from _subjects import METHODS, answered, drawn, real_subjects
from scipy.special import ndtr, ndtri

from merbench.scoring.intervals import subject_draws, tail
from merbench.scoring.metrics import unweighted_f1

SIZES = {
    "16 (SMIC)": ("smic-hs",),
    "24 (CASME II)": ("casme2",),
    "28 (SAMM)": ("samm",),
    "68 (all three)": ("smic-hs", "casme2", "samm"),
}
KINDS = ("percentile", "expanded", "BCa", "studentised")


def slope(confusions: np.ndarray) -> np.ndarray:
    """Return the derivative of UF1 by each cell of a confusion matrix, (..., 3, 3)."""
    hits, actual = np.diagonal(confusions, axis1=-2, axis2=-1), confusions.sum(axis=-1)
    total = np.maximum(actual + confusions.sum(axis=-2), 1)
    weight = (actual > 0) / np.maximum((actual > 0).sum(axis=-1, keepdims=True), 1)
    lost = weight * 2 * hits / total**2
    return np.eye(confusions.shape[-1]) * (2 * weight / total)[..., None] - lost[..., :, None] - lost[..., None, :]


def spread(slopes: np.ndarray, draws: np.ndarray, subjects: np.ndarray, sizes: tuple[int, ...]) -> np.ndarray:
    """Return the linearised standard error of each draw."""
    shares = slopes.reshape(len(slopes), -1) @ subjects.reshape(len(subjects), -1).T
    variance = np.zeros(len(slopes))
    for size, last in zip(sizes, np.cumsum(sizes), strict=True):
        times, share = draws[:, last - size : last], shares[:, last - size : last]
        middle = (times * share).sum(axis=1, keepdims=True) / size
        variance += size / (size - 1) * (times * (share - middle) ** 2).sum(axis=1)
    return np.sqrt(variance)


def intervals(rows: np.ndarray, sizes: tuple[int, ...]) -> list[tuple[float, float]]:
    """Return the interval of each kind for UF1 of one row, (1, n, 3, 3), or for the difference of two."""
    signs = np.array([1.0, -1.0])[: len(rows)]
    draws = subject_draws(sizes, 1000)
    pooled = np.tensordot(draws, rows, axes=([1], [1]))  # (draws, rows, 3, 3)
    values, point = unweighted_f1(pooled) @ signs, float(unweighted_f1(rows.sum(axis=1)) @ signs)
    plain = tuple(np.quantile(values, [0.025, 0.975]))
    expanded = tuple(np.quantile(values, [tail(sizes), 1 - tail(sizes)]))

    size = np.repeat(sizes, sizes)
    without = signs @ unweighted_f1(rows.sum(axis=1, keepdims=True) - rows)
    parts = np.split(without, np.cumsum(sizes)[:-1])
    middle = np.repeat([part.mean() for part in parts], sizes)
    influence = (middle - without) * (size - 1) / size
    skew = (influence**3).sum() / (6 * (influence**2).sum() ** 1.5)
    shift = ndtri(np.clip(((values < point).mean() + (values <= point).mean()) / 2, 1e-3, 1 - 1e-3))
    ends = [shift + z for z in (ndtri(0.025), ndtri(0.975))]
    corrected = tuple(np.quantile(values, [ndtr(shift + end / (1 - skew * end)) for end in ends]))

    subjects = np.moveaxis(rows, 1, 0)  # (n, rows, 3, 3)
    turned = signs[:, None, None]
    own = spread(slope(rows.sum(axis=1))[None] * turned, np.ones((1, len(size))), subjects, sizes).item()
    each = spread(slope(pooled) * turned, draws, subjects, sizes)
    ratio = (values - point)[each > 0] / each[each > 0]
    low, high = np.quantile(ratio, [0.025, 0.975])
    return [plain, expanded, corrected, (point - high * own, point - low * own)]


def main() -> None:
    """Print coverage and mean width of each kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--long", action="store_true", help="ten times as many simulated datasets")
    times = 3000 if parser.parse_args().long else 300
    print(f"coverage of 95 % intervals, and their mean width; {times} simulated datasets per line")
    print(f"{'subjects':<16}{'method':<34}{'true':>6}" + "".join(f"{kind:>18}" for kind in KINDS))
    real = real_subjects()
    for name, datasets in SIZES.items():
        pools = [real[dataset] for dataset in datasets]
        sizes = tuple(map(len, pools))
        for methods in [*((method,) for method in METHODS), ("strong", "middling")]:
            rng = np.random.default_rng(1)

            def simulate(scale: int = 1, pools=pools, sizes=sizes, methods=methods, rng=rng) -> np.ndarray:
                clips, own = drawn(rng, pools, tuple(size * scale for size in sizes))
                return np.concatenate([answered(rng, clips, own, method) for method in methods])

            signs = [1.0, -1.0][: len(methods)]
            true = float(unweighted_f1(simulate(3000).sum(axis=1)) @ signs)
            found = np.array([intervals(simulate(), sizes) for _ in range(times)])
            covers = ((found[..., 0] <= true) & (true <= found[..., 1])).mean(axis=0)
            widths = (found[..., 1] - found[..., 0]).mean(axis=0)
            cells = "".join(f"{cover:>10.3f} ({width:.3f})" for cover, width in zip(covers, widths, strict=True))
            print(f"{name:<16}{' minus '.join(methods):<34}{true:>6.3f}{cells}", flush=True)


if __name__ == "__main__":
    main()
