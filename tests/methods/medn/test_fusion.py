"""CoFM and its simpler alternatives: bounds of the gate, and which features and tokens each kind uses."""

import typing

import torch
from hypothesis import given
from hypothesis import strategies as st
from merbench.methods.medn.config import Config
from merbench.methods.medn.fusion import Fusion
from merbench.methods.medn.method import Net
from torch import nn
from torch.testing import assert_close

KINDS = typing.get_args(Config.model_fields["fusion"].annotation)


def fusion(kind, width=8, heads=2):
    torch.manual_seed(0)
    return Fusion(kind, width, heads, dropout=0.3).eval()


def given_to(clips=3, width=8, places=4, patches=9, size=1.0):
    torch.manual_seed(7)
    shapes = ((clips, width), (clips, width), (clips, places, width), (clips, patches, width))
    return [(size * torch.randn(shape)).requires_grad_() for shape in shapes]


@given(
    st.sampled_from(KINDS), st.sampled_from([1, 2, 5]), st.sampled_from([8, 16]), st.sampled_from([0.01, 1.0, 100.0])
)
def test_shapes_and_bounds_of_the_gate(kind, clips, width, size):
    fused, gate = fusion(kind, width)(*given_to(clips, width, size=size))
    assert fused.shape == gate.shape == (clips, width)
    assert fused.isfinite().all()
    assert ((gate >= 0) & (gate <= 1)).all()
    assert (gate == 0.5).all() if kind in ("concat", "add") else gate.std() > 0


def test_every_weight_and_feature_gets_a_gradient():
    for kind in KINDS:
        net, inputs = fusion(kind).train(), given_to()
        torch.manual_seed(1)
        fused, _ = net(*inputs)
        (fused * torch.randn_like(fused)).sum().backward()
        for name, parameter in net.named_parameters():
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().max() > 0, name
        assert all(each.grad.abs().max() > 0 for each in inputs[:2])


def test_only_cofm_uses_tokens():
    motion, emotion, places, patches = inputs = given_to()
    for kind in KINDS:
        net = fusion(kind)
        together = net(*inputs)
        for changed in ((motion, emotion, places + 1, patches), (motion, emotion, places, patches.flip(2))):
            assert torch.allclose(net(*changed)[0], together[0], atol=1e-6) is (kind != "cofm")


def test_each_kind_is_its_formula():
    motion, emotion, _, _ = inputs = given_to()
    expected = nn.functional.layer_norm((motion + emotion) / 2, (8,))
    assert_close(fusion("add")(*inputs)[0], expected)
    net = fusion("concat")
    joined = motion @ net.join.weight[:, :8].T + emotion @ net.join.weight[:, 8:].T + net.join.bias
    assert_close(net(*inputs)[0], nn.functional.layer_norm(joined, (8,)), rtol=1e-4, atol=1e-5)
    net = fusion("gate")
    weight = net.gate.weight
    logits = motion @ weight[:, :8].T + emotion @ weight[:, 8:16].T + (motion * emotion) @ weight[:, 16:].T
    assert_close(net(*inputs)[1], torch.sigmoid(logits + net.gate.bias), rtol=1e-4, atol=1e-5)


def test_a_gate_at_1_keeps_motion_and_one_at_0_emotion():
    motion, emotion, places, patches = inputs = given_to()
    for kind in ("gate", "cofm"):
        net = fusion(kind)
        net.gate.weight.data.zero_()
        for to_motion in (True, False):
            net.gate.bias.data.fill_(50.0 if to_motion else -50.0)
            fused, gate = net(*inputs)
            assert_close(gate, torch.full_like(gate, float(to_motion)))
            alone = motion if to_motion else emotion
            if kind == "gate":  # the other feature has no effect
                other = (motion, -emotion) if to_motion else (-motion, emotion)
                assert_close(net(*other, places, patches)[0], fused, rtol=1e-4, atol=1e-5)
            else:
                ask, norm, tokens = (
                    (net.ask_emotion, net.norm_motion, patches)
                    if to_motion
                    else (net.ask_motion, net.norm_emotion, places)
                )
                alone = norm(alone + ask(alone[:, None], tokens, tokens)[0][:, 0])
            assert_close(fused, net.norm(alone + net.mix(alone)), rtol=1e-4, atol=1e-4)


def test_the_class_loss_reaches_the_motion_branch_only_if_set(tiny):
    for kind in KINDS:
        for allowed in (True, False):
            torch.manual_seed(0)
            net = Net(tiny(fusion=kind, class_into_motion=allowed, dropout=0.0), 3)
            seen = net(torch.randn(4, 3, 16, 16), torch.rand(4, 3, 3, 16, 16))
            nn.functional.cross_entropy(seen.scores, torch.tensor([0, 1, 2, 0])).backward(retain_graph=True)
            trunk = [p for name, p in net.motion.named_parameters() if not name.startswith("action_units")]
            assert all(p.grad.abs().max() > 0 if allowed else p.grad is None for p in trunk)
            assert all(p.grad is None for p in net.motion.action_units.parameters())
            assert net.emotion.project.weight.grad.abs().max() > 0
            seen.motion.action_units.sum().backward()
            assert net.motion.project.weight.grad.abs().max() > 0
