"""Folds that are trained together are, to all who look, folds that were trained alone."""

import random
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from support.folds import Plain, spec, table
from support.nets import PackedNet, of_layers, random_states
from torch import nn

from merbench.contracts.errors import SetupError
from merbench.contracts.methods import Progress
from merbench.engine.execute.jobs import Executor, Job, JobQueue, pack_size
from merbench.engine.fold.folds import can_pack, run_fold, run_folds
from merbench.engine.fold.selection import SELECTIONS
from merbench.splits.split import make_split
from merbench.training.torch_method import TorchConfig

CLIPS = {"a": 9, "b": 6, "c": 8, "d": 7}
FOLDS = [f"toy/{subject}" for subject in CLIPS]


class Net(PackedNet):
    def diagnose(self, inputs):
        features = self.evaluated(inputs, lambda net, batch: net[0](batch["flow"]).mean((2, 3)))
        return {"feature/pixels": np.concatenate(list(features))}


@pytest.fixture(scope="module")
def split():
    clips = table({"toy": tuple(CLIPS)}, max(CLIPS.values()))
    clips = clips[clips.groupby("subject").cumcount() < clips.subject.map(CLIPS)]
    return make_split(spec(["toy"]), clips.reset_index(drop=True))


@pytest.fixture
def task(task):
    def make(method=Net, epochs=3, batch_size=15, **options):
        config = TorchConfig(epochs=epochs, batch_size=batch_size, learning_rate=0.01)
        return task(method, config=config, **options)

    return make


def together(task, folds=FOLDS, progress=None):
    notes = []
    return run_folds(task, folds, notes.append, progress), notes


def assert_same(one, other):
    assert one.failure is None, one.failure.traceback
    assert other.failure is None, other.failure.traceback
    exact = [name for name in one.predictions if not name.startswith("score_")]
    pd.testing.assert_frame_equal(one.predictions[exact], other.predictions[exact])
    pd.testing.assert_frame_equal(one.predictions, other.predictions, rtol=0, atol=1e-6)


def assert_as_alone(task, outcomes):
    for found in outcomes:
        assert_same(run_fold(task, found.fold), found)


def test_packed_folds_record_the_same_as_folds_alone(task):
    asked, progress = task(keep_epochs=True, diagnose=True), Progress()
    outcomes, notes = together(asked, progress=progress)
    assert notes == []
    assert [outcome.fold for outcome in outcomes] == FOLDS
    for found in outcomes:
        alone = run_fold(asked, found.fold)
        assert_same(alone, found)
        assert (found.clips, found.train_clips) == (alone.clips, alone.train_clips)
        assert (alone.packed, found.packed) == (1, 4)
        np.testing.assert_allclose(found.epochs, alone.epochs, atol=1e-6)
        assert found.diagnostics.keys() == alone.diagnostics.keys()
        for name, values in alone.diagnostics.items():
            if values.dtype.kind == "f":
                np.testing.assert_allclose(found.diagnostics[name], values, atol=1e-6)
            else:
                np.testing.assert_array_equal(found.diagnostics[name], values)
        assert found.seconds["total"] >= found.seconds["fit"] + found.seconds["predict"]
    assert len({outcome.seconds["fit"] for outcome in outcomes}) == 1
    assert (progress.done, progress.total) == (3, 3)


def test_each_method_gets_only_the_clips_of_its_own_fold(task, split, inputs, rows_of):
    seen = []

    class Looking(Net):
        def begin(self, train):
            self.subjects, self.given = set(train.subjects), [train.inputs]
            seen.append(self)

        def tensors(self, inputs, rng=None):
            self.given.append(inputs)
            return super().tensors(inputs, rng)

    _, notes = together(task(Looking, keep_epochs=True))
    assert notes == []
    pictures = [[given["flow"].stored() for given in method.given] for method in seen]
    for place, (fold, method) in enumerate(zip(FOLDS, seen, strict=True)):
        train, test = (set(rows) for rows in (split.fold(fold).train, split.fold(fold).test))
        assert method.subjects == set(FOLDS) - {fold}
        assert rows_of(method.given[0]) == split.fold(fold).train.tolist()
        for rows in map(set, map(rows_of, method.given)):
            assert rows in (train, test) or (len(rows) == 1 and rows < test)
        others = [
            inputs["flow"].stored(),
            *(each for other in pictures if other is not pictures[place] for each in other),
        ]
        assert not any(np.shares_memory(mine, other) for mine in pictures[place] for other in others)


def test_each_packed_fold_has_its_own_random_state(task):
    class Drawing(Net):
        def module(self):
            net = super().module()
            with torch.no_grad():
                net[6].bias += np.random.random() + random.random()  # noqa: NPY002 - a method may
            return net

    before = random_states()
    outcomes, _ = together(task(Drawing))
    assert random_states() == before
    assert_as_alone(task(Drawing), outcomes)


def test_folds_that_can_not_be_trained_together_are_trained_apart(task):
    outcomes, notes = together(task(batch_size=22))  # 21, 24, 22, 23 training clips: one step, or two
    assert notes == []
    assert [outcome.packed for outcome in outcomes] == [3, 1, 3, 3]  # a last clip alone joins the batch before
    assert_as_alone(task(batch_size=22), outcomes)
    # It says that it packs, and does not: torch's dropout would draw for all folds at once.
    method = of_layers(nn.Flatten, nn.Dropout, lambda: nn.Linear(28 * 28 * 3, 3))
    outcomes, (note,) = together(task(method))
    assert "4 folds could not be trained together and are run one at a time (RuntimeError: vmap" in note
    assert "\n" not in note
    assert [outcome.packed for outcome in outcomes] == [1] * 4
    assert_as_alone(task(method), outcomes)


def raising(error):
    def refuse(*_):
        raise error

    return refuse


refuse = raising(ValueError("not b"))


def test_a_fold_that_fails_fails_alone(task):
    class InTraining(Net):
        def begin(self, train):
            if "toy/b" not in train.subjects:
                refuse()

    class InTest(Net):
        def predict(self, inputs):
            return refuse() if inputs.clips == CLIPS["b"] else super().predict(inputs)

    never = type("Never", (Net,), {"__init__": refuse})
    for method, failed, notes in ((InTraining, "b", [1]), (InTest, "b", [0]), (never, "abcd", [0, 1])):
        outcomes, said = together(task(method))
        failures = [outcome.failure and outcome.failure.message for outcome in outcomes]
        assert failures == ["not b" if name in failed else None for name in CLIPS], method
        assert len(said) in notes
        assert method is not InTest or {outcome.packed for outcome in outcomes} == {4}
    for error in (SetupError, KeyboardInterrupt):  # these pass through
        with pytest.raises(error):
            together(task(type("Stopping", (Net,), {"begin": raising(error("all folds alike"))})))


def test_only_nets_that_say_so_can_be_packed(task):
    silent, pretender = type("Silent", (Net,), {"packs": False}), type("Pretender", (Plain,), {"packs": True})
    assert [can_pack(task(method)) for method in (Net, silent, pretender, Plain)] == [True, False, False, False]
    assert [can_pack(task(Net, selection=name)) for name in SELECTIONS] == [True, False, False]


# --- who packs what ---------------------------------------------------------------------------------------------------


class Watcher:
    def __init__(self):
        self.notes, self.shown = [], []
        self.note = self.notes.append

    def working(self, workers):
        self.shown += [at.shown for at in workers]


def jobs(task, run="run", folds=FOLDS):
    key = SimpleNamespace(method="toy", config={}, input_digests={}, selection="last")
    plan = SimpleNamespace(run_id=run, file=SimpleNamespace(method="toy", key=key))
    return [Job(plan, task, fold) for fold in folds]


def test_one_process_packs_folds_of_a_run_and_shows_the_first(task):
    watcher = Watcher()
    given = jobs(task(), "one", FOLDS[:3]) + jobs(task(), "two")
    found = list(Executor(pack=2)(given, watcher))
    assert [job for job, _ in found] == given
    assert [outcome.fold for _, outcome in found] == [job.fold for job in given]
    assert [outcome.packed for _, outcome in found] == [2, 2, 1, 2, 2, 2, 2]
    assert watcher.shown == ["toy/a +1", "toy/c", "toy/a +1", "toy/c +1"]
    assert watcher.notes == []
    alone = [outcome.packed for _, outcome in Executor()(jobs(task(epochs=1)), Watcher())]
    assert alone == [1, 1, 1, 1]  # unless packing is asked for


def test_a_method_that_does_not_pack_is_noted_once(task):
    watcher, executor = Watcher(), Executor(pack=8)
    alone = task(type("Alone", (Net,), {"packs": False}), epochs=1)
    for run in ("one", "two"):
        assert [outcome.packed for _, outcome in executor(jobs(alone, run), watcher)] == [1, 1, 1, 1]
    assert watcher.notes == ["--pack 8: toy can't be packed: each fold is trained alone"]


def test_a_worker_takes_a_pack_of_one_run_however_long_it_lasts(task):
    queue = JobQueue(jobs(task(), "one") + jobs(task(), "two", FOLDS[:2]), lambda job: pack_size(job, 3))
    taken = []
    while group := queue.take(lambda job: True, 1):
        taken.append((group[0].plan.run_id, len(group)))
        if len(taken) == 1:
            queue.put_back(group[0])  # its worker died: it goes alone now
    assert sorted(taken) == [("one", 1), ("one", 1), ("one", 3), ("two", 2)]
