"""MMNet: equal to its authors' modules, and the properties that its design promises."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from merbench.methods.mmnet.method import MMNet
from merbench.methods.mmnet.net import Net, PositionBranch, main_branch
from support.folds import PROBLEM, training_data
from support.parity import load, of_authors, ours
from torch import nn
from torch.testing import assert_close

from merbench.contracts.diagnostics import check_diagnostics
from merbench.contracts.inputs import ArrayInput, Inputs
from merbench.contracts.methods import RunContext
from merbench.engine.plan.catalogue import METHODS

MMNET = METHODS.get("mmnet")


@pytest.fixture
def authors(shared):
    return of_authors(shared)


def narrow(**changes):
    return MMNET.resolve("full").model_copy(update={"stem_width": 6, **changes})


def test_the_main_branch_equals_the_authors(authors):
    arrays, state = authors
    net = Net(narrow(widths=(8, 8, 16, 32), size=64, position=False), 5)
    assert {name.split(".")[1] for name in load(net, state("ca", "main_branch."))} == {"stem"}

    def run():
        features = net.main.second(arrays["ca/input"])
        maps, attention = [], None
        for block in net.main.blocks:
            features, attention = block(features, attention)
            maps.append((features, attention))
        assert torch.equal(net.main.attended(net.main.second(arrays["ca/input"]))[0], features)
        return maps, net.classifier((features + arrays["ca/pos"]).flatten(1))

    maps, scores = run() if net.eval() else None
    for number, (features, attention) in enumerate(maps, start=1):
        assert_close(features, arrays[f"ca/eval/layer{number}.features"], rtol=0, atol=1e-5)
        assert_close(attention, arrays[f"ca/eval/layer{number}.attention"], rtol=0, atol=1e-5)
    assert_close(scores, arrays["ca/eval/logits"], rtol=0, atol=1e-5)
    _, scores = run() if net.train() else None
    loss = nn.functional.cross_entropy(scores, arrays["ca/train/labels"])
    loss.backward()
    assert_close(scores, arrays["ca/train/logits"], rtol=0, atol=1e-4)
    assert_close(loss, arrays["ca/train/loss"], rtol=0, atol=1e-4)
    gradients = {ours(f"main_branch.{key.removeprefix('ca/train/grad/')}"): values
                 for key, values in arrays.items() if key.startswith("ca/train/grad/")}  # fmt: skip
    assert len(gradients) == 5
    for name, values in gradients.items():
        assert_close(net.get_parameter(name).grad, values, rtol=0, atol=1e-4)


def test_the_position_branch_equals_the_authors(authors):
    arrays, state = authors
    branch = PositionBranch(narrow(widths=(8, 8, 8, 32))).eval()
    mine = {name.removeprefix("position."): values for name, values in state("pc", "vit_pos.").items()}
    assert not load(branch, mine)
    found = branch(arrays["pc/input"]).flatten(2).transpose(1, 2)
    assert_close(found, arrays["pc/output"], rtol=0, atol=1e-5)


def test_the_whole_method_equals_the_authors_with_either_resize(authors):
    """From bytes to scores, by the method's own preparation of a batch."""
    arrays, state = authors
    frames = torch.stack([arrays["full/onset_28"], arrays["full/apex_28"]], dim=1)
    frames = frames.repeat_interleave(8, dim=-1).repeat_interleave(8, dim=-2)
    for resize, named in (("plain", "no_antialias"), ("antialias", "antialias")):
        config = narrow(widths=(4, 4, 8, 16), resize=resize)
        net = Net(config, 5).eval()
        assert not load(net, state("full"))
        found = MMNet(config, PROBLEM).scores(net, {"frames": frames})
        assert_close(found, arrays[f"full/logits.{named}"], rtol=0, atol=1e-5)


def test_parameters_are_as_many_as_the_authors():
    def count(module):
        return sum(values.numel() for values in module.parameters())

    net = Net(MMNET.resolve("full"), 5)
    assert count(net.main) == 2_528_884
    assert [count(net.classifier), count(net)] == [501_765, 9_438_841]
    assert count(net.position) == 6_408_192
    three = MMNET.resolve("full", {"position_depth": "3", "mlp_ratio": "2"})
    assert [count(PositionBranch(three)), count(Net(three, 3).classifier)] == [6_411_776, 301_059]


# --- Properties.


def made(config, clips, seed=0):
    """Make frames of noise, with four versions each."""
    spec = config.inputs()["frames"]
    shape = (clips, 4, 2, config.size, config.size, 3)
    values = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return Inputs({"frames": ArrayInput(spec, values)}, clips)


def method(**changes):
    torch.manual_seed(0)
    found = MMNet(MMNET.resolve("tiny").model_copy(update=changes), PROBLEM)
    return found, found.module()


def test_attention_only_falls_along_the_chain():
    torch.manual_seed(0)
    for chain, stem in ((True, "code"), (True, "figure"), (False, "code")):
        branch = main_branch(MMNET.resolve("tiny").model_copy(update={"attention_chain": chain, "stem": stem}))
        attentions = branch(torch.randn(4, 3, 32, 32))[1]
        assert [attention.shape[-1] for attention in attentions] == [16, 8, 4, 2]
        falls = [bool((a <= nn.functional.max_pool2d(before, 3, 2, 1)).all()) for before, a in pairwise(attentions)]
        assert all(falls) is chain, (chain, stem)


def test_a_clip_without_movement_shows_the_face_alone():
    found, net = method()
    net.eval()
    frames = torch.randint(0, 256, (5, 1, 3, 32, 32), dtype=torch.uint8)
    seen = found.look(net, {"frames": frames.expand(5, 2, 3, 32, 32)})
    assert_close(seen.main, seen.main[:1].expand_as(seen.main))
    assert seen.scores.std(dim=0).min() > 0


def test_without_the_position_branch_a_constant_colour_changes_nothing():
    batch = torch.randint(0, 200, (5, 2, 3, 32, 32), dtype=torch.uint8)
    brighter = batch + torch.tensor([50, 20, 5], dtype=torch.uint8)[:, None, None]
    for position in (False, True):
        found, net = method(position=position)
        scores = [found.scores(net.eval(), {"frames": frames}) for frames in (batch, brighter)]
        assert bool((scores[0] - scores[1]).abs().max() < 1e-5) is not position


def test_both_frames_are_augmented_by_one_draw():
    """The augmented difference is the difference of augmented frames; outside is the mean colour."""
    still = torch.randint(0, 256, (16, 1, 3, 32, 32), dtype=torch.uint8).expand(16, 2, 3, 32, 32)
    outside = []
    for jitter in (0.0, 0.3):
        found, _ = method(padding=6, rotation=10.0, colour_jitter=jitter)
        moved = found.augment({"frames": still}, torch.Generator().manual_seed(3))["frames"]
        assert torch.equal(moved[:, 0], moved[:, 1])
        outside.append((moved == 0).all(dim=2))
    assert outside[0].float().mean() > 0.05
    assert torch.equal(*outside)  # the jitter does not shift the draw of the movement


def test_the_learning_rate_falls_for_50_epochs_and_decay_is_on_all_parameters():
    rates, groups = [], []

    class Watched(MMNet):
        def optimiser(self, module):
            found = super().optimiser(module)
            groups.append((found.param_groups, len(list(module.parameters()))))
            return found

    config = MMNET.resolve("tiny", {"epochs": "53", "learning_rate": "8e-4", "weight_decay": "0.6"})
    context = RunContext(seed=1, on_epoch=lambda *_: rates.append(groups[0][0][0]["lr"]))
    Watched(config, PROBLEM).fit(training_data(made(config, 4), [0, 1, 2, 0]), context)
    assert rates == pytest.approx([8e-4 * 0.987 ** min(epoch, 50) for epoch in range(53)])
    assert rates[50] == pytest.approx(4.159e-4, abs=5e-8)
    (((group,), parameters),) = groups
    assert (len(group["params"]), group["weight_decay"]) == (parameters, 0.6)


def test_initial_weights_are_the_authors_and_paired_in_ablations():
    _, net = method(widths=(64, 64, 64, 64), stem_width=64)
    block = net.main.blocks[1]
    assert block.conv1.weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.05)  # by the fan-out
    assert block.skip[0].weight.std().item() == pytest.approx((2 / 64) ** 0.5, rel=0.05)
    assert net.position.blocks[0].attn.qkv.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert net.position.position.std().item() == pytest.approx(0.02, rel=0.1)
    assert not net.position.blocks[0].mlp.fc1.bias.any()
    assert net.main.stem[0].weight.abs().max() <= (1 / 27) ** 0.5  # PyTorch's own
    whole = method()[1].state_dict()
    for changes in ({"position": False}, {"attention_chain": False}, {"resize": "antialias"}):
        for name, values in method(**changes)[1].state_dict().items():
            assert torch.equal(values, whole[name]), (changes, name)


def test_diagnostics_and_inputs_of_the_ablations():
    config = MMNET.resolve("tiny")
    inputs = made(config, 6)
    found = MMNet(config, PROBLEM)
    found.fit(training_data(inputs, [0, 1, 2, 0, 1, 2]), RunContext(seed=1))
    shown = check_diagnostics(found.diagnose(inputs), 6)
    assert {name: values.shape for name, values in shown.items()} == {
        "feature/main": (6, 16), "feature/position": (6, 16), "face": (6, 32, 32),
        **{f"attention/block-{n}": (6, 32 // 2**n, 32 // 2**n) for n in (1, 2, 3, 4)},
    }  # fmt: skip
    draws = {
        name: str(MMNET.resolve("full", {"frame_draw": name}).inputs()["frames"]) for name in ("five-class", "none")
    }
    assert draws["none"] == "frames(onset-apex, 2, 224, rgb)"
    assert draws["five-class"].endswith("onset_draw=0.0/0.0375, apex_draw=0.0375/0.0)")
    flow = MMNET.resolve("full", {"main_input": "flow", "frame_draw": "none"}).inputs()
    assert {name: str(spec) for name, spec in flow.items()} == {
        "flow": "flow(onset-apex, 224, u/v/strain, tvl1, none, face_size=224)",
        "frames": "frames(onset, 1, 224, rgb)",
    }
