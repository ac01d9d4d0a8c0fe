"""Many folds trained in one program become the nets that they become alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.cases import each
from torch import nn

from merbench.contracts.inputs import ArrayInput, Flow, Inputs
from merbench.contracts.methods import Problem, Progress, RunContext, TrainingData
from merbench.training.layers import FastDropout
from merbench.training.packed import can_pack, fit_packed, grouped_by_steps, start_packed
from merbench.training.torch_method import TorchConfig, TorchMethod

PROBLEM = Problem("classification", ("negative", "positive", "surprise"))


def inputs(clips, seed):
    pictures = np.random.default_rng(seed).standard_normal((clips, 9, 9, 3))
    return Inputs({"flow": ArrayInput(Flow(), pictures)}, clips)


def training(clips, seed):
    labels = np.random.default_rng(seed + 1).integers(0, 3, clips)
    people = np.array(["x/1"] * clips, dtype=object)
    return TrainingData(inputs(clips, seed), labels, PROBLEM, people, people)


class Net(TorchMethod):
    """In double precision, in which what differs by rounding alone differs by next to nothing."""

    packs = True

    def module(self):
        pictures = [nn.Conv2d(3, 4, 3), nn.ReLU(), nn.BatchNorm2d(4), FastDropout()]
        return nn.Sequential(*pictures, nn.Flatten(), FastDropout(), nn.Linear(196, 3)).double()

    def tensors(self, inputs, rng=None):
        return {"flow": torch.from_numpy(inputs["flow"].batch(rng=rng)).permute(0, 3, 1, 2).double()}

    def augment(self, batch, generator):
        flow = batch["flow"]
        return {"flow": flow + 0.1 * torch.randn(flow.shape, generator=generator, dtype=flow.dtype)}


class ManyGroups(Net):
    def optimiser(self, module):
        decays = [values for values in module.parameters() if values.ndim > 1]
        rest = [values for values in module.parameters() if values.ndim == 1]
        return torch.optim.AdamW(
            [{"params": decays, "weight_decay": 0.3}, {"params": rest, "weight_decay": 0.0, "lr": 0.002}],
            lr=self.config.learning_rate,
        )


class FrozenNorm(nn.BatchNorm2d):
    def train(self, mode=True):
        return super().train(False)


class PartlyFrozen(Net):
    def module(self):
        net = super().module()
        net[0].requires_grad_(False)
        net[2] = FrozenNorm(4).double().train()
        return net


def made(count, method=Net, **settings):
    return [method(TorchConfig(**settings), PROBLEM) for _ in range(count)]


def fit_together(methods, trains, runs):
    fit_packed([start_packed(*fold) for fold in zip(methods, trains, runs, strict=True)])


def both(clips, method=Net, contexts=None, **settings):
    """Return methods fitted one by one and packed, on folds with so many clips."""
    trains = [training(count, seed) for seed, count in enumerate(clips)]
    contexts = contexts or (lambda: [RunContext(seed=seed) for seed in range(len(clips))])
    alone, packed = made(len(clips), method, **settings), made(len(clips), method, **settings)
    for one, train, run in zip(alone, trains, contexts(), strict=True):
        one.fit(train, run)
    fit_together(packed, trains, contexts())
    return alone, packed


def assert_same(alone, packed, tolerance=1e-11):
    for one, other in zip(alone, packed, strict=True):
        mine, theirs = one.net.state_dict(), other.net.state_dict()
        assert mine.keys() == theirs.keys()
        for name in mine:
            torch.testing.assert_close(theirs[name], mine[name], rtol=tolerance, atol=tolerance, msg=name)


SETTINGS = {
    "plain": {"learning_rate": 0.01},
    "in order": {"learning_rate": 0.01, "shuffle": False},
    "cosine": {"learning_rate": 0.02, "schedule": "cosine", "warmup_epochs": 1.5},
    "clipped": {"learning_rate": 0.02, "gradient_norm": 0.3},
}


def test_packed_folds_become_the_same_nets_as_alone():
    for settings in each(SETTINGS.values()):
        alone, packed = both([20, 17, 20, 22], epochs=3, batch_size=12, **settings)
        assert_same(alone, packed)
        weights = [method.net[0].weight for method in packed]
        assert not torch.allclose(weights[0], weights[2], atol=1e-3)  # folds of one size are still folds of their own
    alone, packed = both([20, 17], ManyGroups, epochs=3, batch_size=12, learning_rate=0.01)
    assert_same(alone, packed)  # groups of parameters keep their settings
    test = inputs(7, seed=99)
    for one, other in zip(alone, packed, strict=True):
        np.testing.assert_allclose(other.predict(test).scores, one.predict(test).scores, rtol=1e-10)


def test_a_fold_becomes_the_same_net_in_any_pack():
    one, _ = both([20, 17], epochs=2, batch_size=12)
    _, packed = both([20, 17, 23, 24], epochs=2, batch_size=12)
    assert_same(one, packed[:2])


def test_epoch_end_is_called_for_each_fold_and_may_stop_one():
    told, done = [], []

    def contexts():
        told.append([])
        done.append([Progress() for _ in range(3)])

        def watching(place):
            def on_epoch(epoch, method):
                told[-1].append((place, epoch, method.epoch, method.predict(inputs(5, seed=50)).scores.sum().round(8)))
                return place == 1 and epoch == 2

            return on_epoch

        return [RunContext(seed=place, on_epoch=watching(place), progress=done[-1][place]) for place in range(3)]

    alone, packed = both([20, 17, 20], contexts=contexts, epochs=4, batch_size=12, learning_rate=0.01)
    assert sorted(told[0]) == sorted(told[1])
    assert len(told[1]) == 4 + 2 + 4
    assert [(each.done, each.total) for each in done[1]] == [(4, 4), (2, 4), (4, 4)]
    assert_same(alone, packed)

    ended = []

    def stopping():  # training ends when every fold has stopped
        return [RunContext(seed=place, on_epoch=lambda epoch, _: ended.append(epoch) or True) for place in range(2)]

    assert_same(*both([20, 17], contexts=stopping, epochs=5, batch_size=12))
    assert ended == [1, 1, 1, 1]


def test_what_is_frozen_stays_as_it_is():
    alone, packed = both([20, 17], method=PartlyFrozen, epochs=2, batch_size=12)
    assert_same(alone, packed)
    torch.manual_seed(RunContext(seed=0).stream_seed("torch"))
    first = made(1, PartlyFrozen)[0].module()
    assert torch.equal(packed[0].net[0].weight, first[0].weight)
    assert packed[0].net[2].num_batches_tracked == 0
    assert not torch.equal(packed[0].net[2].weight, first[2].weight)


def test_nets_own_their_weights_in_the_end():
    _, packed = both([20, 17], epochs=1, batch_size=12)
    before = packed[1].net[0].weight.clone()
    with torch.no_grad():
        packed[0].net[0].weight.zero_()
    assert torch.equal(packed[1].net[0].weight, before)
    assert packed[0].net[0].weight.untyped_storage().size() == 8 * packed[0].net[0].weight.numel()


def test_folds_with_as_many_steps_go_together():
    methods = made(5, batch_size=10)
    # 31: a last clip alone joins the batch before
    assert grouped_by_steps(methods[0], [30, 31, 32, 39, 40]) == [[0, 1], [2, 3, 4]]
    few = made(3, batch_size=10, epochs=1, least_steps=6)
    assert grouped_by_steps(few[0], [20, 19, 30]) == [[0, 1], [2]]


def test_methods_that_do_not_pack_are_trained_alone():
    class Alone(Net):
        packs = False

    class Own(Net):
        def fit(self, train, run):
            raise NotImplementedError

    assert [can_pack(method) for method in (Net, Own)] == [True, False]
    methods = made(2, Alone)
    assert grouped_by_steps(methods[0], [20, 20]) == [[0], [1]]
    with pytest.raises(ValueError, match="can't be trained together"):
        fit_together(methods, [training(20, 0)] * 2, [RunContext(seed=0)] * 2)


def test_layers_that_can_not_be_stacked_are_refused():
    class Plain(Net):
        def module(self):
            return nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(243, 3)).double()

    class Twice(Net):
        def module(self):
            layer = FastDropout()
            return nn.Sequential(nn.Flatten(), layer, nn.Linear(243, 3), layer).double()

    class Endless(Net):
        def module(self):
            return nn.Sequential(nn.BatchNorm2d(3, momentum=None), nn.Flatten(), nn.Linear(243, 3)).double()

    for method, error, message in (
        (Plain, RuntimeError, "random"),
        (Twice, RuntimeError, "called twice"),
        (Endless, ValueError, "momentum"),
    ):
        with pytest.raises(error, match=message):
            fit_together(made(2, method, epochs=1), [training(20, 0)] * 2, [RunContext(seed=0)] * 2)


def test_batch_norms_of_all_kinds_are_padded():
    class Odd(Net):
        def module(self):
            plain = nn.BatchNorm2d(3, affine=False)
            return nn.Sequential(plain, nn.Flatten(), nn.Linear(243, 8), nn.BatchNorm1d(8), nn.Linear(8, 3)).double()

    assert_same(*both([20, 17, 18], Odd, epochs=3, batch_size=12, learning_rate=0.01), tolerance=1e-9)


def test_padding_is_excluded_from_the_loss_of_action_units():
    class Units(Net):
        def loss(self, module, batch, labels):
            known = ~labels.isnan()
            values = nn.functional.binary_cross_entropy_with_logits(
                self.scores(module, batch), labels.nan_to_num(), reduction="none"
            )
            return (values * known).sum() / known.sum()

    def of(clips, seed):
        data = training(clips, seed)
        return replace(data, labels=np.random.default_rng(seed).integers(0, 2, (clips, 3)).astype(float))

    trains = [of(20, 0), of(17, 1)]
    alone, packed = made(2, Units, epochs=2, batch_size=12), made(2, Units, epochs=2, batch_size=12)
    for place, (one, train) in enumerate(zip(alone, trains, strict=True)):
        one.fit(train, RunContext(seed=place))
    fit_together(packed, trains, [RunContext(seed=place) for place in range(2)])
    assert_same(alone, packed)
