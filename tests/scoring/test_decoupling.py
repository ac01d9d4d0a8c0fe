import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from merbench.contracts.errors import DataError
from merbench.scoring.decoupling import decoupling
from merbench.scoring.intervals import subject_draws, tail
from merbench.scoring.unit_scores import LEAST_SHOWN, au_detection, au_probe

UNITS = (1, 2, 4, 12)
SHARES = (0.3, 0.2, 0.4, 0.1)


class People:
    """Made-up clips, and the folds that leave one subject out; two subjects of dataset c have no action units."""

    def __init__(self, seed=0, subjects=10, clips=12, shares=SHARES, units=UNITS):
        rng = np.random.default_rng(seed)
        size = subjects * clips
        self.units = units
        self.labels = rng.random((size, len(units))) < shares
        self.dataset = np.repeat(np.where(np.arange(subjects) < subjects - 2, "a", "c"), clips)
        self.subject = np.repeat([f"s{i:02d}" for i in range(subjects)], clips)
        written = ["+".join(str(unit) for unit, shown in zip(units, row, strict=True) if shown) for row in self.labels]
        self.aus = np.array(["" if d == "c" else text or "99?" for d, text in zip(self.dataset, written, strict=True)])
        self.known = self.aus != ""

    def folds(self, arrays, features=()):
        """Return a fold a subject: `arrays` of the test clips, `features` of the training clips as well."""
        made = []
        for name in sorted(set(self.subject)):
            test = self.subject == name
            fold = {f"test/{key}": values[test] for key, values in arrays.items()}
            for part, rows in (("test", test), ("train", ~test)):
                fold |= {f"{part}/{key}": getattr(self, key)[rows] for key in ("dataset", "subject", "aus")}
                fold |= {f"{part}/feature/{key}": values[rows] for key, values in dict(features).items()}
            made.append(fold)
        return made

    def scores(self, right, seed=0):
        """Return ``au/<n>`` arrays whose sign is right in a share of the clips."""
        rng = np.random.default_rng(seed)
        signs = np.where(rng.random(self.labels.shape) < right, self.labels, ~self.labels) * 2 - 1
        values = signs * rng.uniform(0.1, 2, signs.shape)
        return {f"au/{unit}": values[:, i] for i, unit in enumerate(self.units)}

    def feature(self, strength, dimensions=16, seed=0):
        """Return a feature in which each unit has a direction of its own."""
        rng = np.random.default_rng(seed)
        return strength * self.labels @ rng.normal(size=(len(self.units), dimensions)) + rng.normal(
            size=(len(self.labels), dimensions)
        )


@pytest.fixture
def people():
    return People()


def test_detection_equals_sklearns_f1_of_the_labelled_clips(people):
    scores = people.scores(0.8)
    found = au_detection([people.folds(scores)])
    assert [score.unit for score in found.units] == list(UNITS)
    for i, score in enumerate(found.units):
        truth, said = people.labels[people.known, i], scores[f"au/{score.unit}"][people.known] > 0
        assert score.f1 == pytest.approx(f1_score(truth, said), abs=1e-12)
        assert score.floor == pytest.approx(f1_score(truth, np.ones_like(truth)), abs=1e-12)
        assert (score.clips, score.shown) == (people.known.sum(), truth.sum())
    counted = [score for score in found.units if score.shown >= LEAST_SHOWN]
    assert found.counted == len(counted)
    assert found.f1 == pytest.approx(np.mean([score.f1 for score in counted]), abs=1e-12)
    assert found.floor == pytest.approx(np.mean([score.floor for score in counted]), abs=1e-12)


def test_rare_action_units_are_excluded_from_the_mean(people):
    rarely = People(shares=(0.3, 0.2, 0.4, 0.04))
    found = au_detection([rarely.folds(rarely.scores(0.9))])
    assert 0 < found.units[3].shown < LEAST_SHOWN
    assert found.counted == 3
    assert found.f1 == pytest.approx(np.mean([score.f1 for score in found.units[:3]]), abs=1e-12)
    people.aus[0] = "12?"  # a possible unit is excluded from that unit alone
    found = au_detection([people.folds(people.scores(0.8))])
    assert [score.clips for score in found.units] == [96, 96, 96, 95]


def test_the_interval_of_the_mean_equals_a_loop_over_draws(people):
    seeds = [people.scores(0.8, seed) for seed in (1, 2)]
    found = au_detection([people.folds(scores) for scores in seeds])
    names = sorted(set(people.subject[people.known]))
    values = []
    for draw in subject_draws((len(names),)):
        rows = np.concatenate([np.repeat(np.flatnonzero(people.subject == name), int(n)) for name, n in
                               zip(names, draw, strict=True)])  # fmt: skip
        f1 = []
        for scores in seeds:
            for i, unit in enumerate(UNITS):
                truth, said = people.labels[rows, i], scores[f"au/{unit}"][rows] > 0
                if truth.any() and found.units[i].shown >= LEAST_SHOWN:
                    f1.append(2 * (truth & said).sum() / (truth.sum() + said.sum()))
        values.append(np.mean(f1))
    assert (found.interval.low, found.interval.high) == pytest.approx(
        tuple(np.quantile(values, [tail((len(names),)), 1 - tail((len(names),))])), abs=1e-12
    )


def test_the_probe_finds_only_what_the_feature_holds(people):
    planted, empty = people.feature(3.0), people.feature(0.0)
    moved = np.hstack([1e4 * planted - 77, np.full((len(planted), 1), 3.0)])  # scale, shift, a constant: no matter
    probes = (au_probe([people.folds({}, {"motion": each})], "motion") for each in (planted, empty, moved))
    there, nothing, same = probes
    assert there.f1 > 0.9
    assert there.interval.low > there.floor
    assert nothing.f1 < nothing.floor + 0.1
    assert [score.unit for score in there.units] == [score.unit for score in nothing.units]
    assert [score.f1 for score in there.units] == [score.f1 for score in same.units]
    own = np.eye(len(people.labels))  # each clip has a dimension of its own, so none teaches about another
    found = au_probe([people.folds({}, {"motion": own})], "motion")
    assert found.f1 < found.floor + 0.1


def test_the_probe_is_about_as_good_as_a_logistic_regression(people):
    feature = people.feature(0.7)
    folds = people.folds({}, {"motion": feature})
    found = au_probe([folds], "motion")
    reference = []
    for score in found.units:
        i = UNITS.index(score.unit)
        said = np.zeros(len(feature), dtype=bool)
        for name in set(people.subject):
            train, test = people.known & (people.subject != name), people.subject == name
            mean, scale = feature[train].mean(axis=0), feature[train].std(axis=0)
            model = LogisticRegression(C=0.1, class_weight="balanced")
            model.fit((feature[train] - mean) / scale, people.labels[train, i])
            said[test] = model.predict((feature[test] - mean) / scale)
        reference.append(f1_score(people.labels[people.known, i], said[people.known]))
    assert found.f1 == pytest.approx(np.mean(reference), abs=0.05)


def test_an_action_unit_constant_in_training_is_answered_so(people):
    (fold, *_) = people.folds({}, {"motion": people.feature(3.0)})
    fold["train/aus"] = np.full_like(fold["train/aus"], "")
    fold["test/aus"] = np.full_like(fold["test/aus"], "4")
    found = au_probe([[fold]], "motion")  # training clips without labels
    assert [(score.unit, score.f1) for score in found.units] == [(4, 0.0)]
    people = People(subjects=6)
    people.aus[:] = np.where(people.labels[:, 0], "1+12", "12")
    people.aus[people.subject == "s00"] = "2+12"
    found = au_probe([people.folds({}, {"motion": people.feature(3.0)})], "motion")
    scores = {score.unit: score.f1 for score in found.units}
    assert (scores[12], scores[2]) == (1.0, 0.0)
    assert scores[1] > 0.8


def test_without_labels_there_is_nothing_to_score_or_probe(people):
    alone = People(subjects=4)
    alone.aus[:] = np.where(alone.subject == "s01", "2", "1")  # draws without a clip that shows the unit don't count
    found = au_detection([alone.folds({"au/2": np.where(alone.subject == "s01", 1.0, -1.0)})])
    assert (found.f1, found.interval.low, found.interval.high) == (1, 1, 1)
    people.aus[:] = ""
    found = decoupling([people.folds(people.scores(0.9), {"motion": people.feature(1.0)})])
    for scores in (found.detection, found.probes["motion"]):
        assert scores.counted == 0
        assert np.isnan([scores.f1, scores.floor, scores.interval.low]).all()
    people.aus[3] = "four"
    with pytest.raises(DataError, match=r"'four'.*can't be read"):
        au_probe([people.folds({}, {"motion": people.feature(1.0)})], "motion")


def test_decoupling_goes_by_the_names_of_the_arrays(people):
    features = {"motion": people.feature(1.0), "emotion": people.feature(0.0, seed=1)}
    found = decoupling([[*people.folds(people.scores(0.9), features), {}]])  # {}: without diagnostics
    assert list(found.probes) == ["emotion", "motion"]
    assert found.probes["motion"].f1 > found.probes["emotion"].f1
    assert found.alignment.folds == 10
    assert found.detection.f1 > 0.7
    found = decoupling([people.folds({}, {"motion": people.feature(1.0)})])
    assert (found.alignment, found.detection, list(found.probes)) == (None, None, ["motion"])
    found = decoupling([[{}, {}]])
    assert (found.alignment, found.probes, found.detection) == (None, {}, None)
