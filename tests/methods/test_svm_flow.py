import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from merbench.contracts.protocols import load_protocol
from merbench.engine.fold.folds import run_fold
from merbench.engine.plan.data import choose_data
from merbench.engine.plan.runs import PreparedProtocol, Request, plan_runs


@pytest.fixture
def prepared(small_release, small_protocol):
    spec = load_protocol(small_protocol)
    return PreparedProtocol.of(spec, choose_data(str(small_release), [spec]))


@pytest.mark.parametrize(
    "settings", [{}, {"C": "0.1", "kernel": "linear", "class_weight": "null"}], ids=["card", "set"]
)
def test_it_is_a_bare_scikit_learn_loop_to_the_last_digit(prepared, settings):
    (plan,) = plan_runs(Request.named(("svm-flow",), settings=settings), [prepared])
    clips, names = prepared.split.clips, np.array(prepared.spec.classes, dtype=object)
    images = plan.task.inputs["flow"].batch()
    features = images.reshape(len(images), -1).astype(float) / 255
    labels = np.array([prepared.spec.classes.index(word) for word in clips.emotion])
    assert len(plan.file.folds) == 9
    hits = 0
    for fold in plan.file.folds:
        dataset, subject = fold.split("/")
        test = ((clips.dataset == dataset) & (clips.subject == subject)).to_numpy()
        svc = SVC(kernel="linear", C=0.1) if settings else SVC(kernel="rbf", C=1.0, class_weight="balanced")
        bare = make_pipeline(StandardScaler(), svc).fit(features[~test], labels[~test])
        found = run_fold(plan.task, fold).predictions
        assert found["clip"].tolist() == clips[test]["clip"].tolist()
        assert found.truth.tolist() == names[labels[test]].tolist()
        assert found.predicted.tolist() == names[bare.predict(features[test])].tolist()
        scores = found[[f"score_{name}" for name in names]].to_numpy()
        # libsvm sums kernels clip by clip; only the scaler's division may be batched otherwise
        np.testing.assert_allclose(scores, bare.decision_function(features[test]), rtol=1e-12, atol=1e-12)
        hits += (found.truth == found.predicted).sum()
    assert hits > 20  # of 24: the signal is seen
