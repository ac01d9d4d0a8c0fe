"""The motion branch and its AU-detection task: the loss compared with a loop, and unlabelled clips teach nothing."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from merbench.methods.medn.config import Config
from merbench.methods.medn.method import MEDN
from merbench.methods.medn.motion import MotionBranch, action_unit_loss, action_unit_weights
from torch import nn

from merbench.contracts.errors import SetupError
from merbench.contracts.inputs import Inputs
from merbench.contracts.methods import Problem, TrainingData

SIDES = {("small", 4): 4, ("resnet18", 3): 16, ("resnet18", 4): 32}  # pixels of flow to a token's side


def branch(config):
    torch.manual_seed(0)
    return MotionBranch(config)


@settings(max_examples=20)
@given(
    st.sampled_from(sorted(SIDES)), st.sampled_from([32, 48, 64]), st.sampled_from([1, 2, 5]), st.sampled_from([8, 16]),
    st.integers(1, 4),
)  # fmt: skip
def test_shapes_for_every_trunk(tiny, trunk, size, clips, width, units):
    vocabulary = tuple(range(1, units + 1))
    config = tiny(trunk=trunk[0], trunk_stages=trunk[1], flow_size=size, width=width, au_vocabulary=vocabulary)
    with torch.inference_mode():
        found = branch(config).eval()(torch.randn(clips, 3, size, size))
    assert found.tokens.shape == (clips, math.ceil(size / SIDES[trunk]) ** 2, width)
    assert found.feature.shape == (clips, width)
    assert found.action_units.shape == (clips, units)
    assert all(each.isfinite().all() for each in found)


def test_every_weight_gets_a_gradient(tiny):
    weights = {}
    for trunk, stages in SIDES:
        net = branch(tiny(trunk=trunk, trunk_stages=stages, flow_size=48)).train()
        weights[trunk, stages] = sum(p.numel() for p in net.trunk.parameters())
        for layer in net.modules():  # timm begins with residual blocks that add nothing
            if isinstance(layer, nn.BatchNorm2d):
                nn.init.ones_(layer.weight)
        found = net(torch.randn(5, 3, 48, 48))
        torch.manual_seed(1)
        (found.feature * torch.randn_like(found.feature)).sum().backward(retain_graph=True)
        assert all(p.grad is None for p in net.action_units.parameters())
        found.action_units.square().sum().backward()
        for name, parameter in net.named_parameters():
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().max() > 0, name
    assert weights["resnet18", 3] < weights["resnet18", 4] / 3


@st.composite
def labelled(draw):
    clips, units = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    logits = torch.from_numpy(rng.normal(0, 2, (clips, units)).clip(-6, 6).astype(np.float32))
    shown = torch.from_numpy(rng.choice([0.0, 1.0, np.nan], (clips, units)).astype(np.float32))
    weight = torch.from_numpy(rng.uniform(0.1, 10, units).astype(np.float32))
    return logits, shown, weight, torch.from_numpy(rng.random(units) < 0.7)


def by_loop(logits, shown, weight, counted, focal):
    total = labels = 0.0
    for z, a in zip(logits.tolist(), shown.tolist(), strict=True):
        for k in range(len(z)):
            if math.isnan(a[k]) or not counted[k]:
                continue
            probability = 1 / (1 + math.exp(-z[k]))
            truth = probability if a[k] else 1 - probability
            term = -math.log(truth) * (float(weight[k]) if a[k] else 1.0)
            total += term * ((1 - truth) ** 2 if focal else 1.0)
            labels += 1
    return total / labels if labels else 0.0


@given(labelled(), st.booleans())
def test_the_au_loss_is_the_value_of_a_loop(made, focal):
    logits, shown, weight, counted = made
    logits = logits.clone().requires_grad_()
    loss = action_unit_loss(logits, shown, weight, counted, focal)
    assert loss.item() == pytest.approx(by_loop(*made, focal), rel=1e-3, abs=1e-5)
    loss.backward()
    silent = shown.isnan() | ~counted
    assert (logits.grad[silent] == 0).all()
    assert (logits.grad[~silent] != 0).all()
    for nothing in ((torch.full_like(shown, torch.nan), counted), (shown, torch.zeros_like(counted))):
        logits.grad = None
        loss = action_unit_loss(logits, nothing[0], weight, nothing[1], focal)
        loss.backward()
        assert loss.item() == 0
        assert (logits.grad == 0).all()


def test_extreme_scores_give_finite_losses_and_gradients():
    for focal in (False, True):
        logits = torch.tensor([[300.0, -300.0, 300.0, -300.0, 0.0]], requires_grad=True)
        shown = torch.tensor([[1.0, 1.0, 0.0, 0.0, torch.nan]])
        loss = action_unit_loss(logits, shown, torch.full((5,), 2.0), torch.ones(5, dtype=torch.bool), focal)
        loss.backward()
        assert loss.item() == pytest.approx((2 * 300 + 300) / 4)
        assert logits.grad.isfinite().all()


@given(st.integers(1, 30), st.integers(1, 10), st.sampled_from([1.0, 2.0, 10.0]), st.integers(0, 1000))
def test_au_weights_are_negatives_over_positives_within_bounds(clips, least, most, seed):
    rng = np.random.default_rng(seed)
    shown = rng.choice([0.0, 1.0, np.nan], (clips, 4), p=[0.6, 0.2, 0.2]).astype(np.float32)
    weights, counted = action_unit_weights(torch.from_numpy(shown), most, least)
    for k in range(4):
        positives = sum(value == 1 for value in shown[:, k])
        negatives = sum(value == 0 for value in shown[:, k])
        assert counted[k].item() is bool(positives >= least)
        if positives:
            assert weights[k].item() == pytest.approx(min(max(negatives / positives, 1 / most), most), rel=1e-5)
    assert weights.isfinite().all()


def test_au_detection_uses_the_motion_branch_alone():
    config = Config(branches="motion", motion_input="uvs", trunk="small", width=16, flow_size=16)
    method = MEDN(config, Problem("au-detection", ("1", "4", "45")))
    labels = np.array([[1, 0, 0], [0, 1, 0], [1, 0, np.nan], [0, 1, 0]] * 6, dtype=float)
    names = np.array(["samm/1"] * len(labels), dtype=object)
    method.begin(TrainingData(Inputs({}, len(labels)), labels, method.problem, names, names))
    net = method.module().eval()
    assert {name.split(".")[0] for name, _ in net.named_parameters()} == {"motion"}
    flow, truth = torch.rand(len(labels), 3, 16, 16), torch.from_numpy(labels)
    scores = method.scores(net, {"flow": flow})
    assert scores.shape == (len(labels), 3)
    assert (scores[:, 2] < 0).all()  # too few clips show it: never predicted
    weight, counted = action_unit_weights(truth, config.au_positive_weight, config.au_least)
    assert counted.tolist() == [True, True, False]
    logits = method.look(net, {"flow": flow}).scores
    weights = torch.where(truth[:, :2] > 0, weight[:2], 1.0).float()
    expected = nn.functional.binary_cross_entropy_with_logits(logits[:, :2], truth[:, :2].float(), weight=weights)
    torch.testing.assert_close(method.loss(net, {"flow": flow}, truth), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(SetupError, match="medn:branches=motion"):
        MEDN(Config(branches="emotion"), Problem("au-detection", ("1", "4"))).module()
