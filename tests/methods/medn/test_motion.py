"""The motion branch and its AU-detection task: the loss compared with a loop, and unlabelled clips teach nothing."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from merbench.methods.medn.config import Config
from merbench.methods.medn.method import MEDN
from merbench.methods.medn.motion import MotionBranch, action_unit_loss, action_unit_weights
from torch import nn

from merbench.contracts.errors import SetupError
from merbench.contracts.inputs import Inputs
from merbench.contracts.methods import Problem, TrainingData

SIDES = {"small": 4, "resnet18": 32}  # pixels of flow to a token's side


def test_every_trunk_has_its_shapes_and_gradients(tiny):
    for trunk, side in SIDES.items():
        net = MotionBranch(tiny(trunk=trunk, flow_size=48, width=16)).train()
        for layer in net.modules():  # timm begins with residual blocks that add nothing
            if isinstance(layer, nn.BatchNorm2d):
                nn.init.ones_(layer.weight)
        found = net(torch.randn(5, 3, 48, 48))
        assert found.tokens.shape == (5, math.ceil(48 / side) ** 2, 16)
        assert (found.feature.shape, found.action_units.shape) == ((5, 16), (5, 3))
        (found.feature * torch.randn_like(found.feature)).sum().backward(retain_graph=True)
        assert all(p.grad is None for p in net.action_units.parameters())
        found.action_units.square().sum().backward()
        assert [name for name, p in net.named_parameters() if not 0 < p.grad.abs().max() < torch.inf] == []


def by_loop(logits, shown, weight, counted):
    total = labels = 0.0
    for z, a in zip(logits.tolist(), shown.tolist(), strict=True):
        for k in range(len(z)):
            if math.isnan(a[k]) or not counted[k]:
                continue
            probability = 1 / (1 + math.exp(-z[k]))
            truth = probability if a[k] else 1 - probability
            total -= math.log(truth) * (float(weight[k]) if a[k] else 1.0)
            labels += 1
    return total / labels if labels else 0.0


@given(st.integers(1, 6), st.integers(1, 4), st.integers(0, 2**31))
def test_the_au_loss_is_the_value_of_a_loop(clips, units, seed):
    rng = np.random.default_rng(seed)
    logits = torch.from_numpy(rng.normal(0, 2, (clips, units)).clip(-6, 6).astype(np.float32)).requires_grad_()
    shown = torch.from_numpy(rng.choice([0.0, 1.0, np.nan], (clips, units)).astype(np.float32))
    weight = torch.from_numpy(rng.uniform(0.1, 10, units).astype(np.float32))
    counted = torch.from_numpy(rng.random(units) < 0.7)
    loss = action_unit_loss(logits, shown, weight, counted)
    assert loss.item() == pytest.approx(by_loop(logits, shown, weight, counted), rel=1e-3, abs=1e-5)
    loss.backward()
    assert torch.equal(logits.grad == 0, shown.isnan() | ~counted)


def test_extreme_scores_give_finite_losses_and_gradients():
    logits = torch.tensor([[300.0, -300.0, 300.0, -300.0, 0.0]], requires_grad=True)
    shown = torch.tensor([[1.0, 1.0, 0.0, 0.0, torch.nan]])
    loss = action_unit_loss(logits, shown, torch.full((5,), 2.0), torch.ones(5, dtype=torch.bool))
    loss.backward()
    assert loss.item() == pytest.approx((2 * 300 + 300) / 4)
    assert logits.grad.isfinite().all()


def test_au_weights_are_negatives_over_positives_within_bounds():
    shown = torch.tensor([[1, 0, torch.nan, 1], [0, 0, torch.nan, 1], [0, 0, 1, 1], [torch.nan, 0, 0, 0]])
    weights, counted = action_unit_weights(shown, 2.5, 2)
    assert weights.tolist() == pytest.approx([2, 2.5, 1, 0.4])
    assert counted.tolist() == [False, False, False, True]


def test_au_detection_uses_the_motion_branch_alone():
    config = Config(branches="motion", motion_input="uvs", trunk="small", width=16, flow_size=16)
    method = MEDN(config, Problem("au-detection", ("1", "4", "45")))
    labels = np.array([[1, 0, 0], [0, 1, 0], [1, 0, np.nan], [0, 1, 0]] * 6, dtype=float)
    names = np.array(["samm/1"] * len(labels), dtype=object)
    method.begin(TrainingData(Inputs({}, len(labels)), labels, method.problem, names, names))
    net = method.module().eval()
    assert {name.split(".")[0] for name, _ in net.named_parameters()} == {"motion"}
    flow, truth = {"flow": torch.rand(len(labels), 3, 16, 16)}, torch.from_numpy(labels)
    scores = method.scores(net, flow)
    assert scores.shape == (len(labels), 3)
    assert (scores[:, 2] < 0).all()  # too few clips show it: never predicted
    weight, _ = action_unit_weights(truth, config.au_positive_weight, config.au_least)
    weights = torch.where(truth[:, :2] > 0, weight[:2], 1.0).float()
    logits = method.look(net, flow).scores[:, :2]
    expected = nn.functional.binary_cross_entropy_with_logits(logits, truth[:, :2].float(), weight=weights)
    torch.testing.assert_close(method.loss(net, flow, truth), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(SetupError, match="medn:branches=motion"):
        MEDN(Config(branches="emotion"), Problem("au-detection", ("1", "4"))).module()
