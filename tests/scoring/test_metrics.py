import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, recall_score

from merbench.scoring.metrics import accuracy, confusion_matrix, scores, unweighted_f1, unweighted_recall

THREE = ("negative", "positive", "surprise")


@st.composite
def outcomes(draw):
    """Draw a class set, and truths and predictions from subsets of it."""
    classes = tuple(f"class-{number}" for number in range(draw(st.integers(2, 7))))
    shown, given_ = (draw(st.lists(st.sampled_from(classes), min_size=1, unique=True)) for _ in range(2))
    clips = draw(st.integers(1, 40))
    truth, predicted = (
        draw(st.lists(st.sampled_from(some), min_size=clips, max_size=clips)) for some in (shown, given_)
    )
    return classes, truth, predicted


@given(outcomes())
def test_figures_equal_scikit_learns_over_classes_with_clips(outcome):
    classes, truth, predicted = outcome
    found = scores(confusion_matrix(truth, predicted, classes))
    options = {"labels": sorted(set(truth)), "average": "macro", "zero_division": 0}
    assert found.uf1 == pytest.approx(f1_score(truth, predicted, **options), abs=1e-12)
    assert found.uar == pytest.approx(recall_score(truth, predicted, **options), abs=1e-12)
    assert found.acc == pytest.approx(accuracy_score(truth, predicted), abs=1e-12)
    assert found.classes_scored == len(set(truth))


@given(outcomes(), st.randoms())
def test_the_order_of_clips_and_classes_means_nothing(outcome, random):
    classes, truth, predicted = outcome
    pairs, others = list(zip(truth, predicted, strict=True)), list(classes)
    random.shuffle(pairs)
    random.shuffle(others)
    turned = scores(confusion_matrix(*zip(*pairs, strict=True), others))
    straight = scores(confusion_matrix(truth, predicted, classes))
    assert (turned.uf1, turned.uar, turned.acc) == pytest.approx((straight.uf1, straight.uar, straight.acc), abs=1e-12)


def test_a_stack_of_matrices_scores_like_each_of_them():
    rng = np.random.default_rng(3)
    stack = rng.integers(0, 6, (4, 5, 3, 3))
    stack[0, 0] = 0
    stack[1, 1, 2] = 0
    for figure in (unweighted_f1, unweighted_recall, accuracy):
        each = [[float(figure(matrix)) for matrix in row] for row in stack]
        assert figure(stack).shape == (4, 5)
        np.testing.assert_array_equal(figure(stack), each)
        np.testing.assert_allclose(figure(stack.astype(float)), each)


def test_figures_are_means_over_classes_by_hand():
    # 4 negative clips, 3 found, 1 called surprise; 2 positive, 1 found, 1 called negative; 2 surprise, called negative.
    # F1: negative 2*3/(4+6) = .6, positive 2*1/(2+1) = 2/3, surprise 0. Recall: 3/4, 1/2, 0. Right: 4 of 8.
    truth = ["negative"] * 4 + ["positive"] * 2 + ["surprise"] * 2
    predicted = ["negative"] * 3 + ["surprise"] + ["positive", "negative"] + ["negative"] * 2
    matrix = confusion_matrix(truth, predicted, THREE)
    assert matrix.tolist() == [[3, 0, 1], [1, 1, 0], [2, 0, 0]]
    found = scores(matrix)
    assert found.uf1 == pytest.approx((0.6 + 2 / 3 + 0) / 3)
    assert found.uar == pytest.approx((3 / 4 + 1 / 2 + 0) / 3)
    assert (found.acc, found.classes_scored) == (0.5, 3)


def test_truth_and_prediction_are_not_the_same_thing():
    # Truth a a a b, predicted a b c b. Recall: a 1/3, b 1 -> UAR 2/3 over 2 classes; F1: a 2/(3+1), b 2/(1+2) -> 7/12.
    # Swapped, c has a clip, not found. Recall: a 1, b 1/2, c 0 -> 1/2 over 3 classes; F1: the same, and 0 -> 7/18.
    truth, predicted = list("aaab"), list("abcb")
    found, swapped = (scores(confusion_matrix(*pair, "abc")) for pair in ((truth, predicted), (predicted, truth)))
    assert (found.uar, found.uf1, found.classes_scored) == pytest.approx((2 / 3, 7 / 12, 2))
    assert (swapped.uar, swapped.uf1, swapped.classes_scored) == pytest.approx((1 / 2, 7 / 18, 3))


def test_a_class_without_clips_counts_by_false_positives_alone():
    # 3 negative, one of them predicted as surprise; 2 positive, both found; no clip of surprise.
    # F1: negative 2*2/(3+2) = .8, positive 1 -> UF1 .9 over 2 classes (1 without the wrong clip).
    predicted = ["negative"] * 2 + ["surprise"] + ["positive"] * 2
    found = scores(confusion_matrix(["negative"] * 3 + ["positive"] * 2, predicted, THREE))
    assert (found.uf1, found.uar, found.acc) == pytest.approx((0.9, (2 / 3 + 1) / 2, 4 / 5))
    assert found.classes_scored == 2
    found = scores(confusion_matrix(["negative", "positive"], ["negative", "negative"], THREE))
    assert (found.uf1, found.uar, found.classes_scored) == pytest.approx((1 / 3, 1 / 2, 2))  # one is never found


@pytest.mark.filterwarnings("error")
def test_without_clips_there_is_no_figure():
    found = scores(confusion_matrix([], [], THREE))
    assert np.isnan([found.uf1, found.uar, found.acc]).all()
    assert found.classes_scored == 0
    for figure in (unweighted_f1, unweighted_recall, accuracy):
        assert np.isnan(figure(np.zeros((2, 3, 3), dtype=int))).all()


def test_unknown_classes_and_missing_predictions_are_refused():
    for truth, predicted in ((["fear"], ["negative"]), (["negative"], ["fear"])):
        with pytest.raises(ValueError, match="class 'fear' is not one of negative, positive, surprise"):
            confusion_matrix(truth, predicted, THREE)
    with pytest.raises(ValueError, match="2 true classes but 1 predicted"):
        confusion_matrix(["negative", "positive"], ["negative"], THREE)


def test_always_negative_on_the_442_clips_of_megc_2019():
    # 250 negative, 109 positive, 83 surprise: accuracy 250/442, UAR 1/3, UF1 (2*250 / (2*250 + 192)) / 3.
    found = scores(np.array([[250, 0, 0], [109, 0, 0], [83, 0, 0]]))
    assert (round(found.acc, 4), round(found.uar, 4), round(found.uf1, 4)) == (0.5656, 0.3333, 0.2408)
    assert found.uf1 == pytest.approx(500 / 692 / 3)
