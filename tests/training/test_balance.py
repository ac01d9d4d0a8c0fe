"""Weights by which all classes count alike."""

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from merbench.training.balance import balanced_weights, oversampled


def test_class_weights_give_every_present_class_the_same_sum():
    for labels in ([0], [3, 3, 1], [0] * 9 + [1] * 3 + [2]):
        counts = np.bincount(labels, minlength=4)
        expected = [len(labels) / np.count_nonzero(counts) if count else 0 for count in counts]
        assert (balanced_weights(np.array(labels), 4).numpy() * counts).tolist() == pytest.approx(expected)
        assert (balanced_weights(np.array(labels), 4).numpy()[counts == 0] == 0).all()


def test_weights_are_scikit_learns():
    labels = np.array([0, 0, 0, 2])
    wanted = compute_class_weight("balanced", classes=np.array([0, 2]), y=labels)
    assert balanced_weights(labels, 3).numpy()[[0, 2]] == pytest.approx(wanted)
    assert balanced_weights(labels, 3)[1] == 0


def test_repeated_clips_balance_the_classes_and_none_is_missing():
    labels = np.array([0] * 10 + [2] * 4)
    rows = oversampled(labels, 1.5, np.random.default_rng(0))
    assert np.bincount(labels[rows]).tolist() == [10, 0, 6]
    assert set(rows) == set(range(14))
    assert np.bincount(rows).max() == 2
    assert (np.diff(rows) >= 0).all()
