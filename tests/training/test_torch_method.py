"""The loop that all nets share."""

import numpy as np
import pytest
import torch
from torch import nn

from merbench.contracts.inputs import ArrayInput, Flow, Inputs
from merbench.contracts.methods import Problem, RunContext, TrainingData
from merbench.training.torch_method import TorchConfig, TorchMethod

PROBLEM = Problem("classification", ("negative", "positive", "surprise"))


def inputs(clips, labels=None, seed=0):
    values = np.random.default_rng(seed).standard_normal((clips, 8)).astype(np.float32)
    if labels is not None:
        values[np.arange(clips), labels] += 4
    return Inputs({"values": ArrayInput(Flow(), values)}, clips)


def training(clips=50, seed=0):
    labels = np.random.default_rng(seed + 1).integers(0, 3, clips)
    people = np.array(["x/1"] * clips, dtype=object)
    return TrainingData(inputs(clips, labels, seed), labels, PROBLEM, people, people)


class Linear(TorchMethod):
    def module(self):
        return nn.Sequential(nn.Linear(8, 3))


class Recording(Linear):
    """Keeps the clips of every step, by their first value, and the mode of the net."""

    def __init__(self, config, problem):
        super().__init__(config, problem)
        self.steps, self.modes, self.labels = [], [], []

    def loss(self, module, batch, labels):
        self.steps.append(batch["values"][:, 7].tolist())
        self.labels.append(labels.tolist())
        self.modes.append(module.training)
        return super().loss(module, batch, labels)


def fitted(method=Linear, clips=50, run=None, data=None, **settings):
    made = method(method.Config(**settings), PROBLEM)
    made.fit(data or training(clips), run or RunContext(seed=1))
    return made


def test_a_planted_signal_is_learnt():
    net = fitted(clips=150, epochs=60, learning_rate=0.05)
    labels = np.random.default_rng(9).integers(0, 3, 200)
    found = net.predict(inputs(200, labels, seed=8)).check(200, PROBLEM)
    assert found.labels is None
    assert (found.decisions() == labels).mean() > 0.9
    untrained = fitted(clips=150, epochs=1, learning_rate=1e-9).predict(inputs(200, labels, seed=8))
    assert (untrained.decisions() == labels).mean() < 0.7


def test_every_clip_is_seen_once_an_epoch_with_its_label_and_the_last_smaller_batch_is_used():
    data = training(50)
    method = fitted(Recording, data=data, epochs=3, batch_size=16)
    assert [len(step) for step in method.steps] == [16, 16, 16, 2] * 3
    values = data.inputs["values"].batch()[:, 7].tolist()
    label_of = dict(zip(values, data.labels.tolist(), strict=True))
    for epoch in range(3):
        seen = [value for step in method.steps[4 * epoch : 4 * epoch + 4] for value in step]
        assert sorted(seen) == sorted(values)
    for step, labels in zip(method.steps, method.labels, strict=True):
        assert labels == [label_of[value] for value in step]


def test_the_order_is_drawn_anew_each_epoch_and_the_same_by_seed():
    first = fitted(Recording, epochs=2, batch_size=50).steps
    assert first[0] != first[1]
    torch.rand(5), np.random.random(5)  # noqa: NPY002 - other draws before it change nothing
    assert fitted(Recording, epochs=2, batch_size=50).steps == first
    assert fitted(Recording, epochs=2, batch_size=50, run=RunContext(seed=2)).steps != first


def test_the_order_does_not_depend_on_the_other_settings():
    one = fitted(Recording, epochs=1, batch_size=50).steps[0]
    other = fitted(Recording, epochs=1, batch_size=7, learning_rate=0.5).steps
    assert [value for step in other for value in step] == one


def test_without_shuffling_the_clips_come_as_they_are():
    data = training(20)
    method = fitted(Recording, data=data, epochs=2, batch_size=8, shuffle=False)
    values = data.inputs["values"].batch()[:, 7].tolist()
    assert method.steps == [values[:8], values[8:16], values[16:]] * 2


def test_the_same_seed_gives_the_same_net_bit_for_bit():
    states = [fitted(epochs=3, run=RunContext(seed=seed)).net.state_dict() for seed in (1, 1, 2)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["0.weight"], states[2]["0.weight"])


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
        rows = torch.from_numpy(order.permutation(50))
        for start in range(0, 50, 16):
            batch = rows[start : start + 16]
            loss = nn.functional.cross_entropy(straight(values[batch]), labels[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    torch.testing.assert_close(dict(net.state_dict()), dict(straight.state_dict()), rtol=1e-5, atol=1e-6)


def test_the_net_is_in_training_mode_at_every_step_even_if_it_was_asked_in_between():
    data, test = training(50), inputs(5, seed=3)

    def asking(epoch, method):
        method.predict(test)
        return False

    method = fitted(Recording, data=data, epochs=3, run=RunContext(seed=1, on_epoch=asking))
    assert method.modes == [True] * 6


def test_the_harness_is_told_of_each_epoch_and_may_stop_the_training():
    told = []

    def stop_at_three(epoch, method):
        told.append((epoch, len(method.steps)))
        return epoch == 3

    run = RunContext(seed=1, on_epoch=stop_at_three)
    method = fitted(Recording, epochs=10, batch_size=25, run=run)
    assert told == [(1, 2), (2, 4), (3, 6)]
    assert len(method.steps) == 6
    assert (run.progress.done, run.progress.total) == (3, 10)


class Normed(TorchMethod):
    def module(self):
        return nn.Sequential(nn.Linear(8, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Linear(6, 3))


def test_predictions_are_made_in_eval_mode_and_the_same_alone_in_company_and_in_any_batch():
    method = fitted(Normed, epochs=2, batch_size=16)
    test = inputs(41, seed=4)
    together = method.predict(test).scores
    assert together.shape == (41, 3)
    assert together.dtype == np.float64
    np.testing.assert_array_equal(method.predict(test).scores, together)
    for row in (0, 15, 16, 40):
        alone = method.predict(test.take(np.array([row]))).scores
        np.testing.assert_allclose(alone[0], together[row], atol=1e-5)
    order = np.random.default_rng(0).permutation(41)
    np.testing.assert_allclose(method.predict(test.take(order)).scores, together[order], atol=1e-5)


def test_predicting_leaves_the_net_as_it_was():
    method = fitted(Normed, epochs=2)
    before = {name: value.clone() for name, value in method.net.state_dict().items()}
    method.predict(inputs(41, seed=4))
    assert all(torch.equal(value, before[name]) for name, value in method.net.state_dict().items())


def test_what_a_step_does_to_a_drawn_batch_in_place_reaches_no_other_epoch():
    class Halving(Recording):
        def loss(self, module, batch, labels):
            values = batch["values"]
            batch = {"values": values.clone()}
            values.mul_(0.5)
            return super().loss(module, batch, labels)

    data = training(20)
    before = data.inputs["values"].batch().copy()
    steps = fitted(Halving, data=data, epochs=2, batch_size=20).steps
    assert sorted(steps[0]) == sorted(steps[1])
    np.testing.assert_array_equal(data.inputs["values"].batch(), before)


def test_several_inputs_reach_the_net_together():
    class Two(TorchMethod):
        def module(self):
            return nn.Bilinear(8, 2, 3)

    labels = np.zeros(6, dtype=np.int64)
    arrays = {
        "one": ArrayInput(Flow(), np.ones((6, 8), dtype=np.float32)),
        "two": ArrayInput(Flow(), np.ones((6, 2), dtype=np.float32)),
    }
    method = Two(TorchConfig(epochs=1), PROBLEM)
    method.fit(TrainingData(Inputs(arrays, 6), labels, PROBLEM, labels, labels), RunContext(seed=0))
    assert method.predict(Inputs(arrays, 6)).scores.shape == (6, 3)


def test_a_method_that_defines_no_net_is_told_so():
    with pytest.raises(NotImplementedError, match=r"TorchMethod must define module\(\)"):
        fitted(TorchMethod)


@pytest.mark.parametrize("settings", [{"epochs": 0}, {"batch_size": 0}, {"learning_rate": 0.0}, {"epoch": 3}])
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        TorchConfig(**settings)
