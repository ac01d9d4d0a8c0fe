"""Floors and baselines, compared with a plain computation: what is known without motion, and SVMs on flow."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from merbench.contracts.inputs import ArrayInput, ClipFacts, Flow, Frames, Inputs
from merbench.contracts.methods import Problem, RunContext, TrainingData
from merbench.contracts.protocols import load_protocol
from merbench.engine.fold.folds import run_fold
from merbench.engine.plan.catalogue import METHODS, PROTOCOLS
from merbench.engine.plan.data import choose_data
from merbench.engine.plan.runs import PreparedProtocol, Request, plan_runs
from merbench.scoring.metrics import scores
from merbench.scoring.table import pooled_confusion

CLASSES = Problem("classification", ("negative", "positive", "surprise"))
UNITS = Problem("au-detection", ("4", "12", "20"))


def facts(values, fact):
    return Inputs({"facts": ArrayInput(ClipFacts(facts=(fact,)), np.array(values, float)[:, None])}, len(values))


def flow(values):
    return Inputs({"flow": ArrayInput(Flow(), values)}, len(values))


def images(clips, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (clips, 28, 28, 3), dtype=np.uint8)


def fitted(name, inputs, labels, problem=CLASSES, config=None, seed=0):
    found = METHODS.get(name)
    method = found.cls(found.resolve(config), problem)
    names = np.array(["a/1"] * len(labels), dtype=object)
    method.fit(TrainingData(inputs, np.array(labels), problem, names, names), RunContext(seed=seed))
    return method


def planned(data, spec, *names, **options):
    prepared = PreparedProtocol.of(spec, choose_data(str(data), [spec]))
    (plan,) = plan_runs(Request.named(names, **options), [prepared])
    return prepared, plan


def test_majority_gives_the_known_floor_on_442_clips(shared):
    _, plan = planned(shared / "data" / "megc2019-flow28", PROTOCOLS.get("megc2019"), "majority")
    outcomes = [run_fold(plan.task, fold) for fold in plan.file.folds]
    table = pd.concat([outcome.predictions for outcome in outcomes])
    assert (len(outcomes), len(table)) == (68, 442)
    found = scores(pooled_confusion(table, CLASSES.outputs))
    assert (round(found.uf1, 4), round(found.uar, 4), round(found.acc, 4)) == (0.2408, 0.3333, 0.5656)
    assert set(table.predicted) == {"negative"}


TRAIN = [0] * 60 + [1] * 30 + [2] * 10
NO = np.nan
SHOWN = [[1, 0, NO], [1, 0, NO], [0, 0, NO], [0, 1, 1], [1, 1, 0], [0, 1, 1]]


def test_random_labels_have_the_training_frequencies():
    test = images(2000, seed=2)
    first, again, other = (fitted("stratified-random", flow(images(100)), TRAIN, seed=seed) for seed in (0, 0, 1))
    drawn = first.predict(flow(test)).check(2000, CLASSES)
    counts = Counter(drawn.decisions().tolist())
    for label, share in ((0, 0.6), (1, 0.3), (2, 0.1)):
        assert abs(counts[label] / 2000 - share) < 5 * np.sqrt(share * (1 - share) / 2000)
    np.testing.assert_allclose(drawn.scores, np.tile([0.6, 0.3, 0.1], (2000, 1)))
    assert again.predict(flow(test)).labels.tolist() == drawn.labels.tolist()
    assert other.predict(flow(test)).labels.tolist() != drawn.labels.tolist()
    rows = np.random.default_rng(3).permutation(2000)[:200]  # a draw is the clip's own
    assert first.predict(flow(test[rows])).labels.tolist() == drawn.labels[rows].tolist()
    assert first.predict(flow(np.asfortranarray(test))).labels.tolist() == drawn.labels.tolist()
    method = fitted("stratified-random", flow(images(6)), SHOWN, UNITS)
    units = method.predict(flow(test)).check(2000, UNITS).scores > 0
    assert units.mean(axis=0) == pytest.approx([1 / 2, 1 / 2, 2 / 3], abs=0.05)
    assert abs(np.corrcoef(units[:, 0], units[:, 1])[0, 1]) < 0.1
    assert ((method.predict(flow(test[[5, 3]])).scores > 0) == units[[5, 3]]).all()


def test_a_database_gets_its_commonest_or_overrepresented_class():
    """All are mostly negative; 9 has more than its share of surprise: 2 of 6 clips, compared with 3 of 16."""
    databases, labels = [7] * 10 + [9] * 6, [0] * 7 + [1] * 2 + [2] + [0] * 4 + [2] * 2
    plain, balanced = (
        fitted("database-only", facts(databases, "database"), labels, config=config)
        .predict(facts([9, 7, 8], "database"))
        .check(3, CLASSES)
        for config in (None, "balanced")
    )
    assert plain.decisions().tolist() == [0, 0, 0]  # 8 is unknown
    assert balanced.decisions().tolist() == [2, 1, 0]
    ratios = [[(4 / 6) / (11 / 16), 0, (2 / 6) / (3 / 16)], [0.7 / (11 / 16), 0.2 / (2 / 16), 0.1 / (3 / 16)]]
    assert balanced.scores[:2] == pytest.approx(np.array(ratios))


def test_action_units_are_scored_one_by_one_by_their_database():
    # Of unit 4 three of six clips: 2/3 in database 1, 1/3 in 2. Of 12 three of six: none, all. 20, which database 1
    # does not annotate, 2/3 of three. Balanced, no share of 20 is above that of all.
    for config, expected in (
        (None, [[2 / 3 - 0.5, -0.5, 2 / 3 - 0.5], [1 / 3 - 0.5, 0.5, 2 / 3 - 0.5], [0, 0, 2 / 3 - 0.5]]),
        ("balanced", [[2 / 3 - 0.5, -0.5, 0], [1 / 3 - 0.5, 0.5, 0], [0, 0, 2 / 3 - 0.5]]),
    ):
        method = fitted("database-only", facts([1, 1, 1, 2, 2, 2], "database"), SHOWN, UNITS, config)
        assert method.predict(facts([1, 2, 3], "database")).check(3, UNITS).scores == pytest.approx(np.array(expected))


def machine(train, labels, test):
    scaler = StandardScaler().fit(train)
    return SVC(class_weight="balanced").fit(scaler.transform(train), labels).predict(scaler.transform(test)).tolist()


def test_duration_and_onset_frame_are_all_that_their_methods_use():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 60)
    seconds, test = 0.2 * 1.6**labels * rng.uniform(0.8, 1.2, 60), np.linspace(0.1, 1, 30)
    expected = machine([[np.log(each)] for each in seconds], labels, [[np.log(each)] for each in test])
    assert len(set(expected)) == 3
    method = fitted("duration-only", facts(seconds, "seconds"), labels)
    assert method.predict(facts(test, "seconds")).labels.tolist() == expected
    spec = Frames(span="onset", count=1, size=28)
    assert METHODS.get("onset-frame-only").card.inputs == {"frames": spec}
    pictures = rng.integers(0, 200, (60, 1, 28, 28, 1), dtype=np.uint8)
    pictures[:, 0, :9] += (labels[:, None, None, None] * 20).astype(np.uint8)
    inputs, flat = Inputs({"frames": ArrayInput(spec, pictures)}, 60), pictures.reshape(60, -1) / 255
    method = fitted("onset-frame-only", inputs.take(np.arange(40)), labels[:40])
    assert method.predict(inputs.take(np.arange(40, 60))).labels.tolist() == machine(flat[:40], labels[:40], flat[40:])


def units_in_flow(seed):
    """Make flow images in which unit 4 brightens the upper half and unit 12 the lower; unit 20 is never shown."""
    rng = np.random.default_rng(seed)
    labels = np.column_stack([rng.integers(0, 2, (40, 2)), np.zeros(40)]).astype(float)
    values = rng.integers(0, 100, (40, 28, 28, 3), dtype=np.uint8)
    values[:, :14] += (labels[:, :1, None, None] * 120).astype(np.uint8)
    values[:, 14:] += (labels[:, 1:2, None, None] * 120).astype(np.uint8)
    return flow(values), labels


def test_svm_flow_aus_learns_each_annotated_action_unit():
    inputs, labels = units_in_flow(0)
    labels[:10, 0] = NO
    test, truth = units_in_flow(1)
    prediction = fitted("svm-flow-aus", inputs, labels, UNITS).predict(test).check(40, UNITS)
    assert np.array_equal(prediction.scores > 0, truth == 1)
    labels[:, 2] = 1
    assert (fitted("svm-flow-aus", inputs, labels, UNITS).predict(test).scores[:, 2] > 0).all()
    assert (fitted("always-shown", inputs, labels, UNITS).predict(test).check(40, UNITS).scores > 0).all()


def test_svm_flow_is_a_plain_scikit_learn_loop(small_release, small_protocol):
    for settings in ({}, {"C": "0.1", "kernel": "linear", "class_weight": "null"}):
        prepared, plan = planned(small_release, load_protocol(small_protocol), "svm-flow", settings=settings)
        clips, names = prepared.split.clips, np.array(prepared.spec.classes, dtype=object)
        values = plan.task.inputs["flow"].batch()
        features = values.reshape(len(values), -1).astype(float) / 255
        labels = np.array([prepared.spec.classes.index(word) for word in clips.emotion])
        assert len(plan.file.folds) == 9
        for fold in plan.file.folds:
            test = (clips.dataset + "/" + clips.subject == fold).to_numpy()
            svc = SVC(kernel="linear", C=0.1) if settings else SVC(kernel="rbf", C=1.0, class_weight="balanced")
            bare = make_pipeline(StandardScaler(), svc).fit(features[~test], labels[~test])
            found = run_fold(plan.task, fold).predictions
            assert found["clip"].tolist() == clips[test]["clip"].tolist()
            assert found.truth.tolist() == names[labels[test]].tolist()
            assert found.predicted.tolist() == names[bare.predict(features[test])].tolist()
            # libsvm sums kernels clip by clip; only the scaler's division may be batched otherwise
            given = found[[f"score_{name}" for name in names]].to_numpy()
            np.testing.assert_allclose(given, bare.decision_function(features[test]), rtol=1e-12, atol=1e-12)
