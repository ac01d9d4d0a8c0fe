"""Classical classifiers on flow images: features by straight loops, and a choice made within the training clips."""

import math

import numpy as np
import pytest
from merbench.methods.classical.flow_classifier import features, method
from merbench.methods.classical.flow_classifier.estimators import ESTIMATORS
from sklearn.metrics import f1_score
from sklearn.svm import SVC
from support.folds import PROBLEM, flow

from merbench.contracts.errors import MerbenchError
from merbench.contracts.methods import RunContext, TrainingData
from merbench.engine.plan.catalogue import METHODS

CLASSIFIER = METHODS.get("flow-classifier")


def images(clips=4):
    return np.random.default_rng(3).integers(0, 256, (clips, 28, 28, 3), dtype=np.uint8)


def test_histograms_of_directions_equal_loops(shared):
    values = images(2)
    u, v = features.components(values)
    assert np.median(u[0]) == np.median(v[1]) == 0
    found = features.hoof(values)
    for clip in range(2):
        for row in range(4):
            for column in range(4):
                histogram = np.zeros(8)
                for y in range(7 * row, 7 * row + 7):
                    for x in range(7 * column, 7 * column + 7):
                        angle = math.degrees(math.atan2(v[clip, y, x], u[clip, y, x])) + 180
                        histogram[int(angle // 45) % 8] += math.hypot(u[clip, y, x], v[clip, y, x])
                place = 8 * (4 * row + column)
                assert found[clip, place : place + 8] == pytest.approx(histogram / histogram.sum())
    with np.load(shared / "data" / "parity" / "biwoof.npz", allow_pickle=False) as arrays:
        maps = [arrays[f"in/{name}"][None].astype(float) for name in ("u", "v", "strain")]
        assert features.bi_woof(*maps, grid=5)[0] == pytest.approx(arrays["out/loop_plain_blocks"], abs=1e-5)


def test_features_have_their_sizes_and_a_still_clip_has_finite_ones():
    sizes = {"pixels": 2352, "blocks": 147, "dct": 192, "hoof": 128, "biwoof": 128, "lbp": 2832, "hog": 972}
    still = np.full((1, 28, 28, 3), 90, np.uint8)
    for name, size in sizes.items():
        found = features.FEATURES[name](np.concatenate([images(2), still]))
        assert found.shape == (3, size), name
        assert np.isfinite(found).all(), name
        alone = features.FEATURES[name](images(2)[:1])
        np.testing.assert_allclose(found[:1], alone, err_msg=name)
    assert features.blocks(images(1))[0, 3] == pytest.approx(images(1)[0, :4, 4:8, 0].mean() / 255)


def trained(clips=90, **settings):
    labels = np.random.default_rng(5).integers(0, 3, clips)
    people = np.array([f"s{clip % 9:02d}" for clip in range(clips)], dtype=object)
    train = TrainingData(flow(clips, labels), labels, PROBLEM, people, np.array(["x"] * clips, dtype=object))
    config = CLASSIFIER.resolve("svm-rbf", {name: str(value).lower() for name, value in settings.items()})
    found = CLASSIFIER.cls(config, PROBLEM)
    found.fit(train, RunContext(seed=1))
    return found, train


def test_every_estimator_learns_and_refuses_what_it_lacks():
    for name in ESTIMATORS:
        balances = name not in ("knn", "gaussian-process", "perceptron")
        found, train = trained(estimator=name, balanced=balances, feature="blocks")
        assert f1_score(train.labels, found.predict(train.inputs).labels, average="macro") > 0.9, name
    for settings, named in (({"estimator": "knn"}, "balanced"), ({"estimator": "lda", "strength": "1"}, "strength")):
        with pytest.raises(MerbenchError, match=named) as raised:
            CLASSIFIER.resolve("svm-rbf", settings)
        assert len(str(raised.value).splitlines()) == 1


def test_the_nested_choice_is_made_on_people_apart(monkeypatch):
    seen = []

    def watched(estimator, values, labels, cv):
        seen.extend(cv)
        return labels if isinstance(estimator[-1], SVC) and estimator[-1].C == 1.0 else labels * 0

    monkeypatch.setattr(method, "cross_val_predict", watched)
    candidates = (method.Candidate("dct", "svm-rbf", 0.1), method.Candidate("hoof", "svm-rbf", 1.0))
    monkeypatch.setattr(method, "CANDIDATES", candidates)
    found, train = trained(nested=True)
    assert found.picked == candidates[1]
    assert len(seen) == 10
    for inner, held_out in seen:
        assert not set(train.subjects[inner]) & set(train.subjects[held_out])


def test_the_nested_choice_has_at_most_forty_candidates():
    assert len(set(method.CANDIDATES)) == len(method.CANDIDATES) <= 40


def test_what_is_known_of_the_test_clips_is_not_ranked():
    card = CLASSIFIER.card
    known = {name for name in card.configurations if card.facts("not_ranked", CLASSIFIER.resolve(name))}
    assert known == {name for name, settings in card.configurations.items() if any(
        settings.get(key) in ("blocks", "dct", "lda", "pca-lda", "boosting", "gaussian-process", "perceptron")
        for key in ("feature", "estimator")
    )}  # fmt: skip
    for settings in ({"strength": "1000"}, {"strength": "1e-3"}):
        assert card.facts("not_ranked", CLASSIFIER.resolve("ridge", settings)) == ["settings known from test clips"]
    nested = CLASSIFIER.resolve("nested")
    assert (card.facts("not_ranked", nested), len(card.facts("remark", nested))) == ([], 1)
