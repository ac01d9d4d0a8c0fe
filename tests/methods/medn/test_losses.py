"""The losses compared with loops and with values computed by hand, and CoFM with its formula."""

import math
import typing

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from merbench.methods.medn.config import Config
from merbench.methods.medn.fusion import Fusion
from merbench.methods.medn.losses import ORTHOGONAL, class_loss, cross_batch, squared_cosine
from merbench.methods.medn.method import Net
from torch import nn
from torch.testing import assert_close

KINDS = typing.get_args(Config.model_fields["fusion"].annotation)


def features(clips=6, width=5, seed=0):
    torch.manual_seed(seed)
    return tuple(torch.randn(clips, width, dtype=torch.double, requires_grad=True) for _ in range(2))


def by_loops(motion, emotion):
    rows = []
    for values in (motion.detach().numpy(), emotion.detach().numpy()):
        centred = values - values.mean(axis=0)
        rows.append([row / np.linalg.norm(row) for row in centred])
    clips, width = motion.shape
    pairs = [(i, j) for i in range(width) for j in range(width)]
    return sum(sum(rows[0][b][i] * rows[1][b][j] for b in range(clips)) ** 2 for i, j in pairs) / clips


def test_orthogonal_losses_have_the_values_of_loops_and_hands():
    for clips, width in ((2, 2), (6, 5), (3, 4)):
        pair = features(clips, width)
        assert cross_batch(*pair).item() == pytest.approx(by_loops(*pair), rel=1e-6)
    motion = torch.tensor([[4.0, 1.0], [2.0, 1.0]])  # centred: +-(1, 0)
    emotion = torch.tensor([[0.0, 5.0], [0.0, -1.0]])  # centred: +-(0, 3), scaled: +-(0, 1)
    assert cross_batch(motion, emotion).item() == pytest.approx(2.0)  # a 2 in one place: 4 / 2 clips
    motion = torch.tensor([[1.0, 0.0], [2.0, 0.0], [3.0, 3.0]])
    emotion = torch.tensor([[0.0, 7.0], [-5.0, 0.0], [1.0, 0.0]])  # cosines 0, -1, sqrt(1/2)
    assert squared_cosine(motion, emotion).item() == pytest.approx((0 + 1 + 0.5) / 3)


def test_cross_batch_sees_dependence_that_squared_cosine_misses():
    torch.manual_seed(0)  # features of rank 8 with some noise; the same turned by 90 degrees; independent ones
    motion, other = (torch.randn(32, 8) @ torch.randn(8, 256) + 0.3 * torch.randn(32, 256) for _ in range(2))
    turned = torch.cat([-motion[:, 128:], motion[:, :128]], dim=1)
    assert squared_cosine(motion, turned).item() == pytest.approx(0.0, abs=1e-9)
    assert squared_cosine(motion, motion).item() == pytest.approx(1.0)
    assert cross_batch(motion, turned).item() > 4
    assert cross_batch(motion, motion).item() == pytest.approx(cross_batch(motion, turned).item(), rel=1e-3)
    assert cross_batch(motion, other).item() == pytest.approx(1.1, abs=0.3)  # its floor


def test_orthogonal_gradients_keep_lengths_and_are_always_finite():
    motion, emotion = features(8, 6)
    loss = cross_batch(motion, emotion)
    assert cross_batch(0.1 * motion + 3, 5 * emotion - 1).item() == pytest.approx(loss.item(), rel=1e-6)
    loss.backward()
    for each in (motion, emotion):
        centred = each.detach() - each.detach().mean(dim=0)
        assert (centred * each.grad).sum().item() == pytest.approx(0.0, abs=1e-9)
    assert cross_batch(torch.randn(1, 8), torch.randn(1, 8)).item() == 0
    for function in ORTHOGONAL.values():
        assert torch.autograd.gradcheck(function, features(4, 3))
        for rows in (torch.randn(1, 8), torch.ones(4, 8), torch.zeros(3, 8)):
            pair = [rows.clone().requires_grad_() for _ in range(2)]
            function(*pair).backward()
            assert all(each.grad.isfinite().all() for each in pair)


@given(st.integers(1, 9), st.sampled_from([0.0, 0.1, 0.5]), st.integers(0, 1000))
def test_the_class_loss_is_the_value_of_a_loop(clips, smoothing, seed):
    torch.manual_seed(seed)
    scores, labels = 2 * torch.randn(clips, 3), torch.randint(3, (clips,))
    weights = [0.5, 2.0, 1.25]
    total = share = 0.0
    for row, label in zip(scores.softmax(dim=1).tolist(), labels.tolist(), strict=True):
        term = -(1 - smoothing) * weights[label] * math.log(row[label])
        term -= sum(smoothing / 3 * weight * math.log(p) for weight, p in zip(weights, row, strict=True))
        total += term
        share += weights[label]
    found = class_loss(scores, labels, torch.tensor(weights), smoothing)
    assert found.item() == pytest.approx(total / share, rel=1e-4, abs=1e-6)


def test_every_fusion_is_its_formula_and_learns():
    torch.manual_seed(7)
    shapes = ((3, 8), (3, 8), (3, 4, 8), (3, 9, 8))
    motion, emotion, places, patches = inputs = [torch.randn(shape, requires_grad=True) for shape in shapes]
    kept = torch.rand(3, 9) < 0.5
    for kind in KINDS:
        net = Fusion(kind, 8, 2, dropout=0.3).eval()
        fused, gate = net(*inputs, kept)
        m, e = motion, emotion
        if kind == "cofm":
            seen = [each[of] for each, of in zip(patches, kept, strict=True)]
            asked = [net.ask_emotion(each[None], of, of)[0] for each, of in zip(m, seen, strict=True)]
            m = net.norm_motion(m + torch.cat(asked))
            e = net.norm_emotion(e + net.ask_motion(e[:, None], places, places)[0][:, 0])
        if kind in ("cofm", "gate"):
            parts = net.gate.weight[:, :8], net.gate.weight[:, 8:16], net.gate.weight[:, 16:]
            share = torch.sigmoid(m @ parts[0].T + e @ parts[1].T + (m * e) @ parts[2].T + net.gate.bias)
            mixed = share * m + (1 - share) * e
            expected = mixed + net.mix(mixed)
        else:
            share = torch.full((3, 8), 0.5)
            expected = (m + e) / 2 if kind == "add" else net.join(torch.cat([m, e], dim=1))
        assert_close(gate, share, rtol=1e-4, atol=1e-5)
        assert_close(fused, net.norm(expected), rtol=1e-4, atol=1e-4)
        (net.train()(*inputs, kept)[0] * torch.randn(3, 8)).sum().backward()
        assert [name for name, p in net.named_parameters() if not 0 < p.grad.abs().max() < torch.inf] == []


def test_the_class_loss_reaches_the_motion_branch_only_if_set(tiny):
    for kind in KINDS:
        for allowed in (True, False):
            net = Net(tiny(fusion=kind, class_into_motion=allowed, dropout=0.0), 3)
            seen = net(torch.randn(4, 3, 16, 16), torch.rand(4, 3, 3, 16, 16))
            nn.functional.cross_entropy(seen.scores, torch.tensor([0, 1, 2, 0])).backward(retain_graph=True)
            trunk = [p for name, p in net.motion.named_parameters() if not name.startswith("action_units")]
            assert all(p.grad.abs().max() > 0 if allowed else p.grad is None for p in trunk)
            assert net.emotion.project.weight.grad.abs().max() > 0
            seen.motion.action_units.sum().backward()
            assert net.motion.project.weight.grad.abs().max() > 0
