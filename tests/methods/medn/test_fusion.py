"""CoFM and its plainer alternatives: bounds of the gate, what each kind looks at."""

import typing

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from merbench.methods.medn.config import Config
from merbench.methods.medn.fusion import Fusion
from merbench.methods.medn.method import Net
from torch import nn

KINDS = typing.get_args(Config.model_fields["fusion"].annotation)


def fusion(kind, width=8, heads=2, seed=0):
    torch.manual_seed(seed)
    return Fusion(kind, width, heads, dropout=0.3).eval()


def given_to(clips=3, width=8, places=4, patches=9, size=1.0):
    torch.manual_seed(7)
    shapes = ((clips, width), (clips, width), (clips, places, width), (clips, patches, width))
    return [(size * torch.randn(shape)).requires_grad_() for shape in shapes]


@given(
    st.sampled_from(KINDS), st.sampled_from([1, 2, 5]), st.sampled_from([8, 16]), st.sampled_from([0.01, 1.0, 100.0])
)
def test_shapes_hold_and_the_gate_lies_between_0_and_1(kind, clips, width, size):
    fused, gate = fusion(kind, width)(*given_to(clips, width, size=size))
    assert fused.shape == gate.shape == (clips, width)
    assert fused.isfinite().all()
    assert ((gate >= 0) & (gate <= 1)).all()
    if kind in ("concat", "add"):
        assert (gate == 0.5).all()
    else:
        assert gate.std() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_every_weight_gets_a_gradient_and_so_do_both_features(kind):
    net, inputs = fusion(kind).train(), given_to()
    torch.manual_seed(1)
    fused, _ = net(*inputs)
    (fused * torch.randn_like(fused)).sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name
    for each in inputs[:2]:
        assert each.grad.abs().max() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_only_cofm_asks_the_tokens_of_both_branches(kind):
    motion, emotion, places, patches = given_to()
    net = fusion(kind)
    fused, _ = net(motion, emotion, places, patches)
    for changed in ((motion, emotion, places + 1, patches), (motion, emotion, places, patches.flip(2))):
        assert torch.allclose(net(*changed)[0], fused, atol=1e-6) is (kind != "cofm")


def test_add_is_the_normed_mean_and_concat_a_layer_on_both():
    motion, emotion, places, patches = given_to()
    net = fusion("add")
    expected = nn.functional.layer_norm((motion + emotion) / 2, (8,))
    torch.testing.assert_close(net(motion, emotion, places, patches)[0], expected)
    net = fusion("concat")
    joined = motion @ net.join.weight[:, :8].T + emotion @ net.join.weight[:, 8:].T + net.join.bias
    expected = nn.functional.layer_norm(joined, (8,))
    torch.testing.assert_close(net(motion, emotion, places, patches)[0], expected, rtol=1e-4, atol=1e-5)


def test_the_gate_is_computed_from_both_features_and_their_product():
    motion, emotion, places, patches = given_to()
    net = fusion("gate")
    weight = net.gate.weight
    logits = motion @ weight[:, :8].T + emotion @ weight[:, 8:16].T + (motion * emotion) @ weight[:, 16:].T
    found = net(motion, emotion, places, patches)[1]
    torch.testing.assert_close(found, torch.sigmoid(logits + net.gate.bias), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["gate", "cofm"])
def test_a_gate_at_1_leaves_motion_and_one_at_0_emotion(kind):
    motion, emotion, places, patches = given_to()
    net = fusion(kind)
    net.gate.weight.data.zero_()
    for open_to_motion in (True, False):
        net.gate.bias.data.fill_(50.0 if open_to_motion else -50.0)
        fused, gate = net(motion, emotion, places, patches)
        torch.testing.assert_close(gate, torch.full_like(gate, float(open_to_motion)))
        other = (motion, -emotion, places, patches) if open_to_motion else (-motion, emotion, places, patches)
        if kind == "gate":  # the other feature is not heard at all
            torch.testing.assert_close(net(*other)[0], fused, rtol=1e-4, atol=1e-5)
        alone = motion if open_to_motion else emotion
        if kind == "cofm":
            ask, norm, tokens = (
                (net.ask_emotion, net.norm_motion, patches)
                if open_to_motion
                else (net.ask_motion, net.norm_emotion, places)
            )
            alone = norm(alone + ask(alone[:, None], tokens, tokens)[0][:, 0])
        torch.testing.assert_close(fused, net.norm(alone + net.mix(alone)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_fused_of_a_clip_does_not_depend_on_its_company(kind):
    net, inputs = fusion(kind), given_to(5)
    together = net(*inputs)
    for row in range(5):
        alone = net(*(each[row : row + 1] for each in inputs))
        for found, expected in zip(alone, together, strict=True):
            torch.testing.assert_close(found[0], expected[row], rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("allowed", [True, False])
def test_the_class_loss_reaches_the_motion_branch_only_where_it_may(tiny, made, kind, allowed):
    config = tiny(fusion=kind, class_into_motion=allowed, dropout=0.0)
    torch.manual_seed(0)
    net = Net(config, 3)
    seen = net(torch.randn(4, 3, 16, 16), torch.rand(4, 3, 3, 16, 16))
    nn.functional.cross_entropy(seen.scores, torch.tensor([0, 1, 2, 0])).backward(retain_graph=True)
    trunk = [p for name, p in net.motion.named_parameters() if not name.startswith("action_units")]
    if allowed:
        assert all(p.grad.abs().max() > 0 for p in trunk)
    else:
        assert all(p.grad is None for p in trunk)
    assert all(p.grad is None for p in net.motion.action_units.parameters())
    assert net.emotion.project.weight.grad.abs().max() > 0
    seen.motion.action_units.sum().backward()
    assert net.motion.project.weight.grad.abs().max() > 0
