"""Matrices of shares against all matrices of small counts."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cases import each
from support.refusals import refusal

from merbench.analysis.claims import percent_matrices
from merbench.analysis.claims.percent_matrices import check_shares, figures_of_shares, read_shares
from merbench.scoring.metrics import unweighted_f1


def rows_of(n, size):
    return [row for row in product(range(n + 1), repeat=size) if sum(row) == n]


def printed(matrix, digits):
    return "/".join(",".join(f"{100 * k / sum(row):.{digits}f}" for k in row) for row in matrix)


@given(st.lists(st.sampled_from(rows_of(7, 3) + rows_of(4, 3)), min_size=3, max_size=3), st.integers(0, 2))
def test_clips_that_fit_equal_brute_force(matrix, digits):
    rows, counts = read_shares(printed(matrix, digits)), [sum(row) for row in matrix]
    for row, of in zip(rows, check_shares(rows, "abc", counts), strict=True):
        for n in range(1, of.tried + 1):
            fits = any(all(c.low * n <= k <= c.high * n for k, c in zip(ks, row, strict=True)) for ks in rows_of(n, 3))
            assert fits == (n in of.fitting)
        assert of.fits


def test_figures_equal_brute_force_and_lie_within_the_bounds(monkeypatch):
    matrix, counts = ((5, 1, 1), (0, 3, 1), (2, 1, 4)), (7, 4, 7)
    rows = read_shares(printed(matrix, 0))

    def has(row, cells):
        return all(cell.low * sum(row) <= k <= cell.high * sum(row) for k, cell in zip(row, cells, strict=True))

    every = product(*(rows_of(n, 3) for n in counts))
    fitting = [m for m in every if all(has(row, cells) for row, cells in zip(m, rows, strict=True))]
    uf1 = [float(unweighted_f1(np.array(m))) for m in fitting]
    found = figures_of_shares(rows, counts)
    assert found["uf1"] == pytest.approx((min(uf1), max(uf1)))
    monkeypatch.setattr(percent_matrices, "_MOST", 0)
    bounds = figures_of_shares(rows, counts)
    assert all(
        bounds[name][0] <= low + 1e-12 and high <= bounds[name][1] + 1e-12 for name, (low, high) in found.items()
    )
    assert figures_of_shares(rows, (7, 4, 6)) == {}
    assert math.isclose(found["acc"][0], 12 / 18)


def test_matrices_that_are_not_of_shares_are_refused():
    for text in each(("", "50,50", "50,50/40", "60,50/50,50", "a,b/c,d", "-5,105/50,50")):
        assert "--matrix, row" in refusal(lambda text=text: read_shares(text))
