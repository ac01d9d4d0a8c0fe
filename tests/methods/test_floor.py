"""The floor: what no method may fall below."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from merbench.contracts.inputs import ArrayInput, Flow, Inputs
from merbench.contracts.methods import Problem, RunContext, TrainingData
from merbench.engine.fold.folds import run_fold
from merbench.engine.plan.catalogue import METHODS, PROTOCOLS
from merbench.engine.plan.data import choose_data
from merbench.engine.plan.runs import PreparedProtocol, Request, plan_runs
from merbench.scoring.metrics import scores
from merbench.scoring.table import pooled_confusion

PROBLEM = Problem("classification", ("negative", "positive", "surprise"))


def images(clips, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (clips, 28, 28, 3), dtype=np.uint8)


def fitted(name, labels, seed=0):
    labels = np.array(labels)
    made = METHODS.get(name)
    method = made.cls(made.resolve(), PROBLEM)
    inputs = given(images(len(labels)))
    method.fit(TrainingData(inputs, labels, PROBLEM, labels, labels), RunContext(seed=seed))
    return method


def given(values):
    return Inputs({"flow": ArrayInput(Flow(), values)}, len(values))


def test_the_majority_of_the_442_clips_gives_the_known_floor(shared):
    spec = PROTOCOLS.get("megc2019")
    prepared = PreparedProtocol.of(spec, choose_data(str(shared / "data" / "megc2019-flow28"), [spec]))
    (plan,) = plan_runs(Request.named(("majority",)), [prepared])
    outcomes = [run_fold(plan.task, fold) for fold in plan.file.folds]
    assert len(outcomes) == 68
    table = pd.concat([outcome.predictions for outcome in outcomes])
    assert len(table) == 442
    found = scores(pooled_confusion(table, spec.classes))
    assert (round(found.uf1, 4), round(found.uar, 4), round(found.acc, 4)) == (0.2408, 0.3333, 0.5656)
    assert set(table.predicted) == {"negative"}


@pytest.mark.parametrize(("labels", "answer"), [([0, 0, 1], 0), ([0, 2, 2], 2), ([1], 1)])
def test_the_majority_is_that_of_the_training_clips(labels, answer):
    found = fitted("majority", labels).predict(given(images(4, seed=1))).check(4, PROBLEM)
    assert found.decisions().tolist() == [answer] * 4


TRAIN = [0] * 60 + [1] * 30 + [2] * 10
TEST = images(3000, seed=2)


def test_random_answers_come_as_often_as_the_classes_do():
    method = fitted("stratified-random", TRAIN)
    counts = Counter(method.predict(given(TEST)).check(3000, PROBLEM).decisions().tolist())
    for label, share in ((0, 0.6), (1, 0.3), (2, 0.1)):
        assert abs(counts[label] / 3000 - share) < 5 * np.sqrt(share * (1 - share) / 3000)
    assert 2 not in fitted("stratified-random", [0, 1]).predict(given(TEST[:300])).decisions()


def test_a_random_answer_is_a_clips_own_whatever_the_order_and_company():
    method = fitted("stratified-random", TRAIN)
    clips = TEST[:200]
    together = method.predict(given(clips))
    order = np.random.default_rng(3).permutation(200)
    assert method.predict(given(clips[order])).labels.tolist() == together.labels[order].tolist()
    assert [method.predict(given(clips[[row]])).labels[0] for row in range(40)] == together.labels[:40].tolist()
    assert method.predict(given(np.asfortranarray(clips))).labels.tolist() == together.labels.tolist()
    np.testing.assert_allclose(together.scores, np.tile([0.6, 0.3, 0.1], (200, 1)))


def test_another_seed_gives_other_random_answers():
    answers = [
        fitted("stratified-random", TRAIN, seed).predict(given(TEST[:200])).labels.tolist() for seed in (0, 0, 1)
    ]
    assert answers[0] == answers[1] != answers[2]
