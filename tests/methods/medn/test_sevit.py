"""SEVit: which locations stay, what they cost, and what the score learns."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from merbench.methods.medn.config import Config, kept_locations
from merbench.methods.medn.sevit import Merge, SEVit
from merbench.methods.medn.tokens import strongest
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

SCORES = ("token", "pixel", "learned", "class-attention", "random")
RATES = ((0.25, 0.5, 0.75), (0.5,), (0.0,), (0.0, 0.9), (0.1, 0.7))
# A constant that is added to all scores of a clip changes nothing.
SHIFTS = {"score.judge.2.bias", "merge.judge.bias"}


def net_of(config, seed=0):
    torch.manual_seed(seed)
    return SEVit(config)


def with_one_change_each(noise):
    """Return 64 clips of 8 frames, 8 x 8 places each; in each clip another place changes over time."""
    torch.manual_seed(3)
    frames = torch.rand(64, 1, 3, 32, 32) + noise * torch.randn(64, 8, 3, 32, 32)
    for place in range(64):
        row, column = 4 * (place // 8), 4 * (place % 8)
        frames[place, 2:6, :, row : row + 4, column : column + 4] += 0.3
    return frames


def pictures(config, clips, seed=0):
    generator = torch.Generator().manual_seed(seed)
    channels = 3 if config.colour == "rgb" else 1
    return torch.rand(clips, config.frames, channels, config.frame_size, config.frame_size, generator=generator)


def scored(net, frames):
    patches = net.embed(frames)
    return net.score(frames, patches, net.stemmed(patches), net.stem)


def straight_line(score, count):
    """Pick the highest of each clip one after another."""
    kept = torch.zeros(score.shape, dtype=torch.bool)
    for clip, values in enumerate(score.tolist()):
        for _ in range(count):
            left = [n for n in range(len(values)) if not kept[clip, n]]
            kept[clip, max(left, key=lambda n: values[n])] = True
    return kept


def tokens_in_blocks(net, frames):
    """Return the length of the sequence that each block after the selection is given, in order."""
    lengths = []
    hooks = [
        block.register_forward_hook(lambda _, given, __: lengths.append(given[0].shape[1])) for block in net.blocks
    ]
    net(frames)
    for hook in hooks:
        hook.remove()
    return lengths


@st.composite
def settings_of_sevit(draw):
    frame_size, patch = draw(st.sampled_from([(16, 4), (24, 8), (24, 4)]))
    scales = draw(st.sampled_from(["parallel", "progressive"]))
    rates = draw(st.sampled_from(RATES))
    return {
        "frames": draw(st.sampled_from([2, 3, 8])),
        "frame_size": frame_size,
        "patch": patch,
        "colour": draw(st.sampled_from(["grey", "rgb"])),
        "emotion_input": draw(st.sampled_from(["faces", "changes", "signed-changes", "both"])),
        "pool": draw(st.sampled_from(["mean", "class"])),
        "time": draw(st.sampled_from(["folded", "joint"])),
        "scales": scales,
        "score": draw(st.sampled_from(SCORES)),
        "score_smoothing": draw(st.booleans()),
        "merge": draw(st.sampled_from(["learned", "mean", "concat"])),
        "residual_token": scales == "parallel" and draw(st.booleans()),
        "rates": rates,
        "stem_depth": draw(st.sampled_from([1, 2])),
        "depth": len(rates),
        "drop_path": 0.0,
    }


@settings(max_examples=80)
@given(changes=settings_of_sevit(), clips=st.sampled_from([1, 2, 5]))
def test_shapes_hold_and_every_weight_gets_a_gradient_whatever_the_settings(tiny, changes, clips):
    config = tiny(**changes)
    net = net_of(config).train()
    found = net(pictures(config, clips))
    streams = len(config.rates) if config.scales == "parallel" else 1
    locations = config.grid**2
    assert found.tokens.shape == (clips, locations, config.width)
    assert found.feature.shape == (clips, config.width)
    assert found.kept.shape == (clips, streams, locations)
    assert found.kept.dtype == torch.bool
    torch.manual_seed(1)
    loss = (found.feature * torch.randn_like(found.feature)).sum() + (
        found.tokens * torch.randn_like(found.tokens)
    ).sum()
    loss.backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert name in SHIFTS or parameter.grad.abs().max() > 0, name


@given(st.integers(1, 400), st.integers(0, 999))
def test_exactly_as_many_locations_stay_as_the_rate_says_in_whole_numbers(locations, thousandths):
    assert kept_locations(locations, thousandths / 1000) == locations - thousandths * locations // 1000


def test_a_rate_that_is_a_whole_number_of_locations_is_not_lost_to_rounding():
    assert [kept_locations(10, tenth / 10) for tenth in range(10)] == [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]
    assert 0.29 * 100 < 29  # as floats multiply
    assert kept_locations(100, 0.29) == 71


@given(st.integers(1, 200), st.integers(0, 99), st.integers(0, 2**31))
def test_the_strongest_stay_in_ascending_order(locations, hundredths, seed):
    score = torch.from_numpy(np.random.default_rng(seed).permuted(np.arange(3 * locations).reshape(3, -1), axis=1))
    rate = hundredths / 100
    rows = strongest(score.float(), rate)
    count = locations - hundredths * locations // 100
    assert rows.shape == (3, count)
    assert (rows.diff(dim=1) > 0).all()
    expected = straight_line(score, count)
    assert torch.equal(torch.zeros(score.shape, dtype=torch.bool).scatter(1, rows, True), expected)


@pytest.mark.parametrize("scales", ["parallel", "progressive"])
@pytest.mark.parametrize("score", SCORES)
def test_what_stays_is_what_the_score_puts_first(tiny, score, scales):
    config = tiny(score=score, scales=scales, rates=(0.0, 0.3, 0.8), depth=3, frame_size=24)
    net = net_of(config).eval()
    frames = pictures(config, 3)
    with torch.inference_mode():
        kept, values = net(frames).kept, net.score.order(scored(net, frames))
    rates = config.rates if scales == "parallel" else config.rates[-1:]
    for stream, rate in enumerate(rates):
        count = kept_locations(36, rate)
        assert (kept[:, stream].sum(dim=1) == count).all()
        assert torch.equal(kept[:, stream], straight_line(values, count))


def test_higher_rates_keep_some_of_what_lower_ones_keep(tiny):
    config = tiny()
    kept = net_of(config).eval()(pictures(config, 5)).kept
    for lower, higher in ((0, 1), (1, 2)):
        assert not (kept[:, higher] & ~kept[:, lower]).any()


class Blind(nn.Module):
    """A score that looks at nothing."""

    def forward(self, frames, patches, tokens, stem):
        return torch.randn(patches.shape[0], patches.shape[2], generator=torch.Generator().manual_seed(0))

    def order(self, score):
        return score


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("time", ["folded", "joint"])
def test_a_location_stays_or_goes_in_all_frames_alike(tiny, time, residual):
    """Where nothing else passes from place to place, pixels reach the feature only from where a location stayed."""
    config = tiny(time=time, stem_depth=0, rates=(0.5,), emotion_input="faces", residual_token=residual)
    net = net_of(config).eval()
    net.score = Blind()
    frames = pictures(config, 2).requires_grad_()
    found = net(frames)
    torch.manual_seed(2)
    (found.feature * torch.randn_like(found.feature)).sum().backward()
    reached = frames.grad.abs().unflatten(-1, (4, 4)).unflatten(-3, (4, 4)).sum(dim=(2, 4, 6)).flatten(2) > 0
    assert reached.shape == (2, 3, 16)  # clips, frames, locations
    if residual:
        assert reached.all()
    else:
        for frame in range(3):
            assert torch.equal(reached[:, frame], found.kept[:, 0])


@pytest.mark.parametrize("smoothing", [False, True])
@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize("score", ["token", "pixel"])
def test_a_place_that_changes_is_found(tiny, score, noise, smoothing):
    config = tiny(score=score, score_smoothing=smoothing, frames=8, frame_size=32, rates=(0.75,))
    net = net_of(config).eval()
    with torch.inference_mode():
        kept = net(with_one_change_each(noise)).kept[:, 0]
    assert (kept.sum(dim=1) == 16).all()
    assert kept[torch.arange(64), torch.arange(64)].all()


@pytest.mark.parametrize("emotion_input", ["faces", "changes", "signed-changes", "both"])
def test_a_place_that_moves_is_found_among_noise_by_tokens_of_the_usual_size(emotion_input):
    """Where nothing moves a token is noise; a score that took its direction for change would find nothing else."""
    sizes = {"width": 64, "vit_width": 64, "frame_size": 112, "patch": 8, "stem_depth": 2, "depth": 1}
    net = net_of(Config(**sizes, rates=(0.75,), score_smoothing=False, emotion_input=emotion_input)).eval()
    frames = 0.5 + 0.01 * torch.randn(16, 8, 3, 112, 112)
    places = torch.randint(196, (16,))
    for clip, place in enumerate(places.tolist()):
        row, column = 8 * (place // 14), 8 * (place % 14)
        frames[clip, 2:6, :, row : row + 8, column : column + 8] += 0.1
    with torch.inference_mode():
        kept = net(frames).kept[:, 0]
    assert kept[torch.arange(16), places].all()


@pytest.mark.parametrize("score", ["random", "class-attention"])
def test_other_scores_do_not_find_it_by_themselves(tiny, score):
    """The check above has teeth: what is not made to look for change misses it."""
    config = tiny(score=score, score_smoothing=False, frames=8, frame_size=32, rates=(0.75,))
    net = net_of(config).eval()
    with torch.inference_mode():
        kept = net(with_one_change_each(0.0)).kept[:, 0]
    assert not kept[torch.arange(64), torch.arange(64)].all()


@pytest.mark.parametrize(("score", "temporal"), [("token", True), ("pixel", True), ("class-attention", False)])
def test_class_attention_does_not_see_the_order_of_frames_and_change_does(tiny, score, temporal):
    config = tiny(score=score, frames=5, emotion_input="faces", score_smoothing=False)
    net = net_of(config).eval()
    net.frame.data.zero_()
    frames = pictures(config, 2)
    with torch.inference_mode():
        first, second = scored(net, frames), scored(net, frames[:, [3, 0, 4, 2, 1]])
    assert torch.allclose(first, second, atol=1e-4) is not temporal


def test_random_keeps_other_places_of_each_clip_in_training_and_the_same_of_all_at_test(tiny):
    config = tiny(score="random", rates=(0.5,))
    net = net_of(config)
    frames = pictures(config, 6)
    net.train()
    first, second = net(frames).kept[:, 0], net(frames).kept[:, 0]
    assert len(first.unique(dim=0)) > 1
    assert not torch.equal(first, second)
    net.eval()
    fixed = net(frames).kept[:, 0]
    assert len(fixed.unique(dim=0)) == 1
    assert torch.equal(net(pictures(config, 6, seed=1)).kept[:, 0], fixed)
    assert any(not torch.equal(net_of(config, seed).eval()(frames).kept[:, 0], fixed) for seed in (1, 2))


def test_random_keeps_every_place_as_often(tiny):
    config = tiny(score="random", rates=(0.75,))
    net = net_of(config).train()
    frames = pictures(config, 5)
    share = torch.cat([net(frames).kept[:, 0] for _ in range(80)]).float().mean(dim=0)
    assert (share - 0.25).abs().max() < 5 * (0.25 * 0.75 / 400) ** 0.5


@pytest.mark.parametrize("smoothing", [False, True])
def test_the_learned_score_gets_a_gradient_through_what_stayed(tiny, smoothing):
    config = tiny(score="learned", score_smoothing=smoothing)
    net = net_of(config)
    found = net(pictures(config, 3))
    torch.manual_seed(1)
    (found.feature * torch.randn_like(found.feature)).sum().backward()
    for name in ("local.weight", "local.bias", "judge.0.weight", "judge.2.weight"):
        assert net.score.get_parameter(name).grad.abs().max() > 0, name


def test_neighbours_are_averaged_and_the_frame_ends_at_its_edge(tiny):
    plain, smoothed = (net_of(tiny(score="pixel", score_smoothing=flag)).eval() for flag in (False, True))
    config = plain.config
    frames = pictures(config, 2)
    raw = (
        (frames[:, 1:] - frames[:, :-1])
        .abs()
        .mean(dim=(1, 2))
        .unflatten(1, (4, 4))
        .unflatten(3, (4, 4))
        .mean(dim=(2, 4))
    )
    averaged = torch.zeros_like(raw)
    for row in range(4):
        for column in range(4):
            around = raw[:, max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
            averaged[:, row, column] = around.mean(dim=(1, 2))
    for net, expected in ((plain, raw), (smoothed, averaged)):
        expected = expected.flatten(1)
        expected = (expected - expected.mean(dim=1, keepdim=True)) / expected.std(dim=1, keepdim=True, correction=0)
        torch.testing.assert_close(scored(net, frames), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("time", ["folded", "joint"])
@pytest.mark.parametrize("frames", [2, 8])
def test_sequences_hold_the_class_token_what_stayed_and_the_rest_as_one(tiny, time, frames, residual):
    config = tiny(time=time, frames=frames, frame_size=24, residual_token=residual, depth=2)
    lengths = tokens_in_blocks(net_of(config).eval(), pictures(config, 2))
    each = frames if time == "joint" else 1
    kept = [36 - int(rate * 36) for rate in config.rates]
    assert lengths == [1 + each * (count + residual) for count in kept for _ in range(2)]


@pytest.mark.parametrize("time", ["folded", "joint"])
def test_a_progressive_stream_is_cut_down_block_by_block(tiny, time):
    config = tiny(time=time, scales="progressive", depth=6, frame_size=24)
    lengths = tokens_in_blocks(net_of(config).eval(), pictures(config, 2))
    each = 3 if time == "joint" else 1
    assert lengths == [1 + each * count for count in (27, 27, 18, 18, 9, 9)]


@pytest.mark.parametrize("scales", ["parallel", "progressive"])
@pytest.mark.parametrize("time", ["folded", "joint"])
def test_computation_falls_with_sparsity(tiny, time, scales):
    def flops(rate):
        config = tiny(time=time, scales=scales, frames=8, frame_size=24, rates=(rate,), vit_width=16, depth=2)
        net, counter = net_of(config).eval(), FlopCounterMode(display=False)
        frames = pictures(config, 2)
        with counter, torch.inference_mode():
            net(frames)
        return counter.get_total_flops(), counter.get_flop_counts()["SEVit.blocks.0"]

    whole, blocks = zip(*[flops(rate) for rate in (0.0, 0.25, 0.5, 0.75)], strict=True)
    assert whole[0] > whole[1] > whole[2] > whole[3]
    share = sum(blocks[3].values()) / sum(blocks[0].values())
    assert share < 0.3  # of 37 tokens 10; attention falls faster still


def test_the_blocks_are_shared_by_all_rates(tiny):
    def weights(rates):
        net = net_of(tiny(rates=rates))
        return sum(p.numel() for part in (net.embed, net.stem, net.fold, net.blocks) for p in part.parameters())

    assert weights((0.5,)) == weights((0.25, 0.5, 0.75))
    assert len(net_of(tiny()).class_tokens) == 3


@pytest.mark.parametrize("time", ["folded", "joint"])
@pytest.mark.parametrize("scales", ["parallel", "progressive"])
@pytest.mark.parametrize("score", SCORES)
def test_what_becomes_of_a_clip_does_not_depend_on_its_company(tiny, score, scales, time):
    config = tiny(score=score, scales=scales, time=time, depth=3, residual_token=scales == "parallel")
    net = net_of(config).eval()
    frames = pictures(config, 5)
    with torch.inference_mode():
        together, again, turned = net(frames), net(frames), net(frames.flip(0))
        for found, expected in zip(again, together, strict=True):
            assert torch.equal(found, expected)
        for row in range(5):
            alone = net(frames[row : row + 1])
            for found, other, expected in zip(alone, turned, together, strict=True):
                torch.testing.assert_close(found[0], expected[row], rtol=0, atol=1e-5)
                torch.testing.assert_close(other[4 - row], expected[row], rtol=0, atol=1e-5)


@pytest.mark.parametrize("emotion_input", ["faces", "changes", "signed-changes", "both"])
@pytest.mark.parametrize("score", SCORES)
def test_clips_in_which_nothing_moves_give_finite_features_and_gradients(tiny, score, emotion_input):
    config = tiny(score=score, emotion_input=emotion_input, rates=(0.0, 0.5), residual_token=True)
    net = net_of(config).train()
    for frames in (
        torch.zeros(2, 3, 3, 16, 16),
        torch.full((2, 3, 3, 16, 16), 0.7),
        pictures(config, 2)[:, :1].repeat(1, 3, 1, 1, 1),
    ):
        net.zero_grad()
        found = net(frames)
        assert found.kept.sum(dim=2).tolist() == [[16, 8]] * 2
        (found.feature.square().sum() + found.tokens.sum()).backward()
        assert found.feature.isfinite().all()
        assert all(p.grad.isfinite().all() for p in net.parameters() if p.grad is not None)


@pytest.mark.parametrize("kind", ["changes", "signed-changes"])
def test_changes_are_seen_from_the_onset_frame_and_stretched_by_the_gain(tiny, kind):
    embed = net_of(tiny(emotion_input=kind, change_gain=5.0)).embed
    frames = pictures(tiny(), 2)
    lighter = frames + torch.rand(2, 1, 3, 16, 16)  # whatever lies under all frames alike
    torch.testing.assert_close(embed(frames), embed(lighter), rtol=1e-4, atol=1e-4)
    change = 5 * (frames - frames[:, :1])
    change = change if kind == "signed-changes" else change.abs()
    for frame in range(3):
        expected = embed.patches[kind](change[:, frame]).flatten(2).transpose(1, 2)
        torch.testing.assert_close(embed(frames)[:, frame], expected, rtol=1e-4, atol=1e-4)


def test_faces_and_changes_together_are_the_sum_of_their_projections(tiny):
    embed = net_of(tiny(emotion_input="both", change_gain=5.0)).embed
    frames = pictures(tiny(), 2)
    pictured = {"faces": 2 * frames - 1, "changes": 5 * (frames - frames[:, :1]).abs()}
    expected = sum(embed.patches[name](each.flatten(0, 1)) for name, each in pictured.items())
    expected = expected.flatten(2).transpose(1, 2).unflatten(0, (2, 3))
    torch.testing.assert_close(embed(frames), expected, rtol=1e-4, atol=1e-4)


def test_the_order_of_frames_reaches_the_feature(tiny):
    for time in ("folded", "joint"):
        config = tiny(time=time, frames=5, emotion_input="faces")
        net = net_of(config).eval()
        frames = pictures(config, 3)
        assert not torch.allclose(net(frames).feature, net(frames[:, [0, 3, 2, 1, 4]]).feature, atol=1e-4), time


@given(st.sampled_from(["learned", "mean", "concat"]), st.integers(1, 4), st.sampled_from([1, 2, 5]))
def test_rates_are_merged_by_weights_that_sum_to_one(kind, streams, clips):
    torch.manual_seed(0)
    merge, features = Merge(kind, streams, 8), torch.randn(clips, streams, 8)
    merged, weights = merge(features)
    assert merged.shape == (clips, 8)
    assert weights.shape == (clips, streams)
    assert (weights > 0).all()
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(clips))
    if kind == "learned" and streams > 1:
        assert weights.std() > 0
    else:
        torch.testing.assert_close(weights, torch.full((clips, streams), 1 / streams))
    if kind != "concat":
        expected = sum(weights[:, [r]] * features[:, r] for r in range(streams))
        torch.testing.assert_close(merged, expected)


def test_tokens_lie_where_they_were_kept_and_are_weighed_by_rate(tiny):
    config = tiny(merge="mean", rates=(0.25, 0.75))
    net = net_of(config).eval()
    found = net(pictures(config, 3))
    empty = net.project_tokens.bias
    nowhere = ~found.kept.any(dim=1)
    torch.testing.assert_close(found.tokens[nowhere], empty.expand(int(nowhere.sum()), -1))
    assert ((found.tokens - empty).abs().amax(dim=2) > 1e-6)[~nowhere].all()
