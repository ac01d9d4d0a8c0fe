"""Flow nets without public arrays: their sizes, and their modules by straight loops."""

import math

import numpy as np
import pytest
import torch
from merbench.methods.causalnet.net import HEADS, NeighbourAttention, TemporalAttention
from merbench.methods.causalnet.net import Net as CausalNet
from merbench.methods.featref.net import Net as FeatRef
from merbench.methods.sssnet.net import Net as SSSNet
from support.folds import PROBLEM, flow, training_data
from support.nets import count
from torch.testing import assert_close

from merbench.contracts.errors import MerbenchError
from merbench.contracts.methods import RunContext
from merbench.databases.registrations import open_source
from merbench.engine.plan.catalogue import METHODS
from merbench.prepare.arrays import missing_inputs, prepare_inputs


def test_nets_have_their_numbers_of_parameters():
    with torch.device("meta"):
        assert [count(SSSNet(3, size)) for size in (64, 28)] == [1_349_251, 169_603]
        assert count(FeatRef(3, 1024, 16)) == 6_849_422
        # Two trunks of HTNet's widths, nine layers of cross attention at width 256, and the causal part.
        assert [count(CausalNet(3, positions=each)) for each in (True, False)] == [276_590_089, 138_551_046]
    with pytest.raises(MerbenchError, match=r"size: .* greater than or equal to 16"):
        METHODS.get("sssnet").resolve("full", {"size": "15"})
    assert SSSNet(3, 16).eval()(torch.rand(1, 3, 16, 16)).shape == (1, 3)


def attended(net, query, keys, values, allowed, penalty, scale):
    """Attend place by place and head by head; each place has the (place, source) that it may look at."""
    found = torch.zeros_like(query)
    size = query.shape[1] // HEADS
    for place in range(4):
        for head in range(HEADS):
            part = slice(head * size, (head + 1) * size)
            scores = [
                (query[place, part] @ keys[other, part]).item() * scale if ok else penalty(other)
                for other, ok in allowed(place)
            ]
            total = sum(map(math.exp, scores))
            for (other, ok), score in zip(allowed(place), scores, strict=True):
                found[place, part] += ok * math.exp(score) / total * values[other, part]
    return net.out(found)


def test_causalnets_attention_equals_loops():
    width, gamma = 2 * HEADS, 0.5
    x, context = torch.randn(2, 4, width), torch.randn(2, 4, width)
    near = NeighbourAttention(width, gamma, 0.7)
    keys, values = near.key_value(context[1]).chunk(2, dim=-1)
    corner = {0: 3, 1: 2, 2: 1, 3: 0}

    def allowed(place):
        return [(other, corner[place] != other) for other in range(4)]

    wanted = attended(near, near.query(x[1]), keys, values, allowed, lambda other: -(other + 1) * gamma, 0.7)
    assert_close(near(x, context)[1], wanted, rtol=1e-4, atol=1e-6)
    time = TemporalAttention(width)
    keys, values = (
        torch.cat(pair) for pair in zip(*(time.key_value(each[0]).chunk(2, -1) for each in (context, x)), strict=True)
    )
    wanted = attended(time, time.query(x[0]), keys, values, lambda place: [(place, 1), (4 + place, 1)], None, 2**-0.5)
    assert_close(time(context, x)[0], wanted, rtol=1e-4, atol=1e-6)


def test_causalnet_sees_all_four_pictures_and_each_pair_by_one_trunk():
    net, tiles = CausalNet(3, 8, 1, (1, 1, 1)).eval(), torch.randn(1, 4, 3, 28, 28)
    scores = net(tiles)
    for picture in range(4):
        changed = tiles.clone()
        changed[:, picture] += 1
        assert not torch.allclose(net(changed), scores)
    assert_close(net.trunk(tiles[:, 0]), net.trunk(torch.cat([tiles[:, 0], tiles[:, 1]]))[:1], rtol=1e-4, atol=1e-5)
    assert net.trunk(tiles[:, 0]).shape == (1, 4, 8)


def test_causalnet_needs_the_release_that_has_the_maps(shared, small_release):
    method = METHODS.get("causalnet")
    specs = method.inputs(method.resolve("width-64"), "classification")
    folder = shared / "data" / "megc2019-flow4x28"
    release = open_source("megc2019-flow4x28", folder)
    inputs = prepare_inputs([release], release.clips.iloc[:2], specs)
    shapes = {name: inputs[name].batch().shape for name in specs}
    assert list(shapes.values()) == [(2, 28, 28, 3)] * 2 + [(2, 28, 28, 2)] * 2
    tiles = method.cls(method.resolve("tiny-positions"), PROBLEM).tensors(inputs)["tiles"]
    assert tiles.shape == (2, 4, 3, 28, 28)
    assert not tiles[:, 2:, 2].any()
    wanted = inputs["decay_positions"].batch()[1, 2:16, 4:18]  # around the first fixed point
    np.testing.assert_array_equal(tiles[1, 3, :2, :14, :14].permute(1, 2, 0), wanted)
    lines = missing_inputs([open_source("megc2019-flow28", small_release)], specs)
    assert lines[-1] == (
        "input 'decay_positions', motion-positions(apex-offset): megc2019-flow28 has only "
        "flow(onset-apex, 28, u/v/strain, tvl1, clip)"
    )


def test_a_class_of_featref_learns_from_its_own_proposal():
    net = FeatRef(3, 16, 4)
    _, proposals = net(torch.rand(2, 2, 28, 28))
    proposals[:, 1].sum().backward()
    touched = [
        [p.grad is not None and p.grad.any() for p in part.parameters()] for part in (*net.attentions, net.classifier)
    ]
    assert list(map(any, touched)) == [False, True, False, False]


def test_balanced_ststnet_differs_from_ststnet_by_its_loss_alone():
    labels = np.array([0] * 6 + [1] * 3 + [2] * 3)
    train = training_data(flow(12, labels), labels)
    nets = {}
    for name in ("ststnet", "ststnet-balanced"):
        method = METHODS.get(name)
        nets[name] = method.cls(method.resolve("default", {"epochs": "1"}), PROBLEM)
        nets[name].start(train, RunContext(seed=3))
    plain, balanced = nets.values()
    assert all(map(torch.equal, plain.net.state_dict().values(), balanced.net.state_dict().values()))
    assert balanced._weights.tolist() == pytest.approx([2 / 3, 4 / 3, 4 / 3])
    batch, given = balanced.tensors(train.inputs), torch.from_numpy(labels)
    balanced.net.eval()
    each = torch.nn.functional.cross_entropy(balanced.scores(balanced.net, batch), given, reduction="none")
    means = [each[given == label].mean() for label in range(3)]
    assert_close(balanced.loss(balanced.net, batch, given), sum(means) / 3)
