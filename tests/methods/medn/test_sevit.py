"""SEVit: which locations are kept, how many tokens that leaves, and that scores learn."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from merbench.methods.medn.config import Config, kept_locations
from merbench.methods.medn.sevit import Merge, SEVit
from merbench.methods.medn.tokens import strongest
from torch import nn
from torch.testing import assert_close

SCORES = ("token", "pixel", "learned", "class-attention", "random")
EMOTION_INPUTS = ("faces", "changes", "signed-changes", "both")
RATES = ((0.25, 0.5, 0.75), (0.5,), (0.0,), (0.0, 0.9), (0.1, 0.7))
# A constant that is added to all scores of a clip has no effect.
SHIFTS = {"score.judge.2.bias", "merge.judge.bias"}


def net_of(config, seed=0):
    torch.manual_seed(seed)
    return SEVit(config)


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
            kept[clip, max((n for n in range(len(values)) if not kept[clip, n]), key=values.__getitem__)] = True
    return kept


@st.composite
def settings_of_sevit(draw):
    frame_size, patch = draw(st.sampled_from([(16, 4), (24, 8), (24, 4)]))
    scales, rates = draw(st.sampled_from(["parallel", "progressive"])), draw(st.sampled_from(RATES))
    options = {
        "frames": [2, 3, 8], "colour": ["grey", "rgb"], "emotion_input": EMOTION_INPUTS,
        "pool": ["score", "mean", "class"],
        "time": ["folded", "joint"], "score": SCORES, "score_smoothing": [False, True],
        "merge": ["learned", "mean", "concat"], "stem_depth": [1, 2],
    }  # fmt: skip
    drawn = {name: draw(st.sampled_from(values)) for name, values in options.items()}
    residual = scales == "parallel" and draw(st.booleans())
    fixed = {"frame_size": frame_size, "patch": patch, "scales": scales, "rates": rates, "depth": len(rates)}
    return drawn | fixed | {"residual_token": residual, "drop_path": 0.0}


@settings(max_examples=60)
@given(changes=settings_of_sevit(), clips=st.sampled_from([1, 2, 5]))
def test_shapes_and_gradients_for_all_settings(tiny, changes, clips):
    config = tiny(**changes)
    net = net_of(config).train()
    found = net(pictures(config, clips))
    streams = len(config.rates) if config.scales == "parallel" else 1
    assert found.tokens.shape == (clips, config.grid**2, config.width)
    assert found.feature.shape == (clips, config.width)
    assert (found.kept.shape, found.kept.dtype) == ((clips, streams, config.grid**2), torch.bool)
    torch.manual_seed(1)
    sum((each * torch.randn_like(each)).sum() for each in (found.feature, found.tokens)).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert name in SHIFTS or parameter.grad.abs().max() > 0, name


@given(st.integers(1, 60), st.integers(0, 999), st.integers(0, 2**31))
def test_the_strongest_are_kept_in_ascending_order(locations, thousandths, seed):
    count = locations - thousandths * locations // 1000
    assert kept_locations(locations, thousandths / 1000) == count
    score = torch.from_numpy(np.random.default_rng(seed).permuted(np.arange(3 * locations).reshape(3, -1), axis=1))
    rows = strongest(score.float(), thousandths / 1000)
    assert (rows.diff(dim=1) > 0).all()
    assert torch.equal(torch.zeros(score.shape, dtype=torch.bool).scatter(1, rows, True), straight_line(score, count))


def test_the_locations_kept_are_those_with_the_highest_scores(tiny):
    for score in SCORES:
        for scales in ("parallel", "progressive"):
            config = tiny(score=score, scales=scales, rates=(0.0, 0.3, 0.8), depth=3, frame_size=24)
            net = net_of(config).eval()
            frames = pictures(config, 3)
            with torch.inference_mode():
                kept, values = net(frames).kept, net.score.order(scored(net, frames))
            rates = config.rates if scales == "parallel" else config.rates[-1:]
            for stream, rate in enumerate(rates):
                assert torch.equal(kept[:, stream], straight_line(values, kept_locations(36, rate)))


class Blind(nn.Module):
    """A score that ignores its input."""

    def forward(self, frames, patches, tokens, stem):
        return torch.randn(patches.shape[0], patches.shape[2], generator=torch.Generator().manual_seed(0))

    def order(self, score):
        return score


def test_a_location_is_kept_or_dropped_in_all_frames_alike(tiny):
    """Without a stem, pixels reach the feature only from locations that are kept, or by the residual token."""
    for time in ("folded", "joint"):
        for residual in (False, True):
            config = tiny(time=time, stem_depth=0, rates=(0.5,), emotion_input="faces", residual_token=residual)
            net = net_of(config).eval()
            net.score = Blind()
            frames = pictures(config, 2).requires_grad_()
            found = net(frames)
            (found.feature * torch.randn_like(found.feature)).sum().backward()
            reached = frames.grad.abs().unflatten(-1, (4, 4)).unflatten(-3, (4, 4)).sum(dim=(2, 4, 6)).flatten(2) > 0
            assert reached.shape == (2, 3, 16)  # clips, frames, locations
            assert reached.all() if residual else torch.equal(reached, found.kept.expand(-1, 3, -1))


@pytest.mark.slow
def test_movement_is_found_among_noise_at_the_usual_size():
    """Where nothing moves a token is noise; a score that took its direction for change would find nothing else."""
    sizes = {"width": 64, "vit_width": 64, "frame_size": 112, "patch": 8, "stem_depth": 2, "depth": 1}
    for changes in [*({"emotion_input": each} for each in EMOTION_INPUTS), {"score": "pixel", "score_smoothing": True}]:
        net = net_of(Config(**sizes, rates=(0.75,), **{"score_smoothing": False} | changes)).eval()
        frames = 0.5 + 0.01 * torch.randn(16, 8, 3, 112, 112)
        places = torch.randint(196, (16,))
        for clip, place in enumerate(places.tolist()):
            row, column = 8 * (place // 14), 8 * (place % 14)
            frames[clip, 2:6, :, row : row + 8, column : column + 8] += 0.1
        with torch.inference_mode():
            kept = net(frames).kept[:, 0]
        assert kept[torch.arange(16), places].all()


def test_random_draws_each_clip_in_training_and_is_fixed_at_test(tiny):
    config = tiny(score="random", rates=(0.75,))
    net, frames = net_of(config).train(), pictures(config, 5)
    draws = torch.stack([net(frames).kept[:, 0] for _ in range(80)])
    assert len(draws[0].unique(dim=0)) > 1
    share = draws.flatten(0, 1).float().mean(dim=0)
    assert (share - 0.25).abs().max() < 5 * (0.25 * 0.75 / 400) ** 0.5  # every location as often
    fixed = net.eval()(frames).kept[:, 0]
    assert len(fixed.unique(dim=0)) == 1
    assert torch.equal(net(pictures(config, 5, seed=1)).kept[:, 0], fixed)
    assert any(not torch.equal(net_of(config, seed).eval()(frames).kept[:, 0], fixed) for seed in (1, 2))


def test_scores_are_standardised_averages_of_neighbours(tiny):
    for smoothing in (False, True):
        net = net_of(tiny(score="pixel", score_smoothing=smoothing)).eval()
        frames = pictures(net.config, 2)
        changes = (frames[:, 1:] - frames[:, :-1]).abs().mean(dim=(1, 2))
        raw = changes.unflatten(1, (4, 4)).unflatten(3, (4, 4)).mean(dim=(2, 4))
        expected, reach = torch.zeros_like(raw), int(smoothing)
        for row, column in np.ndindex(4, 4):
            around = raw[:, max(row - reach, 0) : row + 1 + reach, max(column - reach, 0) : column + 1 + reach]
            expected[:, row, column] = around.mean(dim=(1, 2))
        expected = expected.flatten(1)
        expected = (expected - expected.mean(dim=1, keepdim=True)) / expected.std(dim=1, keepdim=True, correction=0)
        assert_close(scored(net, frames), expected, rtol=1e-3, atol=1e-3)


def test_sequences_hold_class_kept_and_residual_tokens(tiny):
    def lengths(**changes):
        """Return the length of the sequence that each block after the pruning is given, in order."""
        config, found = tiny(frame_size=24, **changes), []
        net = net_of(config).eval()
        for block in net.blocks:
            block.register_forward_hook(lambda _, given, __: found.append(given[0].shape[1]))
        net(pictures(config, 2))
        return found

    for time, each in (("folded", 1), ("joint", 3)):
        for residual in (False, True):
            expected = [1 + each * (count + residual) for count in (27, 27, 18, 18, 9, 9)]
            assert lengths(time=time, residual_token=residual, depth=2) == expected
        assert lengths(time=time, scales="progressive", depth=6) == [1 + each * n for n in (27, 27, 18, 18, 9, 9)]


def test_still_clips_give_finite_values(tiny):
    for number, score in enumerate(SCORES):
        net = net_of(tiny(score=score, emotion_input=EMOTION_INPUTS[number % 4], rates=(0.0, 0.5), residual_token=True))
        found = net(torch.zeros(2, 3, 3, 16, 16))
        assert found.kept.sum(dim=2).tolist() == [[16, 8]] * 2
        (found.feature.square().sum() + found.tokens.sum()).backward()
        assert found.feature.isfinite().all()
        assert all(p.grad.isfinite().all() for p in net.parameters() if p.grad is not None)


def test_patches_are_projected_faces_changes_or_their_sum(tiny):
    frames = pictures(tiny(), 2)
    change = 5 * (frames - frames[:, :1])
    shown = {"faces": 2 * frames - 1, "changes": change.abs(), "signed-changes": change}
    for kind in EMOTION_INPUTS:
        embed = net_of(tiny(emotion_input=kind, change_gain=5.0)).embed
        names = ("faces", "changes") if kind == "both" else (kind,)
        expected = sum(embed.patches[name](shown[name].flatten(0, 1)) for name in names)
        assert_close(embed(frames), expected.flatten(2).transpose(1, 2).unflatten(0, (2, 3)), rtol=1e-4, atol=1e-4)


def test_the_feature_is_a_mean_of_kept_tokens(tiny):
    for pool in ("score", "mean"):
        net, tokens = net_of(tiny(pool=pool, rates=(0.5,))).eval(), []
        net.blocks[-1].register_forward_hook(lambda _, __, given, tokens=tokens: tokens.append(given[:, 1:]))
        frames = pictures(net.config, 3)
        found, score = net(frames), scored(net, frames)
        for clip, kept in enumerate(found.kept[:, 0]):
            weights = score[clip, kept].exp() if pool == "score" else torch.ones(8)
            mean = sum(w * token for w, token in zip(weights, tokens[0][clip], strict=True)) / weights.sum()
            assert_close(found.feature[clip], net.out(net.project(net.norm(mean))), rtol=1e-4, atol=1e-4)


def test_rates_are_merged_by_weights_that_sum_to_one():
    for kind in ("learned", "mean", "concat"):
        merge, features = Merge(kind, 3, 8), torch.randn(5, 3, 8)
        merged, weights = merge(features)
        assert_close(weights.sum(dim=1), torch.ones(5))
        assert (weights.std() > 1e-3).item() is (kind == "learned")
        expected = merge.join(features.flatten(1)) if kind == "concat" else (weights[..., None] * features).sum(dim=1)
        assert_close(merged, expected)


def test_tokens_are_where_they_were_kept_and_bias_elsewhere(tiny):
    config = tiny(merge="mean", rates=(0.25, 0.75))
    net = net_of(config).eval()
    found = net(pictures(config, 3))
    empty, nowhere = net.project_tokens.bias, ~found.kept.any(dim=1)
    assert_close(found.tokens[nowhere], empty.expand(int(nowhere.sum()), -1))
    assert ((found.tokens - empty).abs().amax(dim=2) > 1e-6)[~nowhere].all()
