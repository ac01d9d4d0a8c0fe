"""STSTNet equals the net of its authors, their weights give their figures, and committed rows come out again."""

import re
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from support.recording import Silent
from torch import nn
from torch.testing import assert_close

from merbench.contracts.inputs import ArrayInput, Flow, Inputs
from merbench.contracts.methods import Problem
from merbench.engine.execute.grid import execute
from merbench.engine.execute.jobs import Executor
from merbench.engine.fold.folds import run_fold
from merbench.engine.plan.catalogue import METHODS, PROTOCOLS
from merbench.engine.plan.data import choose_data
from merbench.engine.plan.runs import PreparedProtocol, Request, plan_runs
from merbench.records.read import read_run
from merbench.records.select import read_leaderboard
from merbench.scoring.table import part_scores
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
    """The paper's net: three parallel streams (without the dropout of 0.5 after each pool)."""

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


def net_of():
    return STSTNET.cls(STSTNET.resolve(), PROBLEM).module()


def images(clips=13):
    torch.manual_seed(0)
    return torch.randint(0, 256, (clips, 3, 28, 28)).float()


def test_the_net_equals_three_streams():
    """In forward pass, gradients and statistics; the authors read u, v, strain in the order strain, v, u."""
    for train in (True, False):
        torch.manual_seed(1)
        reference, ours = ThreeStreams(), net_of()
        for stream in reference.streams:  # no initial values, so that any mix-up shows
            nn.init.uniform_(stream.bn.weight, 0.5, 2.0)
            nn.init.normal_(stream.bn.bias)
            stream.bn.running_mean.uniform_(-50, 50)
            stream.bn.running_var.uniform_(500, 5000)
        ours.load_state_dict(MODULE.from_authors_weights(reference.under_authors_names()))
        ours.dropout = nn.Identity()
        flow = images()
        scores = ours.train(train)(flow.to(memory_format=torch.channels_last)), reference.train(train)(flow.flip(1))
        assert_close(*scores, rtol=1e-4, atol=1e-4)
        assert scores[0].std() > 0.1
        for each in scores:
            nn.functional.cross_entropy(each, torch.arange(13) % 3).backward()

        def joined(value_of, streams=reference.streams):
            return torch.cat([value_of(stream) for stream in streams])

        assert_close(ours.conv.weight.grad, joined(lambda s: s.conv.weight.grad).flip(1), rtol=1e-3, atol=1e-3)
        assert_close(ours.conv.bias.grad, joined(lambda s: s.conv.bias.grad), rtol=1e-3, atol=1e-3)
        assert_close(ours.norm.weight.grad, joined(lambda s: s.bn.weight.grad), rtol=1e-3, atol=1e-4)
        assert_close(ours.fc.weight.grad, reference.fc.weight.grad, rtol=1e-3, atol=1e-4)
        assert_close(ours.norm.running_mean, joined(lambda s: s.bn.running_mean), rtol=1e-4, atol=1e-3)
        assert_close(ours.norm.running_var, joined(lambda s: s.bn.running_var), rtol=1e-4, atol=1e-3)


def test_size_weights_dropout_and_settings_are_the_authors():
    torch.manual_seed(2)
    assert [tuple(p.shape) for p in net_of().parameters()] == [(16, 3, 3, 3), (16,), (16,), (16,), (3, 400), (3,)]
    bound = 1 / np.sqrt(27)  # the same for each stream: it depends on the input, not on the number of filters
    weights = torch.cat([net_of().conv.weight.flatten() for _ in range(20)])
    assert weights.abs().max() <= bound
    assert weights.std().item() == pytest.approx(bound / np.sqrt(3), rel=0.05)
    net, flow, seen = net_of(), images(4), []
    assert torch.equal(net.eval()(flow), net(flow))
    net.train().dropout.register_forward_hook(lambda module, given, found: seen.append((given[0], found)))
    assert not torch.equal(net(flow), net(flow))
    before, after = seen[0]
    assert before.shape == (4, 16, 10, 10)
    kept = after != 0
    assert torch.equal(after[kept], 2 * before[kept])
    assert 0.4 < kept[before != 0].float().mean() < 0.6
    config = STSTNET.resolve().model_dump()
    stated = {"epochs": 800, "batch_size": 256, "learning_rate": 5e-5, "shuffle": False}
    assert config == TorchConfig(**stated).model_dump()
    assert (config["schedule"], config["warmup_epochs"], config["gradient_norm"]) == ("constant", 0, None)
    assert (config["precision"], config["least_steps"]) == ("float32", 0)
    values = np.random.default_rng(0).integers(0, 256, (5, 28, 28, 3), dtype=np.uint8)
    batch = STSTNET.cls(STSTNET.resolve(), PROBLEM).tensors(Inputs({"flow": ArrayInput(Flow(), values)}, 5))["flow"]
    assert batch.dtype == torch.float32
    assert batch.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_array_equal(batch.numpy(), values.transpose(0, 3, 1, 2))


EXPECTED = {"full": (0.7209, 0.7250), "smic-hs": (0.6871, 0.6876), "casme2": (0.8304, 0.8304), "samm": (0.5993, 0.6145)}


@pytest.fixture
def plans(shared):
    """Return what plans runs of STSTNet on the public release."""
    spec = PROTOCOLS.get("megc2019")
    prepared = PreparedProtocol.of(spec, choose_data(str(shared / "data" / "megc2019-flow28"), [spec]))
    return lambda **options: plan_runs(Request.named(("ststnet",), **options), [prepared])


def test_the_authors_weights_give_their_figures_and_answers(shared, plans, tmp_path):
    """Through folds, records and scores: by part and by subject, other figures in BGR order; the log names no clips."""
    data, (plan,) = shared / "data", plans()
    with np.load(data / "megc2019-flow28" / "ststnet_published_weights.npz", allow_pickle=False) as stored:
        weights = {name: torch.from_numpy(stored[name]) for name in stored.files}

    class Published(STSTNET.cls):
        """Is trained already: on all people but those whom the fold of a job holds out."""

        subject, bgr = "", False

        def fit(self, train, run):
            self._device, self.net, mine = torch.device(run.device), self.module(), f"{self.subject}/"
            state = {name.removeprefix(mine): value for name, value in weights.items() if name.startswith(mine)}
            state = MODULE.from_authors_weights(state)
            self.net.load_state_dict(state | {"conv.weight": state["conv.weight"].flip(1)} if self.bgr else state)

    class WithWeights(Executor):
        bgr = False

        def __call__(self, jobs, observer):
            for job in jobs:
                method = type("Trained", (Published,), {"subject": job.fold.split("/")[1], "bgr": self.bgr})
                yield job, run_fold(replace(job.task, method=method), job.fold)

    def recorded(name, executor):
        (state,) = execute([plan], tmp_path / name, Silent(), executor=executor)
        assert state.complete
        return read_run(tmp_path / name / plan.run_id).predictions

    table, other = recorded("rgb", WithWeights()), WithWeights()
    other.bgr = True
    rows = part_scores([table], PROBLEM.outputs, plan.file.parts)
    assert {row.part: (round(row.uf1, 4), round(row.uar, 4)) for row in rows} == EXPECTED
    swapped = part_scores([recorded("bgr", other)], PROBLEM.outputs, {"full": "Full"})
    assert round(swapped[0].uf1, 4) != EXPECTED["full"][0]
    log = (data / "published-logs" / "ststnet_pytorch.txt").read_text()
    blocks = re.findall(r"Subject: *(\S+) *\nPredicted *: \[(.*)\] *\nGround Truth *: \[(.*)\]", log)
    assert len(blocks) == 68
    for subject, predicted, truth in blocks:
        mine = table[table.subject == subject]
        codes = [[str(PROBLEM.outputs.index(name)) for name in mine[column]] for column in ("truth", "predicted")]
        assert sorted(zip(*codes, strict=True)) == sorted(zip(truth.split(", "), predicted.split(", "), strict=True))


@pytest.mark.slow
def test_committed_rows_come_out_again(plans):
    """All seeds by their keys; and, since that takes seconds, the first epochs of the largest fold, clip by clip."""
    last, selecting = plans(seeds=(0, 1, 2)), plans(seeds=(0, 1, 2), selection="inner")
    committed = {run.file.run_id: run for run in read_leaderboard().where(method="ststnet", protocol="megc2019")}
    assert {plan.run_id: plan.file.key for plan in last + selecting} == {
        run_id: run.file.key for run_id, run in committed.items()
    }
    epochs, fold = 4, "smic-hs/s03"
    for plan in last[:2]:
        entry = committed[plan.run_id]
        kept = entry.epochs()[0]
        assert kept.shape == (442, 800)
        short = replace(plan.task, config=plan.task.config.model_copy(update={"epochs": epochs}), keep_epochs=True)
        outcome = run_fold(short, fold)
        assert outcome.failure is None, outcome.failure.traceback
        tested = ("smic-hs/" + entry.predictions.subject == fold) & (entry.predictions.dataset == "smic-hs")
        assert list(entry.predictions["clip"][tested]) == list(outcome.predictions["clip"])
        again = outcome.epochs.argmax(axis=2).T
        assert again.shape == (39, epochs)
        # Equal on the kind of machine that made the rows; another may round a borderline clip to the other side.
        assert (again == kept[tested.to_numpy(), :epochs]).mean() > 0.95

    # An epoch selected within the training fold: the refit equals the last epoch's run after that epoch.
    for plan_of_last, plan in zip(last, selecting, strict=True):
        entry = committed[plan.run_id]
        curves = entry.inner()
        assert curves.shape == (68, 800)
        kept = committed[plan_of_last.run_id].epochs()[0]
        names = (entry.predictions.dataset + "/" + entry.predictions.subject).to_numpy()
        places = np.array([list(entry.file.folds).index(name) for name in names])
        picked = kept[np.arange(442), curves.argmax(axis=1)[places]]
        same = np.array(entry.file.outputs)[picked] == entry.predictions.predicted
        assert same.all()
