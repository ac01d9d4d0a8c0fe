"""Differences, ranks and hard clips of rows, against straight loops."""

from collections import Counter

import numpy as np
import pytest

from merbench.analysis.standing import Standing
from merbench.scoring.intervals import subject_draws
from merbench.scoring.metrics import unweighted_f1
from merbench.scoring.permutation import below_the_best
from merbench.scoring.table import pooled_confusion, subject_confusions


@pytest.fixture
def standing(record, answers, right, wrong):
    mixed = {name: (truth, "positive" if name.endswith("c1") else said) for name, (truth, said) in answers.items()}
    for method, given, seed in (("a", right, 0), ("b", answers, 0), ("b", mixed, 1), ("c", wrong, 0)):
        record(given, method=method, seed=seed)
    rows = record.rows()[0]
    assert [row.label for row in rows] == ["a", "b", "c"]
    return Standing(rows)


def test_differences_and_p_values_are_those_of_the_tables(standing):
    rows, classes = standing.rows, standing.classes
    uf1 = [
        np.mean([float(unweighted_f1(pooled_confusion(run.predictions, classes))) for run in row.runs]) for row in rows
    ]
    for one in range(3):
        for two in range(3):
            assert standing.difference(one, two)[0] == pytest.approx(uf1[one] - uf1[two])
    expected = below_the_best(np.stack([row.by_subject for row in rows]), 0, unweighted_f1)
    assert standing.p[0, 1:] == pytest.approx(expected[1:])
    assert [row.p_best for row in rows][1:] == pytest.approx(list(expected[1:]))
    assert not standing.separated(0, 1)


def test_ranks_follow_from_the_draws(standing):
    drawn = []
    for row in standing.rows:
        counts, datasets = subject_confusions([run.predictions for run in row.runs], standing.classes)
        sizes = tuple(Counter(datasets).values())
        drawn.append([
            np.mean([float(unweighted_f1(np.tensordot(times, seed, axes=1))) for seed in counts])
            for times in subject_draws(sizes)
        ])  # fmt: skip
    firsts = np.zeros(3)
    for values in zip(*drawn, strict=True):
        leads = [place for place in range(3) if values[place] > max(values) - 1e-12]
        firsts[leads] += 1 / len(leads)
    assert [first for _, _, first in standing.ranks] == pytest.approx(firsts / len(drawn[0]))
    assert standing.ranks[0][:2] == (1, 1)
    assert all(1 <= low <= high <= 3 for low, high, _ in standing.ranks)


def test_hard_clips(standing):
    wrong = Counter()
    for row in standing.rows:
        for clip in {
            tuple(each) for run in row.runs for each in run.predictions[["dataset", "subject", "clip"]].to_numpy()
        }:
            missed = [
                (
                    run.predictions.set_index(["dataset", "subject", "clip"])
                    .loc[clip, ["truth", "predicted"]]
                    .nunique()
                    > 1
                )
                for run in row.runs
            ]
            wrong[clip] += sum(missed) > len(missed) / 2
    found = standing.hard_clips
    assert {tuple(each[:3]): each[4] for each in found.to_numpy().tolist()} == wrong
    assert found.wrong.is_monotonic_decreasing
