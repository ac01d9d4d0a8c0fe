"""Nets on frames: parity with their authors' code where arrays of it exist, sizes, and what can't be had."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from merbench.methods.capsulenet.net import Head, margin_loss
from merbench.methods.emr.net import reversed_gradient
from merbench.methods.learnet.net import Net as LEARNet
from merbench.methods.originet.net import Net as OrigiNet
from support.folds import training_data
from support.nets import count, made
from support.parity import arrays_of
from torch.nn.functional import cross_entropy
from torch.testing import assert_close

from merbench.contracts.errors import MerbenchError
from merbench.contracts.inputs import ArrayInput, Inputs


def test_capsules_equal_their_authors(shared):
    arrays = arrays_of(shared, "capsule_head")
    head = Head(8, 20, 3, 8, 4, 9, 3)
    names = {"conv1": "conv", "primarycaps.conv2d": "primary", "digitcaps": "digit"}
    head.load_state_dict(
        {f"{own}.{name}": arrays[key] for their, own in names.items() for name in ("weight", "bias")
         if (key := f"state/{their}.{name}") in arrays}
    )  # fmt: skip
    primary = head.primary(torch.relu(head.conv(arrays["in/x"])))
    digit = head.digit(primary)
    lengths = digit.norm(dim=-1)
    labels = arrays["in/onehot"].argmax(dim=1)
    for found, name in ((primary, "primary"), (digit, "digit"), (lengths, "lengths")):
        assert_close(found, arrays[f"out/{name}"], rtol=1e-4, atol=1e-6)
    assert_close(margin_loss(lengths, labels), arrays["out/margin_loss"], rtol=1e-4, atol=1e-6)
    weights = torch.tensor([1.0, 2.0, 4.0])
    each = torch.stack([margin_loss(lengths[[row]], labels[[row]]) for row in range(3)])
    assert_close(margin_loss(lengths, labels, weights), (weights[labels] * each).sum() / weights[labels].sum())


def test_parameters_are_those_of_the_public_code():
    net = made("capsulenet", "full", pretrained=False).module()
    parts = [net.trunk, net.head.conv, net.head.primary, net.head.digit]
    assert [count(part) for part in parts] == [2_782_784, 5_308_672, 5_308_672, 442_368]
    assert count(LEARNet(8, 112, (16, 32, 64, 256), 256, 0.99, 0.5)) == 1_866_824
    assert count(OrigiNet(8, 128, (16, 32, 64, 96), 128, 0.99, normed=False)) == 1_873_384
    net = made("emr", "full", pretrained=False).module()
    heads = net.classifier, net.classifier_top, net.classifier_bottom
    assert [count(net.trunk), count(net.fc_top) + count(net.fc_bottom)] == [11_176_512, 65_664]
    assert sum(map(count, heads)) == 777


def test_capsulenet_repeats_rare_classes_and_lowers_its_rate_before_the_first_epoch():
    method = made("capsulenet", oversample=2)
    values = np.zeros((16, 3, 1, 32, 32, 3), np.uint8)  # three versions of each clip
    inputs = Inputs({"pictures": ArrayInput(method.declare_inputs(method.config)["pictures"], values)}, 16)
    train = training_data(inputs, np.array([0] * 9 + [1] * 3 + [2] * 4))
    (phase,) = method.phases(train, SimpleNamespace(rng=lambda _: np.random.default_rng(0)))
    assert np.bincount(phase.labels).tolist() == [9, 6, 6]
    assert phase.inputs.clips == 21
    assert [round(method.config.rate(epoch, 30), 3) for epoch in (0, 0.9, 1)] == [0.9, 0.9, 0.81]


def test_originets_last_convolution_sees_the_third_sum_as_the_code_has_it():
    torch.manual_seed(0)
    net = OrigiNet(3, 32, (4, 4, 4, 8), 8, 0.5, normed=False).eval()
    net.norms[2].running_mean += 3
    pictures, before = torch.rand(2, 3, 32, 32), []
    for part in net.pairs[-1].children():
        part.register_forward_pre_hook(lambda _, given: before.append(given[0]))
    net(pictures)
    assert_close(net.norms[2](before[1]), before[0])
    net.normed = True
    net(pictures)
    assert_close(before[2], before[3])


def test_emr_divides_the_face_and_reverses_its_critic():
    method = made("emr", macro='["samm-lv"]', dropout=0)
    net = method.module().eval()
    pictures = torch.rand(3, 3, 40, 40)
    maps = net.trunk(pictures)
    seen = net(pictures)
    assert maps.shape[2] == 2
    assert_close(seen.features[:, :8], net.fc_top(maps[:, :, 0].mean(dim=2)))
    assert_close(seen.features[:, 8:], net.fc_bottom(maps[:, :, 1].mean(dim=2)))
    x = torch.ones(2, requires_grad=True)
    reversed_gradient(3 * x, 0.5).sum().backward()
    assert x.grad.tolist() == [-1.5, -1.5]
    assert method.adversary(1000) == pytest.approx(2 / (1 + math.exp(-1)) - 1)
    # A macro-expression without a class counts for the critic alone.
    batch, seen = {"pictures": pictures}, net(pictures)
    labels = torch.tensor([[0, 1], [2, 1], [-1, 0]])
    judged = torch.nn.functional.softplus(net.critic(seen.features)[:, 0] * torch.tensor([-1.0, -1.0, 1.0])).mean()
    parts = (seen.scores, seen.top, seen.bottom)
    wanted = sum(cross_entropy(each[:2], labels[:2, 0]) for each in parts) + judged
    assert_close(method.loss(net, batch, labels), wanted)
    assert method._steps == 1


def test_emr_clips_each_part_and_halves_the_heads_rate():
    method = made("emr", trunk_rate=1e-5, learning_rate=1e-3)
    assert [method.halved(epoch) for epoch in (1, 10, 11, 100)] == [1, 1, 0.5, 0.5**7]  # 7.8e-6 is the first below 1e-5
    net = method.module()
    optimiser = method.optimiser(net)
    for values in net.parameters():
        values.grad = torch.ones_like(values)
    method.epoch = 11
    optimiser.step()
    assert [group["lr"] for group in optimiser.param_groups] == [1e-5, 5e-4]
    norms = [torch.cat([p.grad.flatten() for p in part.parameters()]).norm() for part in (net.trunk, net.classifier)]
    assert norms == pytest.approx([1, 1], rel=1e-4)


def test_timm_frames_see_the_difference_the_apex_or_the_dynamic_image():
    pictures = torch.randint(0, 255, (2, 2, 3, 32, 32), dtype=torch.uint8)
    one = pictures[:, 1]
    for picture, kind, given in (
        *(("difference", "frames", pictures), ("apex", "frames", one)),
        ("dynamic", "dynamic-image", one),
    ):
        method = made("timm-frames", picture=picture)
        spec = method.declare_inputs(method.config)["pictures"]
        assert (spec.kind, getattr(spec, "count", None)) == (kind, {"difference": 2, "apex": 1}.get(picture))
        assert method.scores(method.module().eval(), {"pictures": given}).shape == (2, 3)
    deviation = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    seen = made("timm-frames").seen({"pictures": pictures})
    assert_close(seen, (pictures[:, 1].float() - pictures[:, 0].float()) / 255 / deviation, rtol=1e-4, atol=1e-5)


def test_what_can_not_be_had_is_one_line(monkeypatch):
    def offline(*_, **settings):
        assert settings.get("pretrained")
        raise OSError("no route to the hub")

    for name, settings, part in (
        ("capsulenet", {"size": 100, "kernel": 9}, "size 100 is too small for two convolutions of 9 x 9: take 129"),
        ("capsulenet", {"pretrained": True}, "pretrained: true needs width 64 and blocks 2"),
        ("capsulenet", {"frozen": True}, "frozen: true keeps random weights"),
        ("emr", {"size": 32}, "size 32 leaves one row .* take 33 or more"),
        ("timm-frames", {"backbone": "resnet81"}, r"no model 'resnet81' \(did you mean 'resnet18'"),
    ):
        with pytest.raises(MerbenchError, match=part) as raised:
            made(name, **settings)
        assert len(str(raised.value).splitlines()) == 1
    with pytest.raises(MerbenchError, match="inception_v3 can't take images of 40 pixels"):
        made("timm-frames", backbone="inception_v3", size=40).module()
    monkeypatch.setattr("timm.create_model", offline)
    for name in ("capsulenet", "emr"):
        with pytest.raises(
            MerbenchError, match=r"weights of resnet18 can't be downloaded .* pretrained: false"
        ) as raised:
            made(name, "full").module()
        assert len(str(raised.value).splitlines()) == 1
