import re

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier
from support.cases import each
from support.folds import PROBLEM, training_data

from merbench.contracts.inputs import ArrayInput, Flow, Inputs
from merbench.contracts.methods import MethodConfig, RunContext
from merbench.training.sklearn_method import SklearnMethod

ESTIMATORS = {
    "probabilities": lambda seed: LogisticRegression(),
    "decision": lambda seed: SVC(),
    "linear": lambda seed: LinearSVC(random_state=seed),
    "ridge": lambda seed: RidgeClassifier(),
    "neighbours": lambda seed: KNeighborsClassifier(3),
    "tree": lambda seed: DecisionTreeClassifier(random_state=seed, max_features=1),
    "pipeline": lambda seed: make_pipeline(StandardScaler(), SVC(class_weight="balanced")),
    "dummy": lambda seed: DummyClassifier(strategy="most_frequent"),
}


ALL = [0, 1, 2, 0, 1, 2, 0, 0, 1, 2, 2, 1, 0, 0]


def inputs(values):
    return Inputs({"values": ArrayInput(Flow(), values)}, len(values))


def clips(labels, seed=0):
    values = np.random.default_rng(seed).standard_normal((len(labels), 4))
    values[np.arange(len(labels)), labels] += 1.5
    return values


TEST = clips(np.array([0, 1, 2] * 10), seed=5)


def fitted(estimator, labels, seed=3):
    class Adapted(SklearnMethod):
        def features(self, given):
            return given["values"].batch()

        def estimator(self, seed):
            return estimator(seed)

    method = Adapted(MethodConfig(), PROBLEM)
    method.fit(training_data(inputs(clips(labels)), labels), RunContext(seed=seed))
    return method


def predicted(method):
    """Predict the test clips, and some of them alone: the answer must be the same."""
    found = method.predict(inputs(TEST)).check(len(TEST), PROBLEM)
    for row in range(0, len(TEST), 5):
        alone = method.predict(inputs(TEST[row : row + 1]))
        np.testing.assert_allclose(alone.scores[0], found.scores[row], atol=1e-9)
        assert alone.labels[0] == found.labels[row]
    return found


def test_labels_and_scores_are_the_estimators_own():
    seed = RunContext(seed=3).stream_seed("estimator") % 2**32
    for _, make in each(ESTIMATORS.items()):
        bare = make(seed).fit(clips(np.array(ALL)), ALL)
        found = predicted(fitted(make, ALL))
        assert found.labels.tolist() == bare.predict(TEST).tolist()
        expected = bare.predict_proba(TEST) if hasattr(bare, "predict_proba") else bare.decision_function(TEST)
        np.testing.assert_array_equal(found.scores, expected)


def test_a_class_without_training_clips_is_never_predicted():
    for (_, make), present in each(zip(ESTIMATORS.items(), [(0, 1), (0, 2), (1, 2)] * 3, strict=False)):
        found = predicted(fitted(make, [present[n % 2] for n in range(12)]))
        (absent,) = {0, 1, 2} - set(present)
        assert set(found.decisions()) <= set(present)
        assert (found.scores[:, [absent]] <= found.scores).all()
        # Each column belongs to its own class: where the estimator is sure of one, that one is scored higher.
        first, second = present
        ahead = found.scores[:, first] - found.scores[:, second]
        sure = np.abs(ahead) > 1e-9
        assert (found.labels[sure] == np.where(ahead > 0, first, second)[sure]).all()
    found = predicted(fitted(ESTIMATORS["dummy"], [1] * 5))
    assert set(found.decisions()) == {1}
    assert (found.scores == [0, 1, 0]).all()


def test_the_estimators_seed_comes_from_the_run():
    seeds = []
    for seed in (3, 3, 4, 2**62):
        fitted(lambda given: seeds.append(given) or DummyClassifier(), ALL, seed)
    assert seeds[0] == seeds[1] != seeds[2]
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_missing_definitions_are_named():
    method = SklearnMethod(MethodConfig(), PROBLEM)
    for call in ("features(inputs)", "estimator(seed)"):
        with pytest.raises(NotImplementedError, match=re.escape(f"SklearnMethod must define {call}")):
            getattr(method, call.partition("(")[0])(1)
