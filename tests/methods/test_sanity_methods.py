"""What is known without motion: the database, the duration, the face at the onset; each against a plain reckoning."""

from collections import Counter

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from merbench.contracts.inputs import ArrayInput, ClipFacts, Flow, Frames, Inputs
from merbench.contracts.methods import Problem, RunContext, TrainingData
from merbench.engine.plan.catalogue import METHODS

CLASSES = Problem("classification", ("negative", "positive", "surprise"))
UNITS = Problem("au-detection", ("4", "12", "20"))


def facts(values, fact):
    return Inputs({"facts": ArrayInput(ClipFacts(facts=(fact,)), np.array(values, float)[:, None])}, len(values))


def fitted(name, inputs, labels, problem=CLASSES, config=None, seed=0):
    found = METHODS.get(name)
    method = found.cls(found.resolve(config), problem)
    names = np.array(["a/1"] * len(labels), dtype=object)
    method.fit(TrainingData(inputs, np.array(labels), problem, names, names), RunContext(seed=seed))
    return method


# Database 7 shows 6 negative, 3 positive, 1 surprise clips, database 9 two, three and one: 16 clips, 8, 6 and 2.
DATABASES = [7] * 10 + [9] * 6
LABELS = [0] * 6 + [1] * 3 + [2] + [0] * 2 + [1] * 3 + [2]


@pytest.mark.parametrize(
    # Shares by database over those of all: .6/.5, .3/.375, .1/.125 are 1.2, .8, .8; 2/3, 4/3, 4/3, the first of which
    # two is positive. Database 8 is in no training clip.
    ("config", "answers"),
    [(None, {7: 0, 9: 1, 8: 0}), ("balanced", {7: 0, 9: 1, 8: 0})],
)
def test_a_database_is_answered_what_it_shows_most(config, answers):
    method = fitted("database-only", facts(DATABASES, "database"), LABELS, config=config)
    found = method.predict(facts(list(answers), "database")).check(len(answers), CLASSES)
    assert found.decisions().tolist() == list(answers.values())


def test_balanced_it_is_answered_what_it_shows_more_often_than_others():
    """All are mostly negative; 9 has more than its share of surprise: 2 of 6 clips, against 3 of 16."""
    labels = [0] * 7 + [1] * 2 + [2] + [0] * 4 + [2] * 2
    plain, balanced = (
        fitted("database-only", facts(DATABASES, "database"), labels, config=config).predict(
            facts([9, 7, 9], "database")
        )
        for config in (None, "balanced")
    )
    assert plain.decisions().tolist() == [0, 0, 0]
    assert balanced.decisions().tolist() == [2, 1, 2]
    everywhere = Counter(labels)
    for row, database in enumerate((9, 7, 9)):
        here = Counter(label for label, own in zip(labels, DATABASES, strict=True) if own == database)
        ratios = [(here[c] / here.total()) / (everywhere[c] / 16) for c in range(3)]
        assert balanced.scores[row] == pytest.approx(ratios)


NO = np.nan
SHOWN = [[1, 0, NO], [1, 0, NO], [0, 0, NO], [0, 1, 1], [1, 1, 0], [0, 1, 1]]


@pytest.mark.parametrize(
    # Of unit 4 three of six clips: 2/3 in database 1, 1/3 in 2. Of 12 three of six: none, all. 20, which database 1
    # does not annotate, 2/3 of three. Balanced, nothing is more often in 1 than in all for 20.
    ("config", "scores"),
    [
        (None, [[2 / 3 - 0.5, -0.5, 2 / 3 - 0.5], [1 / 3 - 0.5, 0.5, 2 / 3 - 0.5], [0, 0, 2 / 3 - 0.5]]),
        ("balanced", [[2 / 3 - 0.5, -0.5, 0], [1 / 3 - 0.5, 0.5, 0], [0, 0, 2 / 3 - 0.5]]),
    ],
)
def test_action_units_are_answered_by_the_database_each_for_itself(config, scores):
    inputs = facts([1, 1, 1, 2, 2, 2], "database")
    method = fitted("database-only", inputs, SHOWN, UNITS, config)
    assert method.predict(facts([1, 2, 3], "database")).check(3, UNITS).scores == pytest.approx(np.array(scores))


def test_random_action_units_come_as_often_as_they_are_shown():
    rng = np.random.default_rng(0)

    def flow(clips):
        values = rng.integers(0, 256, (clips, 28, 28, 3), dtype=np.uint8)
        return Inputs({"flow": ArrayInput(Flow(), values)}, clips)

    method = fitted("stratified-random", flow(6), SHOWN, UNITS)
    test = flow(2000)
    drawn = method.predict(test).check(2000, UNITS).scores > 0
    assert drawn.mean(axis=0) == pytest.approx([1 / 2, 1 / 2, 2 / 3], abs=0.05)
    assert abs(np.corrcoef(drawn[:, 0], drawn[:, 1])[0, 1]) < 0.1
    rows = np.array([5, 3])
    assert ((method.predict(test.take(rows)).scores > 0) == drawn[rows]).all()


def machine(train, labels, test):
    scaler = StandardScaler().fit(train)
    return SVC(class_weight="balanced").fit(scaler.transform(train), labels).predict(scaler.transform(test)).tolist()


def test_the_duration_is_all_that_duration_only_knows():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 60)
    seconds = 0.2 * 1.6**labels * rng.uniform(0.8, 1.2, 60)
    method = fitted("duration-only", facts(seconds, "seconds"), labels)
    test = np.linspace(0.1, 1, 30)
    expected = machine([[np.log(each)] for each in seconds], labels, [[np.log(each)] for each in test])
    assert method.predict(facts(test, "seconds")).labels.tolist() == expected
    assert len(set(expected)) == 3


def test_the_onset_frame_is_all_that_onset_frame_only_sees():
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 3, 40)
    spec = Frames(span="onset", count=1, size=28)
    assert METHODS.get("onset-frame-only").card.inputs == {"frames": spec}
    pictures = rng.integers(0, 200, (40, 1, 28, 28, 1), dtype=np.uint8)
    pictures[:, 0, :9] += (labels[:, None, None, None] * 20).astype(np.uint8)
    inputs = Inputs({"frames": ArrayInput(spec, pictures)}, 40)
    found = fitted("onset-frame-only", inputs.take(np.arange(30)), labels[:30]).predict(inputs.take(np.arange(30, 40)))
    flat = [[pixel / 255 for pixel in picture.ravel()] for picture in pictures]
    assert found.labels.tolist() == machine(flat[:30], labels[:30], flat[30:])
