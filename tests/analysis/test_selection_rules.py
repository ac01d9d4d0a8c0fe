"""Selection rules compared with loops over folds and epochs, and with the lift that chance must give."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom
from sklearn.metrics import accuracy_score, f1_score, recall_score

from merbench.analysis.audit import picked_epochs, selection_curves, selection_rows
from merbench.analysis.kept_epochs import Kept, Seed, disagreeing, picks
from merbench.analysis.selection_rules import RULES, fold_f1, running_best
from merbench.scoring.intervals import interval_of, subject_draws
from merbench.scoring.metrics import confusion_matrix
from merbench.scoring.paired import paired_difference
from merbench.scoring.table import part_scores

CLASSES = ("negative", "positive", "surprise")
EPOCHS = 9


def split(rng, groups):
    """Make clips; some people show a single class, as in the databases; folds are people, or two mixed groups."""
    rows = []
    for dataset, many in (("alpha", 6), ("beta", 5)):
        for subject in range(many):
            shown = rng.choice(3, size=1 if subject % 3 == 0 else 3, replace=False)
            count = int(rng.integers(1, 7))
            rows += [(dataset, f"s{subject}", f"c{clip}", CLASSES[rng.choice(shown)]) for clip in range(count)]
    clips = pd.DataFrame(rows, columns=["dataset", "subject", "clip", "truth"])
    group = "group-" + (clips.subject.str[1:].astype(int) % 2).astype(str)
    return clips.assign(fold=group if groups else clips.dataset + "/" + clips.subject)


def seed_of(rng, number, clips, folds, right=0.5, epochs=EPOCHS, ragged=True, inner=True):
    truth = np.array([CLASSES.index(name) for name in clips.truth])
    wrong = (truth[:, None] + rng.integers(1, 3, (len(clips), epochs))) % 3
    predicted = np.where(rng.random((len(clips), epochs)) < right, truth[:, None], wrong)
    ends = rng.integers(epochs // 2, epochs + 1, len(folds)) if ragged else np.full(len(folds), epochs)
    for index, fold in enumerate(folds):
        rows = (clips.fold == fold).to_numpy()
        predicted[rows, ends[index] :] = predicted[rows, ends[index] - 1][:, None]
    curve, recorded = None, {}
    if inner:
        curve = np.round(rng.random((len(folds), epochs)), 1)  # with ties
        curve[np.arange(epochs) >= ends[:, None]] = np.nan
        best = np.nanargmax(curve, axis=1)
        at = best[[folds.index(fold) for fold in clips.fold]]
        recorded = {"inner": predicted[np.arange(len(clips)), at], "inner-keep": np.roll(predicted[:, 0], 1)}
    return Seed(number, predicted.astype(np.uint8), ends, curve, recorded)


def made(groups=False, seeds=2):
    rng = np.random.default_rng(0)
    clips = split(rng, groups)
    names = tuple(sorted(set(clips.fold)))
    return Kept(clips, names, CLASSES, tuple(seed_of(rng, number, clips, names) for number in range(seeds)))


@pytest.fixture(scope="module", params=[False, True], ids=["subject", "groups"])
def kept(request):
    return made(request.param)


def scored(truth, given):
    """Score pooled predictions as scikit-learn does, over the classes that have clips."""
    there = sorted(set(truth))
    f1 = f1_score(truth, given, labels=there, average="macro", zero_division=0)
    return f1, recall_score(truth, given, labels=there, average="macro", zero_division=0), accuracy_score(truth, given)


def best_epochs(kept, seed, score, later):
    """Walk through the epochs of each fold as a training script does."""
    found = []
    for index, fold in enumerate(kept.folds):
        rows = np.flatnonzero(kept.clips.fold == fold)
        best, at = None, 0
        for epoch in range(seed.ends[index]):
            value = score([kept.truth[i] for i in rows], [seed.predicted[i, epoch] for i in rows], index, epoch)
            if best is None or value > best or (later and value == best):
                best, at = value, epoch
        found.append(at)
    return found


def macro(truth, given, *_):
    there = set(truth) | set(given)
    hits = {name: sum(a == b == name for a, b in zip(truth, given, strict=True)) for name in there}
    return np.mean([2 * hits[name] / (list(truth).count(name) + list(given).count(name)) for name in there])


def right(truth, given, *_):
    return sum(a == b for a, b in zip(truth, given, strict=True))


def reported(kept, seed, epochs):
    """Return each clip's class at its fold's epoch."""
    return [seed.predicted[i, epochs[kept.folds.index(fold)]] for i, fold in enumerate(kept.clips.fold)]


def said_at(kept, hand, name):
    """Return what each seed says of the clips at the epochs that a rule picks."""
    return [np.array(reported(kept, seed, each[name])) for seed, each in zip(kept.seeds, hand, strict=True)]


def by_hand(kept, seed):
    """Return the epochs that each rule picks in each fold, counted from 0."""
    every = [[min(epoch, end - 1) for end in seed.ends] for epoch in range(seed.predicted.shape[1])]
    one = int(np.argmax([scored(kept.truth, reported(kept, seed, epochs))[0] for epochs in every]))
    inner = best_epochs(kept, seed, lambda truth, given, index, epoch: seed.inner[index, epoch], later=False)
    oracles = {
        f"oracle-{name}-{which}": best_epochs(kept, seed, score, later=which == "last")
        for name, score in (("acc", right), ("f1", macro))
        for which in ("first", "last")
    }
    return {"last": [end - 1 for end in seed.ends], "inner": inner, "oracle-one-epoch": every[one]} | oracles


@pytest.fixture(scope="module")
def hand(kept):
    """Return, for each seed, which epochs each rule picks."""
    return [by_hand(kept, seed) for seed in kept.seeds]


@pytest.fixture(scope="module")
def rows(kept):
    return full(selection_rows(kept))


def full(rows):
    return rows[rows.part == "full"].set_index("selection")


def test_rules_pick_and_score_as_a_loop_over_epochs(kept, hand, rows):
    table = picked_epochs(kept)
    assert set(table.fold) == set(kept.folds)
    for seed, epochs in zip(kept.seeds, hand, strict=True):
        assert {name: each[:, -1].tolist() for name, each in picks(kept, seed).items()} == epochs
    for name in hand[0]:
        each = [scored(kept.truth, said) for said in said_at(kept, hand, name)]
        assert rows.loc[name, ["uf1", "uar", "acc"]].tolist() == pytest.approx(np.mean(each, axis=0))
        assert rows.seed_sd[name] == pytest.approx(np.std([uf1 for uf1, _, _ in each], ddof=1))
        from_1 = [epoch + 1 for epochs in hand for epoch in epochs[name]]
        assert table[table.selection == name].epoch.tolist() == from_1
        ends = [np.median(from_1), min(from_1), max(from_1)]
        assert rows.loc[name, ["epoch_median", "epoch_first", "epoch_last"]].tolist() == ends


def test_mixed_figures_and_fold_means(kept, hand, rows):
    assert rows.uf1["oracle-mixed"] == rows.uf1["oracle-f1-first"]
    assert rows.acc["oracle-mixed"] == rows.acc["oracle-acc-first"] >= rows.acc["oracle-f1-first"]
    assert rows.loc["oracle-mixed", ["uar", "epoch_median"]].isna().all()
    for name, of in (("fold-mean-last", "last"), ("fold-mean-oracle", "oracle-f1-first")):
        inside = [(kept.clips.fold == fold).to_numpy() for fold in kept.folds]
        values = [
            macro(kept.truth[fold].tolist(), given[fold].tolist())
            for given in said_at(kept, hand, of)
            for fold in inside
        ]
        assert rows.uf1[name] == pytest.approx(np.mean(values))
        assert rows.loc[name, ["uar", "acc"]].isna().all()
        assert rows.epoch_median[name] == rows.epoch_median[of]


def test_curves_are_the_figures_of_shorter_training(kept):
    curves = selection_curves(kept).set_index(["selection", "seed", "epoch"]).uf1
    for epochs in (1, 4):
        for seed in kept.seeds:
            cut = {"predicted": seed.predicted[:, :epochs], "inner": seed.inner[:, :epochs], "recorded": {}}
            shorter = replace(seed, ends=np.minimum(seed.ends, epochs), **cut)
            for name, picked in by_hand(kept, shorter).items():
                expected = scored(kept.truth, reported(kept, shorter, picked))[0]
                assert curves[name, seed.seed, epochs] == pytest.approx(expected)


def tables(kept, hand, name):
    columns = kept.clips[["dataset", "subject", "clip", "truth"]]
    return [columns.assign(predicted=np.array(CLASSES)[said]) for said in said_at(kept, hand, name)]


def test_intervals_are_those_of_tables_and_paired_differences(kept, hand):
    parts = dict.fromkeys(("full", "alpha", "beta"), "")
    rows = selection_rows(kept, list(parts)).set_index(["part", "selection"])
    last, best = tables(kept, hand, "last"), tables(kept, hand, "oracle-acc-first")
    for score in part_scores(best, CLASSES, parts):
        row = rows.loc[score.part, "oracle-acc-first"]
        inside = [[t[t.dataset.eq(score.part) | (score.part == "full")] for t in each] for each in (best, last)]
        gap = paired_difference(*inside, CLASSES)
        for name in ("uf1", "uar"):
            for found, of in ((name, score), (f"{name}_lift", gap)):
                interval = getattr(of, f"{name}_interval")
                expected = [getattr(of, name), interval.low, interval.high]
                assert row[[found, f"{found}_low", f"{found}_high"]].tolist() == pytest.approx(expected)


def test_the_interval_of_a_fold_mean_draws_whole_subjects(kept, hand, rows):
    """A fold counts as often as its subjects are drawn; the clips drawn are scored anew."""
    sizes = tuple(kept.clips.groupby("dataset").subject.nunique())
    values = []
    for times in subject_draws(sizes):
        each = []
        for given in said_at(kept, hand, "last"):
            found, weights = [], []
            for number in range(len(kept.folds)):
                inside = np.flatnonzero(kept.fold_of == number)
                often = np.repeat(inside, times[kept.subject_of[inside]].astype(int))
                if len(often):
                    weights.append(times[sorted(set(kept.subject_of[inside]))].mean())
                    found.append(macro(kept.truth[often].tolist(), given[often].tolist()))
            each.append(np.average(found, weights=weights))
        values.append(np.mean(each))
    expected = interval_of(np.array(values), sizes)
    row = rows.loc["fold-mean-last"]
    assert (row.uf1_low, row.uf1_high) == pytest.approx((expected.low, expected.high))


def test_fold_f1_is_over_the_classes_that_occur_in_the_fold():
    for truth, given, expected in (
        ([0, 0, 0], [0, 0, 0], 1.0),  # a single class, all correct
        ([0, 0, 0, 0], [0, 0, 1, 0], (6 / 7 + 0) / 2),  # a class that occurs in predictions only counts
        ([0, 1], [1, 0], 0.0),
        ([0, 1, 1], [0, 1, 0], (2 / 3 + 2 / 3) / 2),
    ):
        names = [[CLASSES[number] for number in each] for each in (truth, given)]
        assert fold_f1(confusion_matrix(*names, CLASSES)) == pytest.approx(expected)
        assert f1_score(truth, given, average="macro", zero_division=0) == pytest.approx(expected)
        assert macro(truth, given) == pytest.approx(expected)
    assert np.isnan(fold_f1(np.zeros((3, 3), dtype=int)))


def test_running_best_breaks_ties_and_ignores_missing_epochs():
    scores = np.array([0.5, 0.2, 0.5, 0.7, 0.1, 0.7])
    assert running_best(scores, "first").tolist() == [0, 0, 0, 3, 3, 3]
    assert running_best(scores, "last").tolist() == [0, 0, 2, 3, 3, 5]
    scores = np.array([[0.0, 0.0, np.nan, np.nan], [np.nan, 0.1, 0.1, np.nan]])
    assert running_best(scores, "first")[:, -1].tolist() == [0, 1]
    assert running_best(scores, "last")[:, -1].tolist() == [1, 2]


def test_inner_is_compared_with_the_last_epoch_of_its_own_seeds():
    kept = made(seeds=3)
    first, second, third = kept.seeds
    some = replace(kept, seeds=(first, replace(second, inner=None, recorded={}), third))
    row = full(selection_rows(some)).loc["inner"]
    assert row.seeds == 2
    assert row.tolist() == full(selection_rows(replace(kept, seeds=(first, third)))).loc["inner"].tolist()
    for epochs in (EPOCHS - 3, EPOCHS + 3):  # inner training may be shorter or longer
        curve = np.full((len(kept.folds), epochs), 0.2)
        curve[:, 1] = 0.5
        assert picks(kept, replace(first, inner=curve))["inner"][:, -1].tolist() == [1] * len(kept.folds)
    given = first.recorded["inner"].copy()  # clips of a refit that differ are counted
    given[:2] = (given[:2] + 1) % 3
    found = [disagreeing(kept, replace(first, recorded=said)) for said in (first.recorded, {"inner": given}, {})]
    assert found == [0, 2, None]


def test_rules_say_whether_they_see_test_labels_and_pool():
    blind = ["last", "inner", "inner-keep", "fold-mean-last"]
    assert [rule.name for rule in RULES if not rule.sees_test_labels] == blind
    assert [rule.name for rule in RULES if not rule.pools] == ["fold-mean-last", "fold-mean-oracle"]
    assert len({rule.name for rule in RULES}) == len({rule.title for rule in RULES}) == len(RULES) == 11


def coins(start=0, subjects=60, clips=6, epochs=40):
    """Make predictions with nothing to learn: correct with chance 1/2, anew in every epoch and clip."""
    rng = np.random.default_rng(start)
    rows = [("alpha", f"s{s:02d}", f"c{c}", CLASSES[c % 3]) for s in range(subjects) for c in range(clips)]
    table = pd.DataFrame(rows, columns=["dataset", "subject", "clip", "truth"])
    table["fold"] = "alpha/" + table.subject
    folds = tuple(sorted(set(table.fold)))
    return Kept(table, folds, CLASSES, (seed_of(rng, 0, table, folds, 0.5, epochs, ragged=False, inner=False),))


def test_picking_by_test_labels_gives_the_lift_of_chance_alone():
    """Of each fold the best of 40 throws of 6 coins: the mean of the highest binomial is known exactly."""
    rows = full(selection_rows(coins()))
    honest, (clips, epochs) = 0.5, (6, 40)
    below = binom.cdf(np.arange(clips), clips, honest) ** epochs  # P(highest <= k)
    highest = (clips - below.sum()) / clips
    spread = np.sqrt(honest * (1 - honest) / (60 * clips))
    assert rows.acc["last"] == pytest.approx(honest, abs=3 * spread)
    assert rows.uf1["last"] == pytest.approx(honest, abs=4 * spread)  # classes are balanced, and so are errors
    assert rows.acc["oracle-acc-first"] == pytest.approx(highest, abs=0.03)
    assert highest > 0.9
    for name in ("oracle-acc-first", "oracle-acc-last", "oracle-f1-first", "oracle-f1-last", "fold-mean-oracle"):
        assert rows.uf1_lift_low[name] > 0.25
    assert 0 < rows.uf1_lift["oracle-one-epoch"] < 4 * spread * np.sqrt(2)


@pytest.mark.slow
def test_the_lift_of_a_blind_pick_has_an_interval_that_covers_0():
    """Another epoch's throws of the same coins: of 12 intervals of 95 %, fewer than 9 cover 0 only by mistake."""
    covered = 0
    for start in range(12):
        kept = coins(start, subjects=16, epochs=2)
        (seed,) = kept.seeds
        row = full(selection_rows(replace(kept, seeds=(replace(seed, recorded={"inner": seed.predicted[:, 0]}),))))
        covered += row.uf1_lift_low["inner"] <= 0 <= row.uf1_lift_high["inner"]
    assert covered >= 9
