"""Figures of AU detection against values worked out by hand, and against scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score, recall_score

from merbench.scoring.detection import shown_f1, subject_unit_counts
from merbench.scoring.table import part_scores

PARTS = {"full": "Full", "mean": "Mean of databases", "a": "A", "b": "B"}
UNITS = ("4", "12")

# dataset, subject, truth of 4, score of 4, truth of 12, score of 12
ROWS = [
    ("a", "1", 1, 0.5, 0, -1),  # 4: hit
    ("a", "1", 1, -0.5, 0, 2),  # 4: missed;  12: false alarm
    ("a", "2", 0, 0.5, 1, 1),  # 4: false alarm;  12: hit
    ("b", "1", 1, 1.0, 0, -1),  # 4: hit
    ("b", "3", None, 9.0, 0, 1),  # 4: not known;  12: false alarm
    ("b", "3", 0, 0.0, None, 5),  # 0 is not above 0: 4 is rejected;  12: not known
]


def _table(rows=ROWS):
    frame = pd.DataFrame(rows, columns=["dataset", "subject", "truth_4", "score_4", "truth_12", "score_12"])
    frame.insert(2, "clip", [f"c{number}" for number in range(len(frame))])
    return frame.astype({"truth_4": "Float64", "truth_12": "Float64"})


def test_clips_are_counted_where_the_truth_is_known():
    counts, datasets = subject_unit_counts([_table()], UNITS)
    assert datasets == ["a", "a", "b", "b"]
    assert counts.shape == (1, 2, 4, 2, 2)
    assert counts[0].sum(axis=1).tolist() == [[[1, 1], [1, 2]], [[2, 2], [0, 1]]]
    assert counts[0, 0, 3].tolist() == [[1, 0], [0, 0]]


def test_the_figures_are_those_worked_out_by_hand():
    full, mean, a, b = part_scores([_table()], UNITS, PARTS, "au-detection")
    f1_4, f1_12 = 2 * 2 / (2 * 2 + 1 + 1), 2 * 1 / (2 * 1 + 2 + 0)
    assert full.uf1 == pytest.approx((f1_4 + f1_12) / 2)
    assert full.uar == pytest.approx(((1 / 2 + 2 / 3) / 2 + (2 / 4 + 1) / 2) / 2)
    assert full.acc == pytest.approx((3 / 5 + 3 / 5) / 2)
    assert a.uf1 == pytest.approx((2 / 4 + 2 / 3) / 2)
    assert b.uf1 == pytest.approx((1 + 0) / 2)  # 12 is never shown in b, and counts 0
    assert mean.uf1 == pytest.approx((a.uf1 + b.uf1) / 2)
    assert mean.uf1 != pytest.approx(full.uf1)
    assert b.uar == pytest.approx(1)  # of 4 alone: 12 is never shown in b, and who never says it would be right
    assert mean.uar == pytest.approx((a.uar + b.uar) / 2)
    assert [score.clips for score in (full, mean, a, b)] == [6, 6, 3, 3]
    assert [score.classes_scored for score in (full, mean, a, b)] == [2, 2, 2, 1]


def test_the_figures_are_scikit_learns():
    rng = np.random.default_rng(0)
    rows = [
        (rng.choice(["a", "b"]), str(rng.integers(5)), float(rng.random() < 0.3), rng.normal(),
         float(rng.random() < 0.5), rng.normal())
        for _ in range(80)
    ]  # fmt: skip
    table = _table(rows)
    full = part_scores([table], UNITS, PARTS, "au-detection")[0]
    truth, decided = ([table[f"{kind}_{unit}"].to_numpy(float) > 0 for unit in UNITS] for kind in ("truth", "score"))
    pairs = list(zip(truth, decided, strict=True))
    assert full.uf1 == pytest.approx(np.mean([f1_score(*pair) for pair in pairs]))
    assert full.uar == pytest.approx(np.mean([recall_score(*pair, average="macro") for pair in pairs]))
    assert full.acc == pytest.approx(np.mean([np.mean(t == d) for t, d in pairs]))
    assert full.uf1_interval.low < full.uf1 < full.uf1_interval.high


def test_constant_answers_have_the_uar_of_chance():
    def score(answer, first=0):
        rows = [("a", str(index), float(index < 3), answer, 0.0, answer) for index in range(first, 10)]
        return part_scores([_table(rows)], UNITS, {"full": "Full"}, "au-detection")[0]

    assert score(1.0).uf1 == pytest.approx((2 * 3 / 13 + 0) / 2)
    never, nothing = score(-1.0), score(-1.0, first=3)
    assert never.uar == pytest.approx(1 / 2)
    assert (never.uar_interval.low, never.uar_interval.high) == pytest.approx((1 / 2, 1 / 2))
    assert np.isnan([nothing.uar, nothing.uar_interval.low]).all()
    assert (nothing.uf1, nothing.acc) == (0, 1)
    assert shown_f1(np.array([[[5, 0], [0, 0]], [[0, 0], [0, 4]]])).tolist() == [0.0, 1.0]


def test_seeds_are_averaged_and_have_a_spread():
    turned = _table([(*row[:3], -row[3], row[4], row[5]) for row in ROWS])
    one, two, both, single = (
        part_scores(tables, UNITS, PARTS, "au-detection")[0]
        for tables in ([_table()], [turned], [_table(), turned], [_table(), _table(ROWS[:1])])
    )
    assert both.uf1 == pytest.approx((one.uf1 + two.uf1) / 2)
    assert both.seed_sd == pytest.approx(np.std([one.uf1, two.uf1], ddof=1))
    assert single.uar == pytest.approx(one.uar)  # a seed without a UAR does not count


def test_a_part_without_clips_has_no_figures():
    score = part_scores([_table()], UNITS, {"full": "Full", "c": "C"}, "au-detection")[1]
    assert (score.clips, score.classes_scored) == (0, 0)
    assert np.isnan(score.uf1)
