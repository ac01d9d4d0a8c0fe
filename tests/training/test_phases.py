"""Training in phases: heads, frozen and slow parts, streams of their own, and what pretraining hands to every fold."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.cases import each
from support.folds import PROBLEM, flow, training_data
from torch import nn

from merbench.contracts.methods import AuxiliaryData, Progress, RunContext
from merbench.training.layers import FastDropout
from merbench.training.packed import fit_packed, start_packed
from merbench.training.phases import Phase
from merbench.training.torch_method import TorchConfig, TorchMethod


class Config(TorchConfig):
    epochs: int = 3
    batch_size: int = 8
    pretrained: bool = True
    encoder: float = 0.0  # its share of the learning rate in the last phase


SETTINGS = TorchConfig(epochs=2, batch_size=10, learning_rate=0.01, schedule="cosine")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(12, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), FastDropout())
        self.classifier = nn.Linear(8, 3)

    def forward(self, values):
        return self.classifier(self.encoder(values))


class Phased(TorchMethod):
    """Reconstructs the clips from an encoder's features, which a decoder is for, then classifies by these features."""

    Config = Config
    packs = True

    def module(self):
        return Net().double()

    def tensors(self, inputs, rng=None):
        return {"values": torch.from_numpy(inputs["flow"].batch(rng=rng)[:, :2, :2].reshape(-1, 12)).double() / 255}

    def augment(self, batch, generator):
        values = batch["values"]
        return {"values": values + 0.01 * torch.randn(values.shape, generator=generator, dtype=values.dtype)}

    def reconstruction(self, module, batch, labels):
        return nn.functional.mse_loss(module.decoder(module.encoder(batch["values"])), batch["values"])

    def before(self, data):
        heads = {"decoder": lambda: nn.Linear(8, 12).double()}
        return Phase("before", data.inputs, data.labels, SETTINGS, self.reconstruction, heads=heads)

    def phases(self, train, run):
        last = Phase("training", train.inputs, train.labels, rates={"encoder": self.config.encoder})
        return [self.before(train), last] if self.config.pretrained else [replace(last, rates={})]


class External(Phased):
    def phases(self, train, run):
        return [Phase("training", train.inputs, train.labels)]

    def pretraining(self, run):
        return [self.before(run.auxiliary("more"))] if self.config.pretrained else []


def training(clips=20, seed=0):
    return training_data(flow(clips, seed=seed), np.random.default_rng(seed + 1).integers(0, 3, clips))


def fitted(method=Phased, data=None, run=None, **settings):
    made = method(Config(**settings), PROBLEM)
    made.fit(data or training(), run or RunContext(seed=1))
    return made


def state(net):
    return {name: values.clone() for name, values in net.state_dict().items()}


def straight(data, run):
    """Write the two phases out as loops; returns the state after each."""
    torch.manual_seed(run.stream_seed("torch"))
    net = Phased(Config(), PROBLEM).module()
    kept = torch.get_rng_state()
    torch.manual_seed(run.stream_seed("before:torch"))
    decoder = nn.Linear(8, 12).double()
    values = torch.from_numpy(data.inputs["flow"].batch()[:, :2, :2].reshape(-1, 12)).double() / 255
    optimiser = torch.optim.Adam([*net.parameters(), *decoder.parameters()], lr=0.01)
    order, noise = run.rng("before:shuffle"), torch.Generator().manual_seed(run.stream_seed("before:augment"))
    for epoch in range(2):
        for step, rows in enumerate(torch.split(torch.from_numpy(order.permutation(20)), 10)):
            optimiser.param_groups[0]["lr"] = 0.01 * (1 + np.cos(np.pi * (epoch + step / 2) / 2)) / 2
            batch = values[rows] + 0.01 * torch.randn(len(rows), 12, generator=noise, dtype=torch.float64)
            optimiser.zero_grad()
            nn.functional.mse_loss(decoder(net.encoder(batch)), batch).backward()
            optimiser.step()
    pretrained = state(net)
    torch.set_rng_state(kept)
    net.encoder.eval()
    optimiser = torch.optim.Adam(net.classifier.parameters(), lr=1e-3)
    order, noise = run.rng("shuffle"), torch.Generator().manual_seed(run.stream_seed("augment"))
    labels = torch.from_numpy(data.labels)
    for _ in range(3):
        for rows in torch.split(torch.from_numpy(order.permutation(20)), 8):
            batch = values[rows] + 0.01 * torch.randn(len(rows), 12, generator=noise, dtype=torch.float64)
            optimiser.zero_grad()
            nn.functional.cross_entropy(net(batch), labels[rows]).backward()
            optimiser.step()
    return pretrained, state(net)


def test_phases_train_as_loops_written_out_do():
    data = training()
    pretrained, trained = straight(data, RunContext(seed=1))
    found = state(fitted(data=data).net)
    torch.testing.assert_close(found, trained)
    for name in (name for name in pretrained if name.startswith("encoder.")):  # frozen: bit for bit, statistics as well
        torch.testing.assert_close(found[name], pretrained[name], rtol=1e-12, atol=1e-12)
    assert found["encoder.1.num_batches_tracked"] == 4


class Drawing(Phased):
    """Keeps the order of its steps in the last phase, and a draw of torch's generator at each."""

    def before(self, data):
        return replace(super().before(data), labels=-1 - np.arange(len(data.labels)))

    def loss(self, module, batch, labels):
        self.drawn = [
            *getattr(self, "drawn", []),
            (labels.tolist(), batch["values"].sum().item(), torch.rand(1).item()),
        ]
        return super().loss(module, batch, labels)


def test_an_earlier_phase_moves_no_random_number_of_the_last():
    assert fitted(Drawing, encoder=1.0).drawn == fitted(Drawing, pretrained=False).drawn


def test_parts_are_frozen_slow_or_at_the_full_rate():
    seen = []

    class Watching(Phased):
        def optimiser(self, module):
            made = super().optimiser(module)
            made.register_step_pre_hook(lambda made, *_: seen.append(made))
            return made

        def phases(self, train, run):
            rates = {"encoder": 0.5, "encoder.0": 0.0, "decoder": 2.0}
            first = replace(self.before(train), rates=rates, settings=TorchConfig(epochs=1, learning_rate=0.01))
            return [first, *super().phases(train, run)[1:]]

    net = fitted(Watching, encoder=0.25).net
    torch.manual_seed(RunContext(seed=1).stream_seed("torch"))
    untrained = Phased(Config(), PROBLEM).module()
    groups = [{tuple(map(tuple, (p.shape for p in g["params"]))): g["lr"] for g in made.param_groups} for made in seen]
    assert groups[0] == {((8,), (8,)): 0.005, ((3, 8), (3,)): 0.01, ((12, 8), (12,)): 0.02}
    assert groups[-1] == {((8, 12), (8,), (8,)): 0.25e-3, ((3, 8), (3,)): 1e-3}
    assert not torch.equal(net.encoder[0].weight, untrained.encoder[0].weight)  # it learns again in the last phase


def test_heads_live_in_their_phases_and_modes_follow_the_rates():
    seen = []

    class Noting(Phased):
        def note(self, module, batch, labels):
            made = dict(module.named_children())
            seen.append(
                [
                    self.epoch,
                    sorted(made.keys() - {"encoder", "classifier"}),
                    module.encoder.training,
                    module.classifier.training,
                ]
            )
            return module(batch["values"]).square().mean()

        def phases(self, train, run):
            make = {name: lambda: nn.Linear(8, 8).double() for name in "ab"}
            one = TorchConfig(epochs=1, batch_size=20)
            heads = ({"a": make["a"]}, make, {"b": make["b"]})
            rates = ({}, {"encoder": 0}, {"classifier": 0})
            return [
                Phase(f"phase {n}", train.inputs, train.labels, one, self.note, rates=rates[n], heads=heads[n])
                for n in range(3)
            ]

    run = RunContext(seed=1)
    made = fitted(Noting, run=run)
    assert seen == [[1, ["a"], True, True], [1, ["a", "b"], False, True], [1, ["b"], True, False]]
    assert not hasattr(made.net, "a")
    assert hasattr(made.net, "b")
    assert (run.progress.done, run.progress.total) == (3, 3)


def test_only_the_last_phase_reports_epochs_and_progress_counts_all():
    reported, progress = [], Progress()
    run = RunContext(seed=1, progress=progress, on_epoch=lambda n, _: reported.append((n, progress.done)) or n == 2)
    fitted(run=run)
    assert reported == [(1, 3), (2, 4)]
    assert progress.total == 5


def test_packed_folds_become_the_same_nets_as_alone():
    for method, encoder in each([(Phased, 0.0), (Phased, 0.1)]):
        trains, runs = [training(20, 0), training(18, 1)], [RunContext(seed=seed) for seed in (1, 2)]
        alone = [fitted(method, data, run, encoder=encoder) for data, run in zip(trains, runs, strict=True)]
        packed = [method(Config(encoder=encoder), PROBLEM) for _ in trains]
        fit_packed([start_packed(*fold) for fold in zip(packed, trains, runs, strict=True)])
        for one, other in zip(alone, packed, strict=True):
            torch.testing.assert_close(state(other.net), state(one.net), rtol=1e-10, atol=1e-10)
        assert [(run.progress.done, run.progress.total) for run in runs] == [(5, 5), (5, 5)]


def auxiliary(clips=20):
    data = training(clips, seed=5)
    return AuxiliaryData(data.inputs, data.labels, *[np.full(clips, "x", dtype=object)] * 3)


def test_pretraining_returns_what_was_learned_and_every_fold_begins_with_it():
    contexts = [RunContext(seed=seed, auxiliary=lambda name: auxiliary()) for seed in (7, 1)]
    found = External(Config(), PROBLEM).pretrain(contexts[0])
    assert sorted(found) == sorted(
        name for name in state(Phased(Config(), PROBLEM).module()) if name.startswith("encoder.")
    )
    torch.manual_seed(contexts[0].stream_seed("torch"))
    expected, _ = straight(auxiliary(), contexts[0])
    for name, values in found.items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-12)
    begun = External(Config(), PROBLEM)
    begun.start(training(), replace(contexts[1], pretrained=found))
    plain = External(Config(pretrained=False), PROBLEM)
    plain.start(training(), contexts[1])
    assert torch.equal(begun.net.classifier.weight, plain.net.classifier.weight)  # the fold's own draw
    for name, values in found.items():
        assert torch.equal(begun.net.state_dict()[name], torch.from_numpy(values))
    assert External(Config(pretrained=False), PROBLEM).pretrain(contexts[0]) == {}
    wrong = replace(contexts[1], pretrained={"encoder.0.weight": np.zeros((8, 5))})
    with pytest.raises(ValueError, match=r"'encoder.0.weight' has shape \(8, 5\).* has shape \(8, 12\)"):
        fitted(External, run=wrong)


def test_mistakes_in_phases_are_named():
    def phased(*changes):
        class Mistaken(Phased):
            def tell(self, module, batch, labels):
                self.run.epoch_end(1, self)

            def phases(self, train, run):
                self.run, one = run, Phase("one", train.inputs, train.labels)
                return [replace(one, **({"loss": self.tell} if change == "tells" else change)) for change in changes]

        return Mistaken

    class Flat(phased({"heads": {"more": lambda: nn.Linear(1, 1)}})):
        def module(self):
            return nn.Sequential(nn.Linear(12, 3))

    for method, message in each((
        (phased(), "Mistaken.phases returned no phase"),
        (phased({}, {}), "two phases are named 'one'"),
        (phased({"labels": np.zeros(3)}), "20 clips and 3 labels"),
        (phased({"labels": np.full(20, "fear", object)}), "'one' has labels of type object, expected numbers"),
        (phased({"rates": {"encode": 0.0}}), "rate for 'encode'.* it has encoder, classifier"),
        (phased({"rates": {"encoder": -1.0}}), "rate of 'encoder' is -1.0"),
        (phased({"rates": {"encoder": 0, "classifier": 0}}), "nothing is left to learn"),
        (phased({"heads": {"encoder": lambda: nn.Linear(1, 1)}}), "a submodule 'encoder' already"),
        (Flat, "heads of an nn.Sequential"),
        (phased("tells"), r"phase of Mistaken called epoch_end\(1\)"),
        (phased("tells", {"name": "two"}), r"phase of Mistaken called epoch_end\(1\)"),
    )):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            fitted(method)


def test_clips_of_two_sources_are_joined():
    one, two = flow(3, seed=1), flow(2, seed=2)
    both = one.joined(two)
    assert both.clips == 5
    np.testing.assert_array_equal(both["flow"].batch(), np.concatenate([one["flow"].batch(), two["flow"].batch()]))
    other = type(one)({"faces": two["flow"]}, 2)
    with pytest.raises(ValueError, match=re.escape("can't be joined")):
        one.joined(other)


def test_the_pretraining_of_the_guide_runs():
    guide = (Path(__file__).parents[2] / "docs" / "adding-a-method.md").read_text(encoding="utf-8")
    code, phases, *_ = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    own = {"__name__": "guide"}
    exec(f"{code}\n{phases}", own)
    method, config = own["MyPretrained"], own["Pretrained"](epochs=1, pretrain_epochs=2)
    assert method.auxiliary(config) == {"samm-lv": None}
    data = replace(auxiliary(), emotions=np.array(["anger", "fear"] * 10, dtype=object))
    run = RunContext(seed=1, auxiliary=lambda name: data)
    found = method(config, PROBLEM).pretrain(run)
    assert sorted(found) == ["encoder.0.bias", "encoder.0.weight"]
    made = method(config, PROBLEM)
    made.fit(training(), replace(run, pretrained=found))
    assert made.predict(flow(4)).scores.shape == (4, 3)
    assert method(own["Pretrained"](pretrain_epochs=0), PROBLEM).pretrain(run) == {}
