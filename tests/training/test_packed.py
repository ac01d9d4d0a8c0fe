"""Many folds trained in one program become the nets that they become alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.cases import each
from support.folds import PROBLEM, flow, training_data
from support.nets import PackedNet, of_layers
from torch import nn

from merbench.contracts.methods import Progress, RunContext
from merbench.training.layers import FastDropout
from merbench.training.packed import can_pack, fit_packed, grouped_by_steps, start_packed
from merbench.training.torch_method import TorchConfig


def training(clips, seed):
    return training_data(flow(clips, seed=seed), np.random.default_rng(seed + 1).integers(0, 3, clips))


class Net(PackedNet):
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


def seeded_runs(count):
    return [RunContext(seed=place) for place in range(count)]


def made(count, method=Net, **settings):
    return [method(TorchConfig(**settings), PROBLEM) for _ in range(count)]


def fit_together(methods, trains, runs):
    fit_packed([start_packed(*fold) for fold in zip(methods, trains, runs, strict=True)])


def both(clips, method=Net, contexts=None, trains=None, **settings):
    """Return methods fitted one by one and packed, on folds with so many clips."""
    trains = trains or [training(count, seed) for seed, count in enumerate(clips)]
    contexts = contexts or (lambda: seeded_runs(len(clips)))
    alone, packed = (made(len(clips), method, **{"batch_size": 12} | settings) for _ in range(2))
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


def test_packed_folds_become_the_same_nets_as_alone():
    for settings in each(
        [
            {"learning_rate": 0.01},
            {"learning_rate": 0.01, "shuffle": False},
            {"learning_rate": 0.02, "schedule": "cosine", "warmup_epochs": 1.5},
            {"learning_rate": 0.02, "gradient_norm": 0.3},
        ]
    ):
        alone, packed = both([20, 17, 20, 22], epochs=3, **settings)
        assert_same(alone, packed)
        weights = [method.net[0].weight for method in packed]
        assert not torch.allclose(weights[0], weights[2], atol=1e-3)  # folds of one size are still folds of their own
    alone, packed = both([20, 17], ManyGroups, epochs=3, learning_rate=0.01)
    assert_same(alone, packed)  # groups of parameters keep their settings
    _, larger = both([20, 17, 23, 24], ManyGroups, epochs=3, learning_rate=0.01)
    assert_same(alone, larger[:2])  # in any pack
    test = flow(7, seed=99)
    for one, other in zip(alone, packed, strict=True):
        np.testing.assert_allclose(other.predict(test).scores, one.predict(test).scores, rtol=1e-10)
    mine, other = (method.net[0].weight for method in packed)  # nets own their weights in the end
    before = other.clone()
    with torch.no_grad():
        mine.zero_()
    assert torch.equal(other, before)
    assert mine.untyped_storage().size() == 8 * mine.numel()


def test_epoch_end_is_called_for_each_fold_and_may_stop_one():
    reported, done = [], []

    def contexts():
        reported.append([])
        done.append([Progress() for _ in range(3)])

        def watching(place):
            def on_epoch(epoch, method):
                scores = method.predict(flow(5, seed=50)).scores.sum().round(8)
                reported[-1].append((place, epoch, method.epoch, scores))
                return place == 1 and epoch == 2

            return on_epoch

        return [RunContext(seed=place, on_epoch=watching(place), progress=done[-1][place]) for place in range(3)]

    alone, packed = both([20, 17, 20], contexts=contexts, epochs=4, learning_rate=0.01)
    assert sorted(reported[0]) == sorted(reported[1])
    assert len(reported[1]) == 4 + 2 + 4
    assert [(each.done, each.total) for each in done[1]] == [(4, 4), (2, 4), (4, 4)]
    assert_same(alone, packed)

    ended = []

    def stopping():  # training ends when every fold has stopped
        return [replace(run, on_epoch=lambda epoch, _: ended.append(epoch) or True) for run in seeded_runs(2)]

    assert_same(*both([20, 17], contexts=stopping, epochs=5))
    assert ended == [1, 1, 1, 1]


def test_frozen_weights_stay_as_they_are():
    alone, packed = both([20, 17], method=PartlyFrozen, epochs=2)
    assert_same(alone, packed)
    torch.manual_seed(RunContext(seed=0).stream_seed("torch"))
    first = made(1, PartlyFrozen)[0].module()
    assert torch.equal(packed[0].net[0].weight, first[0].weight)
    assert packed[0].net[2].num_batches_tracked == 0
    assert not torch.equal(packed[0].net[2].weight, first[2].weight)


def test_folds_with_as_many_steps_go_together():
    # 31: a last clip alone joins the batch before
    assert grouped_by_steps(*made(1, batch_size=10), [30, 31, 32, 39, 40]) == [[0, 1], [2, 3, 4]]
    assert grouped_by_steps(*made(1, batch_size=10, epochs=1, least_steps=6), [20, 19, 30]) == [[0, 1], [2]]


def test_methods_and_layers_that_can_not_be_packed_are_refused():
    alone, own = type("Alone", (Net,), {"packs": False}), type("Own", (Net,), {"fit": None})
    assert [can_pack(method) for method in (Net, own)] == [True, False]
    assert grouped_by_steps(*made(1, alone), [20, 20]) == [[0], [1]]
    shared = FastDropout()
    linear = lambda: nn.Linear(28 * 28 * 3, 3)  # noqa: E731
    for method, error, message in each(
        [
            (alone, ValueError, "can't be trained together"),
            (of_layers(nn.Flatten, nn.Dropout, linear), RuntimeError, "random"),
            (of_layers(nn.Flatten, lambda: shared, linear, lambda: shared), RuntimeError, "called twice"),
            (of_layers(lambda: nn.BatchNorm2d(3, momentum=None), nn.Flatten, linear), ValueError, "momentum"),
        ]
    ):
        with pytest.raises(error, match=message):
            fit_together(made(2, method, epochs=1), [training(20, 0)] * 2, seeded_runs(2))


def test_batch_norms_of_all_kinds_are_padded():
    norms = [lambda: nn.BatchNorm2d(3, affine=False), nn.Flatten, lambda: nn.Linear(28 * 28 * 3, 8)]
    odd = of_layers(*norms, lambda: nn.BatchNorm1d(8), lambda: nn.Linear(8, 3))
    assert_same(*both([20, 17, 18], odd, epochs=3, learning_rate=0.01), tolerance=1e-9)


def test_padding_is_excluded_from_the_loss_of_action_units():
    class Units(Net):
        def loss(self, module, batch, labels):
            known = ~labels.isnan()
            values = nn.functional.binary_cross_entropy_with_logits(
                self.scores(module, batch), labels.nan_to_num(), reduction="none"
            )
            return (values * known).sum() / known.sum()

    trains = [
        replace(training(clips, seed), labels=np.random.default_rng(seed).integers(0, 2, (clips, 3)).astype(float))
        for seed, clips in enumerate([20, 17])
    ]
    assert_same(*both([20, 17], Units, trains=trains, epochs=2))
