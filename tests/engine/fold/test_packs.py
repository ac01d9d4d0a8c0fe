"""Folds that are trained together are, to all who look, folds that were trained alone."""

import random
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from support.cases import each
from torch import nn

from merbench.contracts.clips import clip_table
from merbench.contracts.errors import SetupError
from merbench.contracts.inputs import ArrayInput, Flow, Inputs
from merbench.contracts.methods import MethodConfig, Progress
from merbench.contracts.protocols import ProtocolSpec
from merbench.engine.execute.jobs import Executor, Job, JobQueue, pack_size
from merbench.engine.fold.folds import can_pack, run_fold, run_folds
from merbench.engine.fold.opening import FoldTask
from merbench.engine.fold.selection import SELECTIONS
from merbench.splits.split import make_split
from merbench.training.layers import FastDropout
from merbench.training.torch_method import TorchConfig, TorchMethod

CLIPS = {"a": 9, "b": 6, "c": 8, "d": 7}
FOLDS = [f"toy/{subject}" for subject in CLIPS]


class Net(TorchMethod):
    """Small, with batch norm and dropout; in double precision, in which rounding is not amplified to what matters."""

    packs = True

    def module(self):
        pictures = [nn.Conv2d(3, 4, 5, stride=3), nn.ReLU(), nn.BatchNorm2d(4), FastDropout()]
        return nn.Sequential(*pictures, nn.Flatten(), nn.Linear(256, 3)).double()

    def tensors(self, inputs, rng=None):
        return {"flow": torch.from_numpy(inputs["flow"].batch(rng=rng)).permute(0, 3, 1, 2).double() / 255}

    def diagnose(self, inputs):
        return {
            "feature/pixels": np.concatenate(
                list(self.evaluated(inputs, lambda net, b: net[0](b["flow"]).mean((2, 3))))
            )
        }


@pytest.fixture(scope="module")
def split():
    spec = ProtocolSpec.model_validate(
        {
            "name": "toy",
            "title": "Toy",
            "summary": "A toy.",
            "source": {"text": "tests"},
            "classes": ["negative", "positive", "surprise"],
            "datasets": {"toy": {"title": "Toy", "classes": {}}},
            "folds": "leave-one-subject-out",
        }
    )
    rows = [
        {"dataset": "toy", "subject": subject, "clip": f"c{n}", "emotion": spec.classes[n % 3]}
        for subject, clips in CLIPS.items()
        for n in range(clips)
    ]
    return make_split(spec, clip_table(pd.DataFrame(rows), "toy"))


@pytest.fixture(scope="module")
def inputs(split):
    values = np.random.default_rng(1).integers(0, 256, (len(split.clips), 28, 28, 3), dtype=np.uint8)
    return Inputs({"flow": ArrayInput(Flow(), values)}, len(values))


@pytest.fixture
def task(split, inputs):
    def make(method=Net, epochs=3, batch_size=15, **options):
        config = TorchConfig(epochs=epochs, batch_size=batch_size, learning_rate=0.01)
        return FoldTask(method, config, split, inputs, 0, **options)

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


def test_packed_folds_record_the_same_as_folds_alone(task):
    asked = task(keep_epochs=True, diagnose=True)
    outcomes, notes = together(asked)
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


def test_a_fold_does_not_depend_on_its_pack(task):
    (first, *_), _ = together(task())
    (_, second), _ = together(task(), ["toy/d", "toy/a"])
    assert_same(first, second)


def test_times_of_packed_folds_add_up_and_progress_is_reported(task):
    progress = Progress()
    outcomes, _ = together(task(), progress=progress)
    assert (progress.done, progress.total) == (3, 3)
    assert len({outcome.seconds["fit"] for outcome in outcomes}) == 1
    assert all(outcome.seconds["total"] >= outcome.seconds["fit"] + outcome.seconds["predict"] for outcome in outcomes)


def test_each_method_gets_only_the_clips_of_its_own_fold(task, split, inputs):
    seen = []

    class Looking(Net):
        def begin(self, train):
            self.subjects = set(train.subjects)
            self.given = [train.inputs["flow"].stored()]
            seen.append(self)

        def tensors(self, inputs, rng=None):
            self.given.append(inputs["flow"].stored())
            return super().tensors(inputs, rng)

    _, notes = together(task(Looking, keep_epochs=True))
    assert notes == []
    whole = inputs["flow"].stored()
    for fold, method in zip(FOLDS, seen, strict=True):
        rows = split.fold(fold)
        assert method.subjects == set(FOLDS) - {fold}
        assert np.array_equal(method.given[0], whole[rows.train])
        known = {whole[row].tobytes(): row for row in range(len(whole))}
        for given in method.given:
            assert {known[each.tobytes()] for each in given} in (set(rows.train), set(rows.test), {rows.test[0]}) or (
                len(given) == 1 and known[given[0].tobytes()] in rows.test
            )
            assert not any(np.shares_memory(given, other) for one in seen if one is not method for other in one.given)
            assert not np.shares_memory(given, whole)


def test_each_packed_fold_has_its_own_random_state(task):
    class Drawing(Net):
        def module(self):
            net = super().module()
            with torch.no_grad():
                net[5].bias += np.random.random() + random.random()  # noqa: NPY002 - a method may
            return net

    state = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()  # noqa: NPY002
    outcomes, _ = together(task(Drawing))
    after = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()  # noqa: NPY002
    assert state[:2] == after[:2]
    assert torch.equal(state[2], after[2])
    for outcome in outcomes:
        assert_same(run_fold(task(Drawing), outcome.fold), outcome)


def test_folds_with_other_numbers_of_steps_are_trained_apart(task):
    outcomes, notes = together(task(batch_size=22))  # 21, 24, 22, 23 training clips: one step, or two
    assert notes == []
    assert [outcome.packed for outcome in outcomes] == [3, 1, 3, 3]  # a last clip alone joins the batch before
    for outcome in outcomes:
        assert_same(run_fold(task(batch_size=22), outcome.fold), outcome)


class WithPlainDropout(Net):
    """Says that it packs, and does not: torch's dropout would draw for all folds at once."""

    def module(self):
        return nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(28 * 28 * 3, 3)).double()


def test_folds_that_can_not_be_packed_are_trained_alone(task):
    outcomes, (note,) = together(task(WithPlainDropout))
    assert "4 folds could not be trained together and are run one at a time (RuntimeError: vmap" in note
    assert "\n" not in note
    for outcome in outcomes:
        assert outcome.packed == 1
        assert_same(run_fold(task(WithPlainDropout), outcome.fold), outcome)


def test_a_fold_that_fails_fails_alone(task):
    class InTraining(Net):
        def begin(self, train):
            if "toy/b" not in train.subjects:
                raise ValueError("not b")

    class InTest(Net):
        def predict(self, inputs):
            if inputs.clips == CLIPS["b"]:
                raise ValueError("not b")
            return super().predict(inputs)

    class Never(Net):
        def __init__(self, config, problem):
            raise ValueError("not b")

    for method, failed, notes in ((InTraining, "b", 1), (InTest, "b", 0), (Never, "abcd", 1)):
        outcomes, said = together(task(method))
        failures = [outcome.failure and outcome.failure.message for outcome in outcomes]
        assert failures == ["not b" if name in failed else None for name in CLIPS], method
        assert method is Never or len(said) == notes
        assert method is not InTest or {outcome.packed for outcome in outcomes} == {4}


def test_setup_errors_and_interrupts_pass_through(task):
    for error in each([SetupError("all folds alike"), KeyboardInterrupt()]):

        class Stopping(Net):
            def begin(self, train):
                raise error  # noqa: B023

        with pytest.raises(type(error)):
            together(task(Stopping))


class Plain:
    Config = MethodConfig


def test_only_nets_that_say_so_can_be_packed(task):
    class Silent(Net):
        packs = False

    class Pretender(Plain):
        packs = True

    assert [can_pack(task(method)) for method in (Net, Silent, Pretender, Plain)] == [True, False, False, False]
    assert [can_pack(task(Net, selection=name)) for name in SELECTIONS] == [True, False, False]


# --- who packs what ---------------------------------------------------------------------------------------------------


class Watcher:
    def __init__(self):
        self.notes, self.shown = [], []

    def note(self, text):
        self.notes.append(text)

    def working(self, workers):
        self.shown += [at.shown for at in workers]


def jobs(task, run="run", folds=FOLDS):
    plan = SimpleNamespace(
        run_id=run,
        file=SimpleNamespace(
            method="toy", key=SimpleNamespace(method="toy", config={}, input_digests={}, selection="last")
        ),
    )
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
    class Alone(Net):
        packs = False

    watcher, executor = Watcher(), Executor(pack=8)
    for run in ("one", "two"):
        found = list(executor(jobs(task(Alone, epochs=1), run), watcher))
        assert [outcome.packed for _, outcome in found] == [1, 1, 1, 1]
    assert watcher.notes == ["--pack 8: toy can't be packed, each fold is trained alone"]


def test_a_worker_takes_a_pack_of_one_run_however_long_it_lasts(task):
    queue = JobQueue(jobs(task(), "one") + jobs(task(), "two", FOLDS[:2]), lambda job: pack_size(job, 3))
    taken = []
    while group := queue.take(lambda job: True, 1):
        taken.append((group[0].plan.run_id, len(group)))
        if len(taken) == 1:
            queue.put_back(group[0])  # its worker died: it goes alone now
    assert sorted(taken) == [("one", 1), ("one", 1), ("one", 3), ("two", 2)]
