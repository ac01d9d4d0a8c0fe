"""ATM-GCN: the properties that its reconstruction promises, against straight loops."""

import numpy as np
import pytest
import torch
from merbench.methods.atmgcn.method import ATMGCN
from merbench.methods.atmgcn.net import Layer, time_codes
from support.folds import PROBLEM, training_data
from support.parity import load, of_authors
from torch.testing import assert_close

from merbench.contracts.diagnostics import check_diagnostics
from merbench.contracts.inputs import ArrayInput, Inputs
from merbench.contracts.methods import RunContext
from merbench.engine.plan.catalogue import METHODS

CARD = METHODS.get("atm-gcn")
TINY = CARD.resolve("tiny")


def method(**changes):
    torch.manual_seed(0)
    found = ATMGCN(TINY.model_copy(update=changes), PROBLEM)
    net = found.module().eval()
    net.encoder.out.weight.data *= 3000  # before training, the product of attentions leaves little of a movement
    return found, net


def batch(clips=3, frames=5, seed=0):
    rng = torch.Generator().manual_seed(seed)
    pictures = torch.randint(0, 256, (clips, frames, 3, 32, 32), dtype=torch.uint8, generator=rng)
    times, real = torch.arange(frames).repeat(clips, 1) * 7.0, torch.ones(clips, frames, dtype=torch.bool)
    return {"frames": pictures, "times": times, "real": real}


def still(clips=3):
    return batch(clips) | {"frames": batch(clips)["frames"][:, :1].expand(-1, 5, -1, -1, -1)}


def look(batch, **changes):
    found, net = method(**changes)
    return found.look(net, batch)


def fitted(config, lengths):
    """Fit on noise, as many frames a clip as said and four versions where frames are drawn."""
    rng, arrays = np.random.default_rng(0), {}
    for name, spec in config.inputs().items():
        tail = () if name == "times" else (config.size, config.size, 3)
        shapes = [(*(spec.drawn is not None) * (4,), 2 if name == "pair" else n, *tail) for n in lengths]
        clips = [rng.integers(0, 256, shape).astype("uint8" if tail else "float32") for shape in shapes]
        values = np.fromiter(clips, dtype=object) if len(set(lengths)) > 1 else np.stack(clips)
        arrays[name] = ArrayInput(spec, values)
    found, inputs = ATMGCN(config, PROBLEM), Inputs(arrays, len(lengths))
    found.fit(training_data(inputs, [0, 1, 2, 0]), RunContext(seed=1))
    return found, inputs


def test_parameters_are_as_many_as_counted():
    net = ATMGCN(CARD.resolve("full"), PROBLEM).module()
    parts = (net.encoder, net.layers, net.classifier, net)
    counts = [sum(values.numel() for values in part.parameters()) for part in parts]
    assert counts == [685_136, 592_896, 330_499, 1_608_531]


def test_the_encoder_equals_the_blocks_of_mmnets_authors(shared):
    (arrays, state), (_, net) = of_authors(shared), method(stem_width=6, widths=(8, 8, 16, 32))
    weights = {name.removeprefix("main."): values for name, values in state("ca", "main_branch.").items()}
    chain = net.encoder.chain
    load(chain, {name: values for name, values in weights.items() if not name.startswith("classifier")})
    last, attentions = chain.attended(chain.second(arrays["ca/input"]))
    assert_close(last, arrays["ca/eval/layer4.features"], rtol=0, atol=1e-5)
    for number, attention in enumerate(attentions, start=1):
        assert_close(attention, arrays[f"ca/eval/layer{number}.attention"], rtol=0, atol=1e-5)


def test_a_layer_equals_straight_loops():
    torch.manual_seed(0)
    layer, (nodes, times), before = Layer(TINY).eval(), torch.randn(2, 2, 4, 16), torch.rand(2, 4, 4)
    allowed = (torch.rand(2, 4, 4) > 0.4) | torch.eye(4, dtype=torch.bool)
    found, adjacency = layer(nodes, times, allowed, before)
    for clip, i in np.ndindex(2, 4):
        query, placed = layer.query(nodes[clip, i] + times[clip, i]), nodes[clip] + times[clip]
        alike = [torch.exp(query @ layer.key(placed[j]) / 4) * allowed[clip, i, j] for j in range(4)]
        row = torch.stack([before[clip, i, j] / 2 + alike[j] / sum(alike) / 2 for j in range(4)])
        assert_close(adjacency[clip, i], row)
        step = torch.relu(layer.norm(layer.step.weight @ sum(row[j] * nodes[clip, j] for j in range(4))))
        assert_close(found[clip, i], nodes[clip, i] + step, rtol=1e-4, atol=1e-5)


def test_rows_sum_to_one_forbidden_edges_stay_0_and_the_onset_is_not_a_node():
    for window, first in ((None, 1), (1, 1), (0, 1), (1, 0)):  # first: the global node, before those of four frames
        places = torch.arange(4 + first)
        far = (places[:, None] - places).abs() > (9 if window is None else window)
        if first:
            far[0] = far[:, 0] = False
        for edges in look(batch(), window=window, global_node="mean" if first else "none").adjacency:
            assert_close(edges.sum(dim=-1), torch.ones(3, 4 + first))
            assert torch.equal(edges == 0, far.expand(3, -1, -1))


def test_the_forgetting_rate_weighs_the_edges_of_all_layers():
    for edges in look(batch(), forgetting_rate=0.0).adjacency:
        assert_close(edges, torch.full_like(edges, 1 / 5))
    for rate, learns in ((0.0, False), (0.5, True)):
        found, net = method(forgetting_rate=rate)
        found.loss(net, batch(), torch.tensor([0, 1, 2])).backward()
        assert {bool(part.weight.grad.any()) for layer in net.layers for part in (layer.query, layer.key)} == {learns}
    (found, net), calls, new = method(forgetting_rate=0.3, layers=3), [], []
    for layer in net.layers:
        layer.register_forward_pre_hook(lambda layer, given: calls.append((layer, given)))
    adjacency = found.look(net, batch()).adjacency
    for layer, given in calls[:3]:
        layer.rate = 1.0
        new.append(layer(*given)[1])
    shares = [0.3 * 0.7 ** (2 - k) for k in range(3)]
    assert 0.7**3 + sum(shares) == pytest.approx(1)
    assert_close(adjacency[2], 0.7**3 / 5 + sum(share * edges for share, edges in zip(shares, new, strict=True)))
    assert_close(look(batch(), forgetting_rate=1.0).adjacency[0], new[0])


def test_order_counts_through_the_time_codes_alone():
    whole, order = batch(), torch.tensor([0, 3, 1, 4, 2])  # the onset stays first, and so does the global node
    frames = whole | {"frames": whole["frames"][:, order]}
    for changes in ({}, {"time_in": "edges"}, {"global_node": "learned"}, {"nodes": "all"}, {"classifier": "mean"}):
        one, other = look(whole, **changes), look(frames | {"times": whole["times"][:, order]}, **changes)
        assert_close(one.scores, other.scores, rtol=1e-4, atol=1e-5)
        assert_close(one.adjacency[1][:, order][:, :, order], other.adjacency[1], rtol=1e-4, atol=1e-5)
        assert (look(frames, **changes).scores - one.scores).abs().max() > 1e-4
    assert_close(look(whole, time="none").scores, look(frames, time="none").scores, rtol=1e-4, atol=1e-5)
    code = [np.sin(3), np.sin(0.03), np.cos(3), np.cos(0.03)]
    np.testing.assert_allclose(time_codes(torch.tensor([3.0]), 4)[0], code, rtol=1e-5)


def test_without_movement_all_nodes_are_alike():
    seen = look(still(), time="none", forgetting_rate=1.0)
    assert_close(seen.motion, seen.motion[:1, :1].expand_as(seen.motion))
    assert_close(seen.adjacency[0], torch.full_like(seen.adjacency[0], 1 / 5))


def test_padding_changes_nothing_and_every_frame_can_be_taken():
    for changes in ({}, {"global_node": "none"}, {"classifier": "mean", "norm": "group"}):
        found, inputs = fitted(TINY.model_copy(update={"frames": None, "jitter": False} | changes), [5, 1, 9, 3])
        alone = [found.predict(inputs.take(np.array([clip]))).scores[0] for clip in range(4)]
        np.testing.assert_allclose(found.predict(inputs).scores, alone, atol=1e-5)
    assert set(check_diagnostics(found.diagnose(inputs), 4)) >= {"gate/global-node", "attention/block-4"}


def test_frames_are_augmented_by_one_draw():
    clips = batch(16)
    clips["frames"][:, 2:] = clips["frames"][:, 1:2]
    moved = method(padding=6)[0].augment(clips, torch.Generator().manual_seed(3))["movement"]
    assert torch.equal(moved, moved[:, :1].expand_as(moved))
    assert 0.05 < (moved == 0).all(dim=2).float().mean() < 0.5


def test_parts_share_initial_weights_and_the_encoder_may_start_as_mmnets():
    whole = method()[1].state_dict()
    changed = {"window": 0, "global_node": "learned", "classifier": "mean", "layers": 3, "start": "mmnet"}
    for changes in ({name: value} for name, value in changed.items()):
        shared = {name: values for name, values in method(**changes)[1].state_dict().items() if name in whole}
        assert len(shared) > 40
        assert all(torch.equal(values, whole[name]) for name, values in shared.items()), changes
    starts = [TINY.model_copy(update={"start": start, "start_epochs": 1}) for start in ("scratch", "mmnet")]
    runs = [fitted(config, [4] * 4) for config in starts]
    assert not any(hasattr(found.net, "mmnet_head") for found, _ in runs)
    assert np.ptp([found.predict(inputs).scores for found, inputs in runs], axis=0).max() > 1e-3


def test_diagnostics_sum_to_one():
    found, inputs = fitted(TINY, [4] * 4)
    shown = check_diagnostics(found.diagnose(inputs), 4)
    assert {name: values.shape[1:] for name, values in shown.items()} == {
        "feature/motion": (16,), "feature/clip": (16,), "gate/global-node": (), "time/frames": (3,), "face": (32, 32),
        **{f"graph/layer-{n}": (4, 4) for n in (1, 2)},
        **{f"attention/block-{n}": (32 >> n, 32 >> n) for n in (1, 2, 3, 4)},
    }  # fmt: skip
    np.testing.assert_allclose(shown["time/frames"].sum(axis=1) + shown["gate/global-node"], 1, rtol=1e-5)
