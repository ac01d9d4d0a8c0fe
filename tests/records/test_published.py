import re
from importlib.resources import files
from itertools import pairwise, product

import numpy as np
import pandas as pd
import pytest
from support.cases import each

from merbench.engine.plan.catalogue import PROTOCOLS
from merbench.records.published import claims, published

COUNTS = {"smic-hs": (70, 51, 43), "casme2": (88, 32, 25), "samm": (92, 26, 15)}  # negative, positive, surprise
KINDS = ["reported", "recomputed", "reproduced"]


@pytest.fixture(scope="module")
def figures():
    return published()[0]


def test_the_table_has_the_documented_columns_and_values(figures):
    expected = ["protocol", "part", "method", "year", "kind", "acc", "uf1", "uar", "source", "remarks"]
    assert list(figures.columns) == expected
    assert set(figures.kind) == set(KINDS)
    values = figures[["acc", "uf1", "uar"]]
    assert (values.isna() | ((values >= 0) & (values <= 1))).all(axis=None)
    assert values.notna().any(axis=1).all()
    assert figures.source.str.strip().astype(bool).all()
    assert not figures.duplicated(["protocol", "part", "method", "kind"]).any()
    for protocol, rows in figures.groupby("protocol"):
        assert set(rows.part) <= set(PROTOCOLS.get(protocol).parts)
    assert set(figures[figures.protocol == "megc2019"].part) == set(PROTOCOLS.get("megc2019").parts)
    explained = published()[1]
    assert {code for codes in figures.remarks for code in codes.split()} == set(explained)
    assert all(sentence.endswith(".") for sentence in explained.values())
    assert all(len(set(codes.split())) == len(codes.split()) for codes in figures.remarks)
    for code, decimals in {"two-decimals": 2, "three-decimals": 3}.items():
        rounded = figures[figures.remarks.str.split().map(lambda codes, code=code: code in codes)][["uf1", "uar"]]
        assert len(rounded)
        assert (rounded.fillna(0) == rounded.fillna(0).round(decimals)).all(axis=None)


def test_rows_are_sorted_by_kind_year_method_and_part(figures):
    parts = {name: list(PROTOCOLS.get(name).parts) for name in figures.protocol.unique()}
    years = figures.year.fillna(9999).astype(int)  # rows whose year is unknown come last
    keys = [
        (row.protocol, KINDS.index(row.kind), year, row.method.casefold(), parts[row.protocol].index(row.part))
        for row, year in zip(figures.itertuples(), years, strict=True)
    ]
    assert all(before < after for before, after in pairwise(keys))


def test_only_ststnets_published_uar_is_marked_as_precision(figures):
    marked = figures[figures.remarks.str.split().map(lambda codes: "uar-is-precision" in codes)]
    assert set(marked.part) == set(PROTOCOLS.get("megc2019").parts)
    assert set(zip(marked.method, marked.kind, strict=True)) == {("STSTNet", "reported")}
    recomputed = figures[(figures.method == "STSTNet") & (figures.kind == "recomputed")]
    assert len(recomputed) == 4
    for uar in recomputed.uar:
        assert f"{uar:.4f}"[1:] in published()[1]["uar-is-precision"]


def reachable_uf1(counts, uar, within=0.00005):
    """Smallest and largest UF1 over all 3x3 confusion matrices with these row sums whose UAR rounds to `uar`.

    A matrix is its diagonal and one free entry a row; given the diagonal, all choices of the free entries are scored.
    """
    rows = np.array(counts)
    diagonals = np.indices(rows + 1).reshape(3, -1).T
    diagonals = diagonals[np.abs((diagonals / rows).mean(axis=1) - uar) <= within + 1e-12]
    low, high = np.inf, -np.inf
    for right in diagonals:
        wrong = rows - right
        to_2, to_3, to_1 = np.ogrid[tuple(slice(n + 1) for n in wrong)]  # row 1 -> 2, row 2 -> 3, row 3 -> 1
        false = (wrong[1] - to_3 + to_1, to_2 + wrong[2] - to_1, wrong[0] - to_2 + to_3)
        uf1 = sum(2 * tp / (2 * tp + fp + fn) for tp, fp, fn in zip(right, false, wrong, strict=True)) / 3
        low, high = min(low, uf1.min()), max(high, uf1.max())
    return low, high


def test_pairs_out_of_reach_are_called_impossible(figures):
    rows = figures[(figures.protocol == "megc2019") & figures.part.isin(list(COUNTS))]
    pairs = rows[rows.uf1.notna() & rows.uar.notna() & rows.acc.isna()]
    marked, out_of_reach = set(), set()
    for row in pairs.itertuples():
        codes = set(row.remarks.split())
        half = 0.005 if "two-decimals" in codes else 0.0005 if "three-decimals" in codes else 0.00005
        if codes & {"uar-derived", "clips-435", "from-percent-matrix"}:
            continue
        low, high = reachable_uf1(COUNTS[row.part], row.uar, half)
        verdict = claims()["megc2019", row.part, row.method, row.kind]["verdict"]
        if not low - half <= row.uf1 <= high + half:
            out_of_reach.add((row.method, row.part))
            assert verdict == "impossible"
        if "impossible-pair" in codes:
            marked.add((row.method, row.part))
            assert verdict == "impossible"
    assert marked == {("LBP-TOP", "smic-hs"), ("RCN-A", "casme2"), ("RCN-A", "samm")}
    assert marked <= out_of_reach
    low, _ = reachable_uf1(COUNTS["smic-hs"], 0.5280)
    assert low > 0.35
    assert f"{low:.4f}"[1:] in published()[1]["impossible-pair"]


#: A table of a paper, a repository, an address, an arXiv number, or a note that was read in place of the paper.
SOURCE = (
    r"paper, Table [IVX\d]+|paper, comparison table|[\w.-]+/[\w.*-]+|arXiv \d{4}\.\d{5}|read in a note on [\w-]+ \(|"
    r"README of [\w-]+|dannyFan-0201|repository of the same laboratory"
)


def test_sources_say_where_a_figure_can_be_read_and_exclusions_why(figures):
    excluded = pd.read_csv(files("merbench.results") / "published/excluded.csv", dtype=str)
    assert len(figures) + len(excluded) > 700
    assert excluded.reason.notna().all()
    for source in each(sorted({*figures.source, *excluded.source})):
        assert re.search(SOURCE, source)
        assert not re.search(r"these notes|SECONDARY|public code\)|^\W|[\s.,;:]$", source)
        assert source.count("(") == source.count(")")


def test_the_search_finds_the_extremes_of_all_matrices():
    counts = (3, 2, 4)
    matrices = np.array(list(product(*(_rows_summing_to(n) for n in counts))))
    right = matrices.diagonal(axis1=1, axis2=2)
    uf1 = (2 * right / (matrices.sum(axis=1) + matrices.sum(axis=2))).mean(axis=1)
    uars = (right / counts).mean(axis=1)
    for uar in np.unique(uars):
        found = uf1[np.isclose(uars, uar)]
        assert reachable_uf1(counts, uar) == pytest.approx((found.min(), found.max()))


def _rows_summing_to(total):
    return [(a, b, total - a - b) for a in range(total + 1) for b in range(total + 1 - a)]
