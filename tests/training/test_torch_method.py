"""The loop that all nets share."""

import itertools

import numpy as np
import pytest
import torch
from support.cases import each
from support.folds import PROBLEM, training_data
from torch import nn

from merbench.contracts.inputs import ArrayInput, Flow, Inputs
from merbench.contracts.methods import RunContext
from merbench.training.torch_method import TorchConfig, TorchMethod


def inputs(clips, labels=None, seed=0):
    values = np.random.default_rng(seed).standard_normal((clips, 8)).astype(np.float32)
    if labels is not None:
        values[np.arange(clips), labels] += 4
    return Inputs({"values": ArrayInput(Flow(), values)}, clips)


def training(clips=50, seed=0):
    labels = np.random.default_rng(seed + 1).integers(0, 3, clips)
    return training_data(inputs(clips, labels, seed), labels)


class Linear(TorchMethod):
    def module(self):
        return nn.Sequential(nn.Linear(8, 3))


class Recording(Linear):
    """Keeps the clips of every step, by their first value, the mode of the net and the type of its scores."""

    def __init__(self, config, problem):
        super().__init__(config, problem)
        self.steps, self.labels, self.scored = [], [], []

    def loss(self, module, batch, labels):
        self.steps.append(batch["values"][:, 7].tolist())
        self.labels.append(labels.tolist())
        return super().loss(module, batch, labels)

    def scores(self, module, batch):
        found = super().scores(module, batch)
        self.scored.append((module.training, found.dtype))
        return found


def clips_of(data):
    return data.inputs["values"].batch()[:, 7].tolist()


def flat(steps):
    return [clip for step in steps for clip in step]


def fitted(method=Linear, clips=50, run=None, data=None, **settings):
    made = method(method.Config(**settings), PROBLEM)
    made.fit(data or training(clips), run or RunContext(seed=1))
    return made


def test_a_planted_signal_is_learnt():
    labels = np.random.default_rng(9).integers(0, 3, 200)
    test = inputs(200, labels, seed=8)
    found = fitted(clips=150, epochs=60, learning_rate=0.05).predict(test).check(200, PROBLEM)
    assert found.labels is None
    assert (found.decisions() == labels).mean() > 0.9
    untrained = fitted(clips=150, epochs=1, learning_rate=1e-9).predict(test)
    assert (untrained.decisions() == labels).mean() < 0.7


def test_the_seed_decides_the_order_of_each_epoch_and_the_net():
    one = fitted(Recording, epochs=2, batch_size=50)
    assert one.steps[0] != one.steps[1]
    torch.rand(5), np.random.random(5)  # noqa: NPY002 - other draws before it change nothing
    same, other = fitted(Recording, epochs=2, batch_size=50), fitted(Recording, epochs=2, run=RunContext(seed=2))
    assert same.steps == one.steps
    assert other.steps != one.steps
    states = [each.net.state_dict() for each in (one, same, other)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["0.weight"], states[2]["0.weight"])


def test_every_clip_is_seen_once_an_epoch_with_its_label():
    """A last clip alone joins the batch before; passes are added where the steps are too few."""
    sizes = {50: [8] * 6 + [2], 17: [8, 9], 16: [8, 8], 18: [8, 8, 2], 8: [8], 9: [9], 5: [5], 1: [1]}
    cases = [(clips, 0, 2) for clips in sizes] + [(50, 14, 2), (50, 15, 3), (50, 100, 15)]
    for (clips, least, passes), shuffle in each(itertools.product(cases, (True, False))):
        data, run = training(clips), RunContext(seed=1)
        method = fitted(Recording, data=data, run=run, epochs=2, least_steps=least, batch_size=8, shuffle=shuffle)
        assert [len(step) for step in method.steps] == sizes[clips] * passes
        assert (run.progress.done, run.progress.total) == (passes, passes)
        epochs = np.reshape(flat(method.steps), (passes, clips))
        for seen in epochs.tolist():
            assert sorted(seen) == sorted(clips_of(data)) if shuffle else seen == clips_of(data)
        label_of = dict(zip(clips_of(data), data.labels.tolist(), strict=True))
        assert flat(method.labels) == [label_of[clip] for clip in flat(method.steps)]


def test_it_trains_as_a_loop_written_out_does():
    data = training(50)
    net = fitted(data=data, epochs=4, batch_size=16, learning_rate=0.01).net
    run = RunContext(seed=1)
    torch.manual_seed(run.stream_seed("torch"))
    straight = nn.Sequential(nn.Linear(8, 3))
    optimiser = torch.optim.Adam(straight.parameters(), lr=0.01)
    values, labels = torch.from_numpy(data.inputs["values"].batch()), torch.from_numpy(data.labels)
    order = run.rng("shuffle")
    for _ in range(4):
        for batch in torch.split(torch.from_numpy(order.permutation(50)), 16):
            loss = nn.functional.cross_entropy(straight(values[batch]), labels[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    torch.testing.assert_close(dict(net.state_dict()), dict(straight.state_dict()), rtol=1e-5, atol=1e-6)


def test_epoch_end_is_called_each_epoch_and_may_stop():
    reported, test = [], inputs(5, seed=3)

    def stop_at_three(epoch, method):
        reported.append((epoch, len(method.steps)))
        method.predict(test)
        return epoch == 3

    run = RunContext(seed=1, on_epoch=stop_at_three)
    method = fitted(Recording, epochs=10, batch_size=25, run=run)
    assert reported == [(1, 2), (2, 4), (3, 6)]
    assert len(method.steps) == 6
    # In training mode at every step, although it predicted between.
    assert [training for training, _ in method.scored] == [True, True, False] * 3
    assert (run.progress.done, run.progress.total) == (3, 10)


class Normed(TorchMethod):
    def module(self):
        return nn.Sequential(nn.Linear(8, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Linear(6, 3))


def test_predictions_are_made_in_eval_mode_and_batch_independent():
    method = fitted(Normed, epochs=2, batch_size=16)
    test = inputs(41, seed=4)
    together = method.predict(test).scores
    assert (together.shape, together.dtype) == ((41, 3), np.float64)
    np.testing.assert_array_equal(method.predict(test).scores, together)
    for rows in ([0], [15], [16], [40], np.random.default_rng(0).permutation(41)):
        np.testing.assert_allclose(method.predict(test.take(np.array(rows))).scores, together[rows], atol=1e-5)
    method.net.train()
    seen = list(
        method.evaluated(test, lambda net, batch: (net.training, torch.is_grad_enabled(), batch["values"].clone()))
    )
    assert [flags for *flags, _ in seen] == [[False, False]] * 3
    assert [len(values) for *_, values in seen] == [16, 16, 9]
    np.testing.assert_array_equal(torch.cat([values for *_, values in seen]), test["values"].batch())


def test_a_net_is_made_after_begin_and_a_method_without_one_is_named():
    called = []

    class Beginning(Linear):
        def begin(self, train):
            called.append(("begin", len(train)))

        def module(self):
            called.append("module")
            return super().module()

    fitted(Beginning, epochs=1)
    assert called == [("begin", 50), "module"]
    with pytest.raises(NotImplementedError, match=r"TorchMethod must define module\(\)"):
        fitted(TorchMethod)


class Watching(Linear):
    """Notes learning rates and gradients at every step; biases learn ten times slower."""

    def optimiser(self, module):
        self.rates, self.gradients = [], []
        made = torch.optim.SGD(
            [{"params": [module[0].weight]}, {"params": [module[0].bias], "lr": 0.1 * self.config.learning_rate}],
            lr=self.config.learning_rate,
        )
        made.register_step_pre_hook(self.look)
        return made

    def look(self, optimiser, args, kwargs):
        self.rates.append([group["lr"] for group in optimiser.param_groups])
        self.gradients.append(torch.cat([p.grad.flatten() for g in optimiser.param_groups for p in g["params"]]))


def test_the_learning_rate_follows_warmup_and_cosine():
    settings = {"epochs": 10, "batch_size": 10, "learning_rate": 0.5, "warmup_epochs": 2.5, "schedule": "cosine"}
    rates = np.array(fitted(Watching, **settings).rates)
    trained = np.arange(50) / 5  # epochs before each step, of 5 steps each
    falling = 0.5 * (1 + np.cos(np.pi * (trained - 2.5) / 7.5)) / 2
    np.testing.assert_allclose(rates[:, 0], np.where(trained < 2.5, 0.5 * trained / 2.5, falling), atol=0.001)
    np.testing.assert_allclose(rates[:, 1], 0.1 * rates[:, 0])  # groups keep their proportion
    assert (rates > 0).all()
    assert rates[-1, 0] < 0.01
    rates = np.array(fitted(Watching, epochs=1, least_steps=20, batch_size=10, schedule="cosine").rates)[:, 0]
    np.testing.assert_allclose(rates, 1e-3 * (1 + np.cos(np.pi * np.arange(20) / 20)) / 2)  # over all passes made
    rates = [rate for rate, _ in fitted(Watching, epochs=4, batch_size=25, learning_rate=0.5, warmup_epochs=2.0).rates]
    assert rates == pytest.approx([0, 0.125, 0.25, 0.375, 0.5, 0.5, 0.5, 0.5], abs=0.001)
    assert fitted(Watching, epochs=2, batch_size=25, learning_rate=0.5).rates == [[0.5, 0.05]] * 4


def test_long_gradients_are_shortened_and_keep_their_direction():
    plain, clipped, free = (
        fitted(Watching, epochs=1, batch_size=50, gradient_norm=norm).gradients[0] for norm in (None, 0.01, 1e6)
    )
    assert plain.norm() > 0.1
    assert clipped.norm().item() == pytest.approx(0.01, rel=1e-3)
    torch.testing.assert_close(clipped / clipped.norm(), plain / plain.norm())
    assert torch.equal(free, plain)


class Versions(Linear):
    """Keeps the version of every clip that is scored."""

    def scores(self, module, batch):
        self.seen = getattr(self, "seen", [])
        self.seen.append({int(clip): int(version) for clip, version in batch["values"][:, :2].tolist()})
        return super().scores(module, batch)


def test_jitter_is_drawn_for_each_epoch_and_never_at_test():
    values = np.zeros((20, 5, 8), dtype=np.float32)  # the first value is the clip, the second the version
    values[..., 0], values[..., 1] = np.arange(20)[:, None], np.arange(5)
    shifted = Inputs({"values": ArrayInput(Flow(onset_jitter=2), values)}, 20)
    data = training_data(shifted, np.arange(20) % 3)
    method = fitted(Versions, data=data, epochs=12, batch_size=20)
    drawn = [[seen[clip] for clip in range(20)] for seen in method.seen]
    assert len({tuple(each) for each in drawn}) == 12
    assert {version for each in drawn for version in each} == set(range(5))
    assert list(method.seen[0]) == RunContext(seed=1).rng("shuffle").permutation(20).tolist()
    method.predict(shifted)
    assert method.seen[12:] == [dict.fromkeys(range(20), 0)]
    again = fitted(Versions, data=data, epochs=12, batch_size=7, learning_rate=0.5)
    assert {**again.seen[0], **again.seen[1], **again.seen[2]} == dict(enumerate(drawn[0]))  # a stream of its own


class Noisy(Recording):
    """Adds noise of its own stream to every batch."""

    def augment(self, batch, generator):
        noise = torch.rand(batch["values"].shape, generator=generator, device=generator.device)
        return {"values": batch["values"] + noise}


class Wasteful(Noisy):
    def loss(self, module, batch, labels):
        torch.rand(len(self.steps) + 3)  # of torch's stream
        return super().loss(module, batch, labels)


def test_augmentation_draws_from_a_stream_of_its_own():
    first = fitted(Noisy, epochs=3, batch_size=16)
    assert fitted(Wasteful, epochs=3, batch_size=16, learning_rate=0.5).steps == first.steps
    assert fitted(Noisy, epochs=3, batch_size=16, run=RunContext(seed=2)).steps != first.steps
    added = np.array(flat(first.steps)) - flat(fitted(Recording, epochs=3, batch_size=16).steps)
    assert len(set(added.round(6))) == 150  # drawn anew for each clip and step
    assert -1e-6 <= added.min() < added.max() <= 1 + 1e-6


def test_mixed_precision_is_for_training_only():
    for precision, kind in each([("float32", torch.float32), ("bfloat16", torch.bfloat16)]):
        method = fitted(Recording, epochs=2, precision=precision)
        found = method.predict(inputs(5, seed=3))
        assert method.scored == [(True, kind)] * 4 + [(False, torch.float32)]
        assert all(p.dtype == torch.float32 for p in method.net.parameters())
        assert found.scores.dtype == np.float64


def test_the_net_is_compiled_and_its_filters_channels_last_only_if_asked_for(monkeypatch):
    class Filters(TorchMethod):
        def module(self):
            return nn.Sequential(nn.Unflatten(1, (2, 2, 2)), nn.Conv2d(2, 3, 2), nn.Flatten())

    made = []
    monkeypatch.setattr(torch, "compile", lambda net: made.append(net) or net)
    plain = fitted(Filters, epochs=1).net
    assert made == []
    compiled = fitted(Filters, epochs=2, compiled=True, channels_last=True).net
    assert made == [compiled]
    for net, channels_last in ((plain, False), (compiled, True)):
        assert net[1].weight.is_contiguous(memory_format=torch.channels_last) is channels_last


def test_invalid_settings_are_refused():
    for settings in (
        {"epochs": 0}, {"batch_size": 0}, {"learning_rate": 0.0}, {"epoch": 3}, {"least_steps": -1},
        {"warmup_epochs": -1.0}, {"warmup_epochs": 3.5, "epochs": 3}, {"schedule": "linear"}, {"gradient_norm": 0.0},
        {"precision": "float16"}, {"channels_last": "no idea"}, {"compiled": 3},
    ):  # fmt: skip
        with pytest.raises(ValueError, match=next(iter(settings))):
            TorchConfig(**settings)
