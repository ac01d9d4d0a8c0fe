"""The orthogonal losses compared with values computed by hand, and the class loss with a loop."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from merbench.methods.medn.losses import ORTHOGONAL, class_loss, class_weights, cross_batch, squared_cosine
from torch import nn


def features(clips=6, width=5, seed=0):
    torch.manual_seed(seed)
    return tuple(torch.randn(clips, width, dtype=torch.double, requires_grad=True) for _ in range(2))


def by_loops(motion, emotion):
    clips, width = motion.shape
    rows = []
    for values in (motion.tolist(), emotion.tolist()):
        means = [sum(row[d] for row in values) / clips for d in range(width)]
        centred = [[value - mean for value, mean in zip(row, means, strict=True)] for row in values]
        rows.append([[value / math.hypot(*row) for value in row] for row in centred])
    total = 0.0
    for i in range(width):
        for j in range(width):
            total += sum(rows[0][b][i] * rows[1][b][j] for b in range(clips)) ** 2
    return total / clips


@given(st.integers(2, 6), st.integers(2, 5), st.integers(0, 1000))
def test_cross_batch_is_the_value_of_a_loop(clips, width, seed):
    motion, emotion = features(clips, width, seed)
    assert cross_batch(motion, emotion).item() == pytest.approx(by_loops(motion, emotion), rel=1e-6)


def test_orthogonal_losses_have_the_values_computed_by_hand():
    motion = torch.tensor([[4.0, 1.0], [2.0, 1.0]])  # centred: +-(1, 0)
    emotion = torch.tensor([[0.0, 5.0], [0.0, -1.0]])  # centred: +-(0, 3), scaled: +-(0, 1)
    assert cross_batch(motion, emotion).item() == pytest.approx(2.0)  # a 2 in one place: 4 / 2 clips
    along = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    across = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0], [1.0, 0.0]])  # the product of the two signs
    assert cross_batch(along, across).item() == pytest.approx(0.0, abs=1e-12)
    motion = torch.tensor([[1.0, 0.0], [2.0, 0.0], [3.0, 3.0]])
    emotion = torch.tensor([[0.0, 7.0], [-5.0, 0.0], [1.0, 0.0]])  # cosines 0, -1, sqrt(1/2)
    assert squared_cosine(motion, emotion).item() == pytest.approx((0 + 1 + 0.5) / 3)


def pair(kind, seed, clips=32, width=256):
    """Features of rank 8 with some noise, and the same turned by 90 degrees, independent ones, or the same again."""
    torch.manual_seed(seed)
    motion, other = (torch.randn(clips, 8) @ torch.randn(8, width) + 0.3 * torch.randn(clips, width) for _ in range(2))
    half = width // 2
    turned = torch.cat([-motion[:, half:], motion[:, :half]], dim=1)
    return motion, {"turned": turned, "independent": other, "same": motion}[kind]


def test_cross_batch_sees_dependence_that_squared_cosine_misses():
    mean = {
        (loss, kind): np.mean([ORTHOGONAL[loss](*pair(kind, seed)).item() for seed in range(8)])
        for loss in ORTHOGONAL
        for kind in ("turned", "independent", "same")
    }
    assert mean["squared-cosine", "turned"] == pytest.approx(0.0, abs=1e-9)
    assert mean["squared-cosine", "independent"] == pytest.approx(0.005, abs=0.002)
    assert mean["squared-cosine", "same"] == pytest.approx(1.0)
    assert mean["cross-batch", "turned"] == pytest.approx(5.0, abs=0.4)  # mean of squares 2.4e-3, times 256^2 / 32
    assert mean["cross-batch", "same"] == pytest.approx(mean["cross-batch", "turned"], rel=1e-3)
    assert mean["cross-batch", "independent"] == pytest.approx(1.1, abs=0.15)  # 5.7e-4: its floor


def test_cross_batch_ignores_length_and_mean_of_features():
    motion, emotion = features(8, 6)
    loss = cross_batch(motion, emotion)
    assert cross_batch(0.1 * motion + 3, 5 * emotion - 1).item() == pytest.approx(loss.item(), rel=1e-6)
    loss.backward()
    for each in (motion, emotion):
        assert each.grad.abs().max() > 1e-3
        centred = each.detach() - each.detach().mean(dim=0)
        assert (centred * each.grad).sum().item() == pytest.approx(0.0, abs=1e-9)


def test_gradients_are_those_of_the_values_and_always_finite():
    one = torch.randn(1, 8)
    assert cross_batch(one, torch.randn(1, 8)).item() == 0
    for loss in ORTHOGONAL.values():
        assert torch.autograd.gradcheck(loss, features(4, 3))
        motion, emotion = features(16, 8)
        before = loss(motion, emotion)
        before.backward()
        assert loss(motion - motion.grad, emotion - emotion.grad) < before
        for given_motion, given_emotion in (
            (one, torch.randn(1, 8)), (one.repeat(4, 1), one.repeat(4, 1)), (torch.zeros(3, 8), torch.zeros(3, 8)),
        ):  # fmt: skip
            pair_of = [each.clone().requires_grad_() for each in (given_motion, given_emotion)]
            value = loss(*pair_of)
            value.backward()
            assert value.isfinite()
            assert all(each.grad.isfinite().all() for each in pair_of)


@given(st.integers(1, 9), st.sampled_from([0.0, 0.1, 0.5]), st.booleans(), st.booleans(), st.integers(0, 1000))
def test_the_class_loss_is_the_value_of_a_loop(clips, smoothing, weighted, focal, seed):
    torch.manual_seed(seed)
    scores, labels = 2 * torch.randn(clips, 3), torch.randint(3, (clips,))
    weights = [0.5, 2.0, 1.25] if weighted else [1.0, 1.0, 1.0]
    total = share = 0.0
    for row, label in zip(scores.tolist(), labels.tolist(), strict=True):
        whole = sum(math.exp(value) for value in row)
        probability = [math.exp(value) / whole for value in row]
        term = -(1 - smoothing) * weights[label] * math.log(probability[label])
        term -= sum(smoothing / 3 * weight * math.log(p) for weight, p in zip(weights, probability, strict=True))
        total += term * ((1 - probability[label]) ** 2 if focal else 1)
        share += weights[label]
    given_weights = torch.tensor(weights) if weighted else None
    found = class_loss(scores, labels, given_weights, smoothing, focal)
    assert found.item() == pytest.approx(total / share, rel=1e-4, abs=1e-6)
    if not focal:
        expected = nn.functional.cross_entropy(scores, labels, given_weights, label_smoothing=smoothing)
        torch.testing.assert_close(found, expected)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40))
def test_class_weights_give_every_present_class_the_same_sum(labels):
    found = class_weights(np.array(labels), 4)
    counts = [labels.count(each) for each in range(4)]
    present = sum(count > 0 for count in counts)
    assert found.dtype == torch.float32
    for weight, count in zip(found.tolist(), counts, strict=True):
        assert weight * count == pytest.approx(len(labels) / present if count else 0.0)
        assert (weight == 0) is (count == 0)
