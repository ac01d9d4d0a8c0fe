"""STSTNet: the net of its authors, in other words; and their trained weights through merbench's whole way."""

import re
import sys
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from merbench.contracts.inputs import ArrayInput, Flow, Inputs
from merbench.contracts.methods import Problem, RunContext, TrainingData
from merbench.engine.execute.grid import execute
from merbench.engine.execute.jobs import Serial
from merbench.engine.fold.folds import run_fold
from merbench.engine.plan.catalogue import METHODS, PROTOCOLS
from merbench.engine.plan.data import choose_data
from merbench.engine.plan.runs import PreparedProtocol, Request, plan_runs
from merbench.records.read import read_run
from merbench.records.select import read_leaderboard
from merbench.scoring.table import part_scores
from merbench.training.packed import PackedFold, fit_packed
from merbench.training.torch_method import TorchConfig

STSTNET = METHODS.get("ststnet")
MODULE = sys.modules[STSTNET.cls.__module__]
PROBLEM = Problem("classification", ("negative", "positive", "surprise"))


class Stream(nn.Module):
    def __init__(self, filters):
        super().__init__()
        self.conv = nn.Conv2d(3, filters, 3, padding=2)
        self.bn = nn.BatchNorm2d(filters)

    def forward(self, x):
        return nn.functional.max_pool2d(self.bn(nn.functional.relu(self.conv(x))), 3, stride=3, padding=1)


class ThreeStreams(nn.Module):
    """The paper's net: three streams side by side (dropout 0.5 after each pool is left out)."""

    def __init__(self, classes=3):
        super().__init__()
        self.streams = nn.ModuleList(Stream(filters) for filters in (3, 5, 8))
        self.fc = nn.Linear(16 * 5 * 5, classes)

    def forward(self, x):
        joined = torch.cat([stream(x) for stream in self.streams], dim=1)
        return self.fc(nn.functional.avg_pool2d(joined, 2).flatten(1))

    def under_authors_names(self):
        state = {"fc.weight": self.fc.weight, "fc.bias": self.fc.bias}
        for number, stream in enumerate(self.streams, 1):
            for part in ("conv", "bn"):
                state |= {f"{part}{number}.{name}": value for name, value in getattr(stream, part).state_dict().items()}
        return {name: value.detach().clone() for name, value in state.items()}


def merged(reference):
    method = STSTNET.cls(STSTNET.resolve(), PROBLEM)
    net = method.module()
    net.load_state_dict(MODULE.from_authors_weights(reference.under_authors_names()))
    net.dropout = nn.Identity()
    return net


def images(clips=13):
    torch.manual_seed(0)
    return torch.randint(0, 256, (clips, 3, 28, 28)).float()


@pytest.fixture
def reference():
    torch.manual_seed(1)
    net = ThreeStreams()
    for stream in net.streams:  # nothing at its initial value, so that nothing can be mixed up unseen
        nn.init.uniform_(stream.bn.weight, 0.5, 2.0)
        nn.init.normal_(stream.bn.bias)
        stream.bn.running_mean.uniform_(-50, 50)
        stream.bn.running_var.uniform_(500, 5000)
    return net


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_the_merged_net_is_the_three_streams_in_forward_gradients_and_statistics(reference, mode):
    ours = merged(reference)
    for net in (ours, reference):
        net.train(mode == "train")
    flow = images()  # u, v, strain; the authors read them in the order strain, v, u
    labels = torch.arange(13) % 3
    found, expected = ours(flow.to(memory_format=torch.channels_last)), reference(flow.flip(1))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert found.std() > 0.1
    for scores in (found, expected):
        nn.functional.cross_entropy(scores, labels).backward()
    gradients = [torch.cat([getattr(s.conv, name).grad for s in reference.streams]) for name in ("weight", "bias")]
    torch.testing.assert_close(ours.conv.weight.grad, gradients[0].flip(1), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(ours.conv.bias.grad, gradients[1], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(ours.fc.weight.grad, reference.fc.weight.grad, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(
        ours.norm.weight.grad, torch.cat([s.bn.weight.grad for s in reference.streams]), rtol=1e-3, atol=1e-4
    )
    for name in ("running_mean", "running_var"):
        statistics = torch.cat([getattr(stream.bn, name) for stream in reference.streams])
        torch.testing.assert_close(getattr(ours.norm, name), statistics, rtol=1e-4, atol=1e-3)


def test_the_net_has_the_papers_size_and_initial_weights_as_three_convolutions_have():
    torch.manual_seed(2)
    method = STSTNET.cls(STSTNET.resolve(), PROBLEM)
    net = method.module()
    assert sum(p.numel() for p in net.parameters() if p.requires_grad) == 1683
    assert [tuple(p.shape) for p in net.parameters()] == [(16, 3, 3, 3), (16,), (16,), (16,), (3, 400), (3,)]
    bound = 1 / np.sqrt(27)  # of each stream alike: it depends on what comes in, not on the number of filters
    weights = torch.cat([method.module().conv.weight.flatten() for _ in range(20)])
    assert weights.abs().max() <= bound
    assert weights.std().item() == pytest.approx(bound / np.sqrt(3), rel=0.05)


def test_dropout_lies_between_pool_and_join_and_only_in_training():
    torch.manual_seed(3)
    net = STSTNET.cls(STSTNET.resolve(), PROBLEM).module()
    flow = images(4)
    assert not torch.equal(net.train()(flow), net(flow))
    assert torch.equal(net.eval()(flow), net(flow))
    seen = []
    net.train().dropout.register_forward_hook(lambda module, given, found: seen.append((given[0], found)))
    net(flow)
    ((before, after),) = seen
    assert before.shape == (4, 16, 10, 10)
    kept = after != 0
    assert torch.equal(after[kept], 2 * before[kept])
    assert 0.4 < kept[before != 0].float().mean() < 0.6


def test_the_default_configuration_is_the_authors_training():
    config = STSTNET.resolve().model_dump()
    stated = {"epochs": 800, "batch_size": 256, "learning_rate": 5e-5, "shuffle": False}
    assert config == TorchConfig(**stated).model_dump()
    assert (config["schedule"], config["warmup_epochs"], config["gradient_norm"]) == ("constant", 0, None)
    assert (config["precision"], config["least_steps"]) == ("float32", 0)


def test_images_reach_the_net_as_they_are():
    values = np.random.default_rng(0).integers(0, 256, (5, 28, 28, 3), dtype=np.uint8)
    batch = STSTNET.cls(STSTNET.resolve(), PROBLEM).tensors(Inputs({"flow": ArrayInput(Flow(), values)}, 5))["flow"]
    assert batch.dtype == torch.float32
    assert batch.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_array_equal(batch.numpy(), values.transpose(0, 3, 1, 2))


@cache
def _weights(path):
    with np.load(path, allow_pickle=False) as stored:
        return {name: torch.from_numpy(stored[name]) for name in stored.files}


def authors_state(path, subject):
    weights = {
        name.partition("/")[2]: value for name, value in _weights(path).items() if name.startswith(f"{subject}/")
    }
    return MODULE.from_authors_weights(weights)


EXPECTED = {
    "full": (0.7209, 0.7250),
    "smic-hs": (0.6871, 0.6876),
    "casme2": (0.8304, 0.8304),
    "samm": (0.5993, 0.6145),
}


class Quiet:
    def __getattr__(self, name):
        return lambda *args: None


def test_the_authors_weights_give_their_figures_through_protocol_folds_records_and_metrics(shared, tmp_path):
    data = shared / "data"
    spec = PROTOCOLS.get("megc2019")
    prepared = PreparedProtocol.of(spec, choose_data(str(data / "megc2019-flow28"), [spec]))
    (plan,) = plan_runs(Request.named(("ststnet",)), [prepared])

    def published(state):
        class Published(STSTNET.cls):
            """Is trained already; it is told which weights are its own by whoever makes it."""

            def fit(self, train, run):
                self._device = torch.device(run.device)
                self.net = self.module()
                self.net.load_state_dict(state)

        return Published

    class WithWeights(Serial):
        def __call__(self, units, watcher):
            for unit in units:
                weights = data / "megc2019-flow28" / "ststnet_published_weights.npz"
                state = authors_state(weights, unit.fold.split("/")[1])
                yield unit, run_fold(replace(unit.task, method=published(state)), unit.fold)

    (state,) = execute([plan], tmp_path, Quiet(), executor=WithWeights())
    assert state.complete
    assert len(state.recorded) == 68
    run = read_run(tmp_path / plan.run_id)
    assert run.mark is not None
    assert len(run.predictions) == 442
    rows = part_scores([run.predictions], run.file.outputs, spec.parts)
    assert {row.part: (round(row.uf1, 4), round(row.uar, 4)) for row in rows} == EXPECTED

    # ... and subject by subject what the authors' own log says; it names no clips.
    log = (data / "published-logs" / "ststnet_pytorch.txt").read_text()
    blocks = re.findall(r"Subject: *(\S+) *\nPredicted *: \[(.*)\] *\nGround Truth *: \[(.*)\]", log)
    assert len(blocks) == 68
    for subject, predicted, truth in blocks:
        pairs = sorted(zip(truth.split(", "), predicted.split(", "), strict=True))
        mine = run.predictions[run.predictions.subject == subject]
        codes = [[str(PROBLEM.outputs.index(name)) for name in mine[column]] for column in ("truth", "predicted")]
        assert sorted(zip(*codes, strict=True)) == pairs, subject


def test_the_committed_rows_are_those_of_this_code_and_come_out_again(shared):
    """All seeds by their keys; and what takes seconds, the first epochs of the largest fold, clip by clip."""
    spec = PROTOCOLS.get("megc2019")
    prepared = PreparedProtocol.of(spec, choose_data(str(shared / "data" / "megc2019-flow28"), [spec]))
    plans = plan_runs(Request.named(("ststnet",), seeds=(0, 1, 2)), [prepared])
    selecting = plan_runs(Request.named(("ststnet",), seeds=(0, 1, 2), selection="inner"), [prepared])
    committed = {run.file.run_id: run for run in read_leaderboard() if run.file.method == "ststnet"}
    assert {plan.run_id for plan in plans + selecting} == set(committed)
    assert all(plan.file.key == committed[plan.run_id].file.key for plan in plans + selecting)
    epochs, fold = 4, "smic-hs/s03"
    for plan in plans[:2]:
        entry = committed[plan.run_id]
        told = entry.epochs()[0]
        assert told.shape == (442, 800)
        short = replace(plan.task, config=plan.task.config.model_copy(update={"epochs": epochs}), keep_epochs=True)
        outcome = run_fold(short, fold)
        assert outcome.failure is None, outcome.failure.traceback
        tested = ("smic-hs/" + entry.predictions.subject == fold) & (entry.predictions.dataset == "smic-hs")
        assert list(entry.predictions["clip"][tested]) == list(outcome.predictions["clip"])
        again = outcome.epochs.argmax(axis=2).T
        assert again.shape == (39, epochs)
        # Equal on the kind of machine that made the rows; another may round a borderline clip to the other side.
        assert (again == told[tested.to_numpy(), :epochs]).mean() > 0.95

    # An epoch selected within the training fold: what was trained again is what the last epoch's run was after it.
    for last, plan in zip(plans, selecting, strict=False):
        entry = committed[plan.run_id]
        curves = entry.inner()
        assert curves.shape == (68, 800)
        told = committed[last.run_id].epochs()[0]
        names = (entry.predictions.dataset + "/" + entry.predictions.subject).to_numpy()
        places = np.array([list(entry.file.folds).index(name) for name in names])
        picked = told[np.arange(442), curves.argmax(axis=1)[places]]
        same = np.array(entry.file.outputs)[picked] == entry.predictions.predicted
        assert same.all()


def test_images_in_the_wrong_channel_order_would_be_noticed(shared):
    """The check above has teeth: without the turn from BGR the figures are others."""
    data = shared / "data" / "megc2019-flow28"
    spec = PROTOCOLS.get("megc2019")
    prepared = PreparedProtocol.of(spec, choose_data(str(data), [spec]))
    (plan,) = plan_runs(Request.named(("ststnet",)), [prepared])
    images = torch.from_numpy(plan.task.inputs["flow"].batch()).permute(0, 3, 1, 2).float()
    found = {}
    for turned in (False, True):
        answers = np.empty(442, dtype=object)
        for fold in plan.task.split.folds:
            net = STSTNET.cls(STSTNET.resolve(), PROBLEM).module().eval()
            net.load_state_dict(authors_state(data / "ststnet_published_weights.npz", fold.name.split("/")[1]))
            with torch.inference_mode():
                scores = net(images[fold.test].flip(1) if turned else images[fold.test])
            answers[fold.test] = [PROBLEM.outputs[label] for label in scores.argmax(1).tolist()]
        table = plan.task.split.truth().assign(predicted=answers)
        found[turned] = part_scores([pd.DataFrame(table)], PROBLEM.outputs, {"full": "Full"})[0].uf1
    assert round(found[False], 4) == 0.7209
    assert round(found[True], 4) != 0.7209


def test_packed_folds_become_the_nets_that_they_become_alone():
    class Double(STSTNET.cls):
        def module(self):
            return super().module().double()

        def tensors(self, inputs, rng=None):
            return {"flow": super().tensors(inputs, rng)["flow"].double()}

    def training(clips):
        rng = np.random.default_rng(clips)
        images = rng.integers(0, 256, (clips, 28, 28, 3), dtype=np.uint8)
        people = np.array(["x/1"] * clips, dtype=object)
        inputs = Inputs({"flow": ArrayInput(Flow(), images)}, clips)
        return TrainingData(inputs, rng.integers(0, 3, clips), PROBLEM, people, people)

    trains, runs = [training(clips) for clips in (20, 17, 20)], [RunContext(seed=fold) for fold in range(3)]
    config = MODULE.Config(epochs=5, batch_size=12, learning_rate=1e-3)
    alone, packed = ([Double(config, PROBLEM) for _ in trains] for _ in range(2))
    for method, train, run in zip(alone, trains, runs, strict=True):
        method.fit(train, run)
    fit_packed([PackedFold.start(*fold) for fold in zip(packed, trains, runs, strict=True)])
    for one, other in zip(alone, packed, strict=True):
        torch.testing.assert_close(other.net.state_dict(), one.net.state_dict(), rtol=1e-9, atol=1e-9)
