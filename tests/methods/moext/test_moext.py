"""MoExt: what makes it a motion extractor, its losses, and that pre-training sees no other clips."""

import math

import numpy as np
import pytest
import torch
from merbench.methods.moext.losses import contrastive
from merbench.methods.moext.method import MoExt, reconstruct, scaled
from merbench.methods.moext.net import Classifier, Decoder, Encoder, Projection, texture_head
from support.folds import FOLDS, PROBLEM, noting, spec, table, training_data
from torch import nn

from merbench.contracts.cards import holds
from merbench.contracts.diagnostics import check_diagnostics
from merbench.contracts.inputs import ArrayInput, Inputs
from merbench.contracts.methods import AuxiliaryData, RunContext
from merbench.engine.fold.folds import run_fold
from merbench.engine.fold.opening import FoldTask
from merbench.engine.plan.catalogue import METHODS
from merbench.splits.split import make_split

MOEXT = METHODS.get("moext")


def tiny(**changes):
    return MOEXT.cls.Config(**{**MOEXT.resolve("tiny").model_dump(), **changes})


def made(clips, seed=0):
    """Make clips with four versions: a spot on a plain face, moved to one of four sides by the apex."""
    rng, (y, x) = np.random.default_rng(seed), np.mgrid[:16, :16]
    tones, at = rng.integers(0, 60, (clips, 1, 1, 1, 1)), rng.uniform(5, 11, (clips, 1, 1, 2))
    ways = np.array([(0, 2), (2, 0), (0, -2), (-2, 0)])[rng.integers(4, size=clips)][:, None, None]
    place = at + ways * np.array([[0, 1], [0, 0.8], [0.1, 1], [0.1, 0.8]])[None, :, :, None]
    spots = 180 * np.exp(-((y - place[..., :1, None]) ** 2 + (x - place[..., 1:, None]) ** 2) / 4)
    values = (tones + spots).astype(np.uint8)[..., None]  # clip, version, frame, y, x, grey
    return Inputs({"frames": ArrayInput(tiny().inputs()["frames"], values)}, clips)


def fitted(config, inputs, seed=1):
    found = MoExt(config, PROBLEM)
    found.fit(training_data(inputs, np.arange(inputs.clips) % 3), RunContext(seed=seed))
    return found


def equal(one, other):
    """Whether two modules hold the same bits."""
    return all(map(torch.equal, one.state_dict().values(), other.state_dict().values()))


def test_frames_that_are_swapped_have_the_opposite_difference_and_equal_ones_no_motion():
    torch.manual_seed(0)
    encoder, seen, frames = Encoder(tiny()), [], torch.rand(3, 2, 1, 16, 16)
    encoder.motion.register_forward_hook(lambda _, given, result: seen.append((given[0], result)))
    for batch in (frames, frames.flip(1), frames[:, :1].expand(3, 2, 1, 16, 16)):
        encoder(batch)
    (difference, motion), (swapped, _), (none, nothing) = seen
    assert torch.equal(swapped, -difference)
    assert [bool(values.any()) for values in (difference, motion, none, nothing)] == [True, True, False, False]


def test_the_decoder_sees_the_texture_of_the_onset_alone():
    for decoder in ("motion+texture", "motion+texture+shape"):
        config = tiny(decoder=decoder)
        parts = nn.ModuleDict({"texture": texture_head(config), "decoder": Decoder(config)})
        encoder, frames = Encoder(config), torch.rand(2, 2, 1, 16, 16)
        _, *held = encoder(frames)
        parts.encoder = lambda frames: (encoder(frames)[0], *held)  # noqa: B023
        signs = torch.tensor([[1, 1], [1, -1], [-1, 1]])  # the colours of the apex change, then those of the onset
        found = [reconstruct(parts, frames * each.reshape(2, 1, 1, 1))[0] for each in signs]
        assert (torch.equal(found[0], found[1]), torch.equal(found[0], found[2])) == (True, False)


def test_the_contrastive_loss_has_its_known_values_and_equals_a_loop():
    same, apart = torch.ones(4, 1), torch.eye(4)
    assert contrastive(same, same, 0.2).item() == pytest.approx(math.log(7), abs=1e-5)
    assert contrastive(apart, apart, 0.5).item() == pytest.approx(0.59444, abs=1e-5)
    first, second = nn.functional.normalize(torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(1)), dim=-1)
    for groups in ([0, 1, 2, 3, 4], [0, 0, 1, -1, -2]):
        z, named = [*first.tolist(), *second.tolist()], groups * 2
        losses = []
        for i in range(10):
            likeness = {k: math.exp(np.dot(z[i], z[k]) / 0.2) for k in range(10) if k != i}
            mates = [-math.log(likeness[k] / sum(likeness.values())) for k in likeness if named[k] == named[i]]
            losses.append(np.mean(mates))
        given = None if groups[1] else torch.tensor([max(group, -1) for group in groups])
        assert contrastive(first, second, 0.2, given).item() == pytest.approx(np.mean(losses), abs=1e-5)
        assert contrastive(second, first, 0.2, given).item() == pytest.approx(np.mean(losses), abs=1e-5)


def test_parameters_are_as_many_as_designed_and_full_reconstructs_a_frame():
    def count(*modules):
        return sum(values.numel() for module in modules for values in module.parameters())

    full = MOEXT.resolve("full")
    parts = nn.ModuleDict({"encoder": Encoder(full), "texture": texture_head(full), "decoder": Decoder(full)})
    encoder, texture, decoder = parts.values()
    projection, classifier = Projection(full), Classifier(full, 3)
    assert [*map(count, (encoder.motion, decoder, projection, classifier))] == [36_864, 686_688, 108_864, 388_739]
    whole = (count(encoder.trunk, encoder.shape, texture), count(parts, projection), count(encoder, classifier))
    assert whole == (154_416, 986_832, 533_939)
    with torch.no_grad():
        apex, motion = reconstruct(parts, torch.zeros(1, 2, 3, 128, 128))
    assert (apex.shape, motion.shape) == ((1, 3, 128, 128), (1, 32, 64, 64))
    assert (classifier.eval()(motion).shape, projection(motion).shape) == ((1, 3), (1, 128))


@pytest.mark.slow
def test_after_pre_training_the_reconstruction_beats_the_onset():
    length = {"pretrain_steps": 300, "pretrain_rate": 0.005, "pretrain_batch": 16, "reconstruction_weight": 10}
    found = fitted(tiny(width=8, stem_stride=1, epochs=1, view_light=0, **length), made(64))
    frames = scaled(found.tensors(made(32, seed=5))["frames"])
    with torch.no_grad():
        apexes = frames[:, 0], reconstruct(found.kept, frames)[0]
    copied, error = ((frames[:, 1] - apex).abs().mean().item() for apex in apexes)
    assert error < 0.8 * copied, (error, copied)


def test_pre_training_repeats_from_its_seed_and_frozen_keeps_it():
    for transfer in ("slow", "frozen"):
        found, again, other = (fitted(tiny(transfer=transfer), made(9), seed) for seed in (1, 1, 2))
        assert (equal(found.kept, again.kept), equal(found.net, again.net)) == (True, True)
        assert not equal(found.kept, other.kept)
        assert equal(found.net.encoder, found.kept["encoder"]) is (transfer == "frozen")
    shapes = {name: values.shape[1:] for name, values in check_diagnostics(found.diagnose(made(9)), 9).items()}
    pictures = {f"picture/{name}": (16, 16) for name in ("onset", "apex", "reconstruction", "motion")}
    assert shapes == {"feature/motion": (32,)} | pictures


def test_external_pre_training_sees_macro_clips_alone():
    config, names = tiny(pretrain="external", macro=["samm-lv"]), np.array(["x"] * 8, dtype=object)
    given = {"samm-lv": AuxiliaryData(made(8, seed=3), np.array([0, 1, 2, -1] * 2), names, names, names)}
    one, two = (MoExt(config, PROBLEM).pretrain(RunContext(seed=1, auxiliary=given.get)) for _ in range(2))
    assert {name.partition(".")[0] for name in one} == {"encoder"}
    assert all(np.array_equal(one[name], two[name]) for name in one)
    assert (MoExt.auxiliary(tiny(pretrain="none", macro=["samm-lv"])), list(MoExt.auxiliary(config))) == ({}, [*given])


def test_clips_of_the_held_out_person_reach_pre_training_only_where_disclosed():
    split, inputs, kept = make_split(spec(), table()), made(72), []
    frames, held_out = inputs["frames"].stored(), split.fold(FOLDS[0]).test
    watched = noting(predict=lambda method, _: kept.append(method.kept), base=MoExt)
    for config in (tiny(), tiny(pretrain="all")):
        disclosed = holds(MOEXT.card.transductive, config)
        for _ in range(2):
            run_fold(FoldTask(watched, config, split, inputs, 0, transductive=disclosed), FOLDS[0])
            frames[held_out] = 255 - frames[held_out]
        assert equal(kept[0], kept[-1]) is not disclosed
        kept.clear()
