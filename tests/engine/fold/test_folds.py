"""The boundary between methods and data: what crosses it, what depends on what, what becomes of mistakes."""

import dataclasses
import functools
import gc
import random
import subprocess
import sys
import types
from collections import OrderedDict

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from merbench.contracts.action_units import read_coding
from merbench.contracts.clips import IDENTITY, clip_table
from merbench.contracts.inputs import ActionUnits, ArrayInput, ClipFacts, Flow, Inputs
from merbench.contracts.methods import MethodConfig, Prediction, RunContext
from merbench.contracts.protocols import ProtocolSpec
from merbench.engine.fold.folds import run_fold
from merbench.engine.fold.opening import FoldTask
from merbench.engine.plan.catalogue import METHODS
from merbench.prepare.kinds.facts import clip_facts, database_code
from merbench.splits.folds import Fold
from merbench.splits.split import Split, make_split

FLOW = Flow()
CLASSES = ("negative", "positive", "surprise")
PEOPLE = {"casme2": ("sub06", "sub07"), "samm": ("006", "007"), "smic-hs": ("s06", "s07")}
CLIPS = 12  # of each subject; no other sequence that a method is handed has this length
FOLDS = [f"{dataset}/{subject}" for dataset, subjects in PEOPLE.items() for subject in subjects]
TOTAL = CLIPS * len(FOLDS)


def spec(**changes):
    rules = {name: {"title": name, "classes": {}} for name in PEOPLE}
    content = {"name": "toy", "title": "Toy", "summary": "A toy.", "source": {"text": "tests"}, "classes": CLASSES}
    return ProtocolSpec.model_validate(content | {"datasets": rules, "folds": "leave-one-subject-out"} | changes)


def table(people=PEOPLE, clips=CLIPS):
    rng = np.random.default_rng(5)
    rows = [
        {"dataset": d, "subject": s, "clip": f"{s}_take{n:02d}", "emotion": CLASSES[rng.integers(3)]}
        for d, subjects in people.items()
        for s in subjects
        for n in range(clips)
    ]
    return clip_table(pd.DataFrame(rows), "toy")


def flow(clips, labels=None, seed=7):
    """Images of noise; a label brightens one channel."""
    values = np.random.default_rng(seed).integers(0, 120, (clips, 28, 28, 3), dtype=np.uint8)
    for row, label in enumerate([] if labels is None else labels):
        values[row, :14, :, label] += 90
    return Inputs({"flow": ArrayInput(FLOW, values)}, clips)


@pytest.fixture(scope="module")
def split():
    return make_split(spec(), table())


@pytest.fixture(scope="module")
def inputs(split):
    return flow(TOTAL, split.labels)


@pytest.fixture
def task(split, inputs):
    """Make a task of a method; the values of a clip are its own, so that they tell which clip it is."""

    def make(method, seed=0, config=None, **options):
        return FoldTask(method, config or method.Config(), split, inputs, seed, **options)

    return make


class Plain:
    """Answers a made-up but fixed function of each clip."""

    Config = MethodConfig

    def __init__(self, config, problem):
        self.problem = problem

    def fit(self, train, run):
        pass

    def predict(self, inputs):
        return Prediction(inputs["flow"].batch().mean(axis=(1, 2)) / 255)


class PlainNet(Plain):
    """A net with batch norm and dropout, trained by a loop of its own, which sets the mode once at the start."""

    def fit(self, train, run):
        torch.manual_seed(run.stream_seed("torch"))
        self.net = nn.Sequential(
            nn.Conv2d(3, 4, 5, stride=4), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.LazyLinear(3)
        )
        values, labels = self.tensor(train.inputs), torch.from_numpy(train.labels)
        self.net(values[:2])
        optimiser = torch.optim.Adam(self.net.parameters(), lr=0.01)
        self.net.train()
        for epoch in range(1, 4):
            optimiser.zero_grad()
            nn.functional.cross_entropy(self.net(values), labels).backward()
            optimiser.step()
            run.epoch_end(epoch, self)

    @staticmethod
    def tensor(inputs):
        return torch.from_numpy(inputs["flow"].batch()).permute(0, 3, 1, 2).float() / 255

    def predict(self, inputs):
        self.net.eval()
        with torch.no_grad():
            return Prediction(self.net(self.tensor(inputs)).numpy())


def outcome(task, fold="samm/006"):
    found = run_fold(task, fold)
    assert found.failure is None, found.failure.traceback
    return found


def scores(predictions):
    return predictions[[f"score_{name}" for name in CLASSES]].to_numpy()


# --- what a method can find in what it is handed --------------------------------------------------------------------


def reachable(*roots):
    """Give everything that can be reached from objects, by whatever way, save through modules and classes."""
    seen, todo = {}, list(roots)
    while todo:
        item = todo.pop()
        if id(item) in seen or isinstance(item, type | types.ModuleType | types.CodeType):
            continue
        seen[id(item)] = item  # kept alive, so that no id is used again
        assert len(seen) < 100_000, "the search has left what was handed over"
        yield item
        if isinstance(item, types.FunctionType):
            todo += [item.__closure__, item.__defaults__, item.__kwdefaults__, item.__dict__]
        elif isinstance(item, dict):
            todo += [*item.keys(), *item.values()]
        elif isinstance(item, types.GeneratorType):
            todo += item.gi_frame.f_locals.values()
        elif isinstance(item, np.ndarray):
            todo.append(item.base)
            todo += item.ravel().tolist() if item.dtype.kind in "OUSM" else []
        elif isinstance(item, memoryview):
            todo.append(item.obj)
        elif isinstance(item, torch.Tensor):
            todo.append(item._base)
        else:
            todo += gc.get_referents(item)


def identities(fold):
    subject = fold.split("/")[1]
    return [subject, fold, *(f"{subject}_take{n:02d}" for n in range(CLIPS)), "_take"]


def findings(roots, fold):
    """Name what gives a test clip of `fold` away: its names, its label, or the table of all clips."""
    found = []
    for item in reachable(*roots):
        if isinstance(item, str | bytes):
            text = item if isinstance(item, str) else item.decode("latin-1")
            found += [f"the text {text!r}" for secret in identities(fold) if secret in text]
        elif isinstance(item, pd.DataFrame | pd.Series | pd.Index | Split | Fold | FoldTask):
            found.append(f"a {type(item).__name__}")
        elif isinstance(item, np.ndarray | torch.Tensor):
            # Only the images come one a test clip; row numbers, labels, names would be vectors.
            if item.ndim and (len(item) == TOTAL or (len(item) == CLIPS and item.ndim == 1)):
                found.append(f"an array of shape {tuple(item.shape)}")
        elif isinstance(item, dict) and item.keys() == Flow.model_fields.keys():
            pass  # the settings of an input, which happen to be as many as there are clips
        elif isinstance(item, list | tuple | set | frozenset | dict) and len(item) in (CLIPS, TOTAL):
            found.append(f"a {type(item).__name__} of {len(item)} things")
    return found


class Slots:
    __slots__ = ("hidden",)

    def __init__(self, hidden):
        self.hidden = hidden

    def method(self):
        return None


def closure(hidden):
    return lambda: hidden


def generator(hidden):
    yield hidden
    yield hidden


def started(hidden):
    found = generator(hidden)
    next(found)
    return found


HIDING_PLACES = {
    "attribute": lambda hidden: types.SimpleNamespace(hidden=hidden),
    "closure": closure,
    "partial": lambda hidden: functools.partial(print, end=hidden),
    "bound method": lambda hidden: Slots(hidden).method,
    "function's attribute": lambda hidden: types.SimpleNamespace(f=functools.wraps(closure(hidden))(closure(0))),
    "mapping": lambda hidden: types.MappingProxyType(OrderedDict(a={"b": [({hidden},)]})),
    "array of objects": lambda hidden: np.array([["", hidden]], dtype=object),
    "array of text": lambda hidden: np.array([["", hidden]]),
    "base of a view": lambda hidden: np.array([hidden, "", ""], dtype=object)[1:],
    "generator": started,
    "memory": lambda hidden: memoryview(hidden.encode()),
    "random generator's neighbour": lambda hidden: RunContext(1, auxiliary=closure(hidden)),
}


def test_the_search_finds_names_tables_and_labels(split):
    for hide in HIDING_PLACES.values():
        assert findings([hide("samm/006")], "samm/006")
        assert not findings([hide("samm/007")], "samm/006")
    fold = split.fold("samm/006")
    for leak in (
        split, split.clips, split.labels, split.labels[1:], torch.from_numpy(split.labels), fold, fold.test,
        split.labels[fold.test], split.labels[fold.test].tolist(), split.clips.emotion,
    ):  # fmt: skip
        assert findings([closure(leak)], "samm/006")


def prying(handed):
    """Make a method that keeps all it is handed."""

    class Prying(Plain):
        def __init__(self, config, problem):
            super().__init__(config, problem)
            handed.append((config, problem))

        def fit(self, train, run):
            handed.append((train, run, run.rng("any"), run.progress, run.auxiliary, run.on_epoch, run.epoch_end))
            handed.extend(run.auxiliary(name) for name in type(self).asked)
            for epoch in (1, 2):
                if run.epoch_end(epoch, self):
                    break

        def predict(self, inputs):
            handed.append((inputs, inputs["flow"], inputs["flow"].batch()))
            return super().predict(inputs)

    Prying.asked = ()
    return Prying


@pytest.mark.parametrize(
    "options",
    [{}, {"keep_epochs": True}, {"transductive": True}, {"selection": "inner"}, {"selection": "inner-keep"}],
    ids=["", "epochs", "transductive", "inner", "inner-keep"],
)
def test_a_method_can_reach_no_identity_label_or_table(task, options):
    for fold in FOLDS[::2]:
        handed = []
        outcome(task(prying(handed), **options), fold)
        assert len(handed) >= 3
        assert findings(handed, fold) == []


def test_facts_of_clips_reveal_the_database_and_nothing_else(split, inputs):
    fold = FOLDS[3]
    spec = ClipFacts(facts=("database",))
    facts = ArrayInput(spec, clip_facts(spec, split.clips))
    handed = []
    both = Inputs({"flow": inputs["flow"], "facts": facts}, TOTAL)
    outcome(FoldTask(prying(handed), MethodConfig(), split, both, 0), fold)
    tests = [item for each in handed for item in each if isinstance(item, Inputs)]
    assert findings(handed, fold) == []
    assert {code for test in tests for code in test["facts"].batch().ravel()} == {database_code(fold.split("/")[0])}


def test_the_test_clips_are_out_of_reach_while_training(task, inputs, split):
    reached = []

    class Prying(Plain):
        def fit(self, train, run):
            reached.extend(
                item for item in reachable(self, train, run) if isinstance(item, np.ndarray) and item.ndim == 4
            )

    outcome(task(Prying))
    secret = {values.tobytes() for values in inputs["flow"].batch(split.fold("samm/006").test)}
    assert [len(values) for values in reached] == [TOTAL - CLIPS]
    assert not secret & {clip.tobytes() for values in reached for clip in values}


def test_unlabelled_test_clips_come_only_with_leave(task, inputs, split):
    seen = []

    class Looking(Plain):
        def fit(self, train, run):
            seen.append(train.unlabelled)

    outcome(task(Looking))
    outcome(task(Looking, transductive=True))
    without, given = seen
    assert without is None
    secret = sorted(values.tobytes() for values in inputs["flow"].batch(split.fold("samm/006").test))
    assert sorted(values.tobytes() for values in given["flow"].batch()) == secret


@pytest.mark.parametrize("admitted", [False, True])
def test_labels_at_test_need_the_cards_disclosure(split, inputs, admitted):
    units = ActionUnits(vocabulary=(1, 4))
    shown = np.arange(2.0 * TOTAL).reshape(TOTAL, 2)
    both = Inputs({"flow": inputs["flow"], "units": ArrayInput(units, shown)}, TOTAL)
    seen = {}

    class Looking(Plain):
        def fit(self, train, run):
            seen["train"] = train.inputs["units"].batch()
            seen["unlabelled"] = sorted(train.unlabelled.names())
            reached = [item for item in reachable(train, run) if isinstance(item, np.ndarray)]
            seen["reached"] = sum(item.shape == (CLIPS, 2) for item in reached)

        def predict(self, inputs):
            seen.setdefault("test", sorted(inputs.names()))
            return super().predict(inputs)

    task = FoldTask(Looking, MethodConfig(), split, both, 0, transductive=True, au_labels_at_test=admitted)
    outcome(task)
    np.testing.assert_array_equal(seen["train"], shown[split.fold("samm/006").train])
    assert seen["test"] == seen["unlabelled"] == (["flow", "units"] if admitted else ["flow"])
    assert seen["reached"] == admitted


def test_the_held_out_person_is_excluded_under_every_dataset():
    people = {"smic-vis": ("s06", "s07"), "smic-hs": ("s06", "s08"), "samm": ("s06",)}
    protocol = spec(datasets={name: {"title": name, "classes": {}} for name in people})
    cameras = {"smic-hs": "smic", "smic-vis": "smic"}
    split = make_split(protocol, table(people), same_people=cameras)
    inputs = flow(len(split.clips), split.labels)
    seen = {}
    for fold in split.folds:

        class Looking(Plain):
            def fit(self, train, run):
                seen[fold.name] = set(train.subjects)  # noqa: B023 - called at once

        outcome(FoldTask(Looking, MethodConfig(), split, inputs, 0, same_people=cameras), fold.name)
    everyone = {f"{dataset}/{subject}" for dataset, subjects in people.items() for subject in subjects}
    both = {"smic-vis/s06", "smic-hs/s06"}
    assert seen == {name: everyone - (both if name in both else {name}) for name in everyone}


def test_pretraining_clips_exclude_the_held_out_person(task):
    # s06 of HS and of VIS are one person, and no other database's 06
    people = {"smic-vis": ("s06", "s07"), "smic-hs": ("s06",), "samm": ("006", "008"), "other": ("s06",)}
    clips = table(people, clips=9)
    extra = (clips, flow(len(clips), seed=8))
    aliases = {"smic-hs": "smic", "smic-vis": "smic", "smic-nir": "smic"}
    handed = []
    method = prying(handed)
    method.asked = ("extra",)
    options = {"auxiliary": {"extra": extra}, "same_people": aliases}
    for fold, allowed in {
        "smic-hs/s06": {"smic-vis/s07", "samm/006", "samm/008", "other/s06"},
        "samm/006": {"smic-vis/s06", "smic-vis/s07", "smic-hs/s06", "samm/008", "other/s06"},
        "casme2/sub06": {"smic-vis/s06", "smic-vis/s07", "smic-hs/s06", "samm/006", "samm/008", "other/s06"},
    }.items():
        handed.clear()
        outcome(task(method, **options), fold)
        data = next(item for item in handed if not isinstance(item, tuple))
        assert set(data.subjects) == allowed
        assert data.datasets.tolist() == [subject.split("/")[0] for subject in data.subjects]
        kept = np.isin((clips.dataset + "/" + clips.subject).to_numpy(dtype=object), sorted(allowed))
        assert data.emotions.tolist() == clips.emotion[kept].tolist()
        assert data.inputs.clips == kept.sum()
        np.testing.assert_array_equal(data.inputs["flow"].batch(), extra[1]["flow"].batch(np.flatnonzero(kept)))
        absent = {f"{d}/{s}" for d, subjects in people.items() for s in subjects} - allowed
        texts = [item for item in reachable(*handed) if isinstance(item, str)]
        assert not [text for text in texts for name in {*absent, fold} if name in text]
        lengths = {len(item) for item in reachable(*handed) if isinstance(item, np.ndarray)}
        assert kept.sum() in lengths
        assert (len(clips) in lengths) is (not absent)


def test_auxiliary_data_that_is_not_declared_fails_the_fold(task):
    class Asking(Plain):
        def fit(self, train, run):
            run.auxiliary("smic")

    failure = run_fold(task(Asking), "samm/006").failure
    assert failure.type == "LookupError"
    assert "'smic' is not declared" in failure.message


def test_training_annotations_are_shuffled_with_the_labels(split, inputs):
    units = ArrayInput(ActionUnits(vocabulary=(1, 4)), np.arange(2.0 * TOTAL).reshape(TOTAL, 2))
    both = Inputs({"flow": inputs["flow"], "units": units}, TOTAL)
    row_of = {clip.tobytes(): row for row, clip in enumerate(inputs["flow"].batch())}
    seen = {}

    class Looking(Plain):
        def fit(self, train, run):
            seen["pictures"] = [row_of[clip.tobytes()] for clip in train.inputs["flow"].batch()]
            seen["units"] = (train.inputs["units"].batch()[:, 0] / 2).astype(int)
            seen["labels"] = train.labels

    outcome(FoldTask(Looking, MethodConfig(), split, both, 0, shuffled=True))
    train = split.fold("samm/006").train
    assert seen["pictures"] == train.tolist()
    assert sorted(seen["units"]) == train.tolist()
    assert (seen["units"] != train).mean() > 0.9
    np.testing.assert_array_equal(seen["labels"], split.labels[seen["units"]])


def test_the_order_of_test_clips_is_random(task, inputs, split):
    row_of = {clip.tobytes(): row for row, clip in enumerate(inputs["flow"].batch())}
    orders = []

    class Watching(Plain):
        def predict(self, inputs):
            orders.append([row_of[clip.tobytes()] for clip in inputs["flow"].batch()])
            return super().predict(inputs)

    for seed in range(40):
        for fold in FOLDS:
            outcome(task(Watching, seed, transductive=True), fold)
    assert len(orders) == 240
    places = np.arange(CLIPS)
    identity = [np.corrcoef(places, order)[0, 1] for order in orders]
    label = [np.corrcoef(places, split.labels[order])[0, 1] for order in orders]
    # The correlation of a random order has mean 0 and a standard deviation of 0.3: 0.02 for the mean of 240.
    assert abs(np.mean(identity)) < 0.08
    assert abs(np.mean(label)) < 0.08
    assert np.std(identity) > 0.2
    assert len({tuple(np.argsort(order)) for order in orders}) == 240  # no two folds, no two seeds alike


# --- what is joined with what ---------------------------------------------------------------------------------------


def test_training_clips_come_with_their_own_labels_and_subjects(task, inputs, split):
    row_of = {clip.tobytes(): row for row, clip in enumerate(inputs["flow"].batch())}
    seen = []

    class Watching(Plain):
        def fit(self, train, run):
            seen.append(train)

    for fold in FOLDS:
        found = outcome(task(Watching), fold)
        assert (found.clips, found.train_clips) == (CLIPS, TOTAL - CLIPS)
    for fold, train in zip(FOLDS, seen, strict=True):
        rows = [row_of[clip.tobytes()] for clip in train.inputs["flow"].batch()]
        clips = split.clips.iloc[rows]
        assert len(train) == len(set(rows)) == TOTAL - CLIPS
        assert train.labels.tolist() == split.labels[rows].tolist()
        assert train.subjects.tolist() == (clips.dataset + "/" + clips.subject).tolist()
        assert train.datasets.tolist() == clips.dataset.tolist()
        assert fold not in set(train.subjects)


def test_training_labels_are_shuffled_for_each_fold_and_seed(task, split):
    def seen(fold, seed, shuffled):
        handed = []

        class Watching(Plain):
            def fit(self, train, run):
                handed.append(train.labels.tolist())

        truth = outcome(task(Watching, seed, shuffled=shuffled), fold).predictions["truth"].tolist()
        return handed[0], truth

    own, truth = seen(FOLDS[0], 0, shuffled=False)
    shuffled, same_truth = seen(FOLDS[0], 0, shuffled=True)
    assert truth == same_truth
    assert shuffled != own
    assert sorted(shuffled) == sorted(own)
    assert seen(FOLDS[0], 0, shuffled=True)[0] == shuffled
    assert seen(FOLDS[0], 1, shuffled=True)[0] != shuffled
    assert seen(FOLDS[1], 0, shuffled=True)[0] != shuffled


def test_each_answer_is_recorded_with_the_clip_it_was_given_for(task, inputs, split):
    """An oracle that knows each image's label is right everywhere, with its own scores beside each clip."""
    label_of = {clip.tobytes(): label for clip, label in zip(inputs["flow"].batch(), split.labels, strict=True)}

    class Oracle(Plain):
        def predict(self, inputs):
            clips = inputs["flow"].batch()
            labels = np.array([label_of[clip.tobytes()] for clip in clips])
            return Prediction(clips.mean(axis=(1, 2)) / 255, labels)

    parts = [outcome(task(Oracle), fold).predictions for fold in FOLDS]
    for fold, part in zip(FOLDS, parts, strict=True):
        assert set(part.dataset + "/" + part.subject) == {fold}
    found = pd.concat(parts).sort_values(IDENTITY, ignore_index=True)
    pd.testing.assert_frame_equal(found[IDENTITY], split.clips[IDENTITY])
    assert found.truth.tolist() == [CLASSES[label] for label in split.labels]
    assert found.predicted.tolist() == found.truth.tolist()
    np.testing.assert_array_equal(scores(found), inputs["flow"].batch().mean(axis=(1, 2)) / 255)


def test_a_method_changes_only_its_own_copies(task, inputs, split):
    class Vandal(Plain):
        def fit(self, train, run):
            arrays = [item for item in reachable(train, run) if isinstance(item, np.ndarray) and item.flags.writeable]
            assert {array.dtype.kind for array in arrays} >= {"u", "i", "O"}
            for array in arrays:
                array[...] = 0

    before, labels = inputs["flow"].batch(), split.labels.copy()
    first = outcome(task(Vandal, transductive=True)).predictions
    np.testing.assert_array_equal(inputs["flow"].batch(), before)
    np.testing.assert_array_equal(split.labels, labels)
    assert set(split.subjects) == set(FOLDS)
    pd.testing.assert_frame_equal(first, outcome(task(Plain)).predictions)


# --- batch independence -------------------------------------------------------------------------------------------


class NetLeftInTraining(PlainNet):
    def predict(self, inputs):
        self.net[3].eval()  # dropout off: only batch norm is left as it was
        with torch.no_grad():
            return Prediction(self.net(self.tensor(inputs)).numpy())


class StandardisedByTheTestClips(Plain):
    def predict(self, inputs):
        found = inputs["flow"].batch().mean(axis=(1, 2))
        return Prediction((found - found.mean(axis=0)) / (found.std(axis=0) + 1))


class LabelsByRank(Plain):
    def predict(self, inputs):
        found = super().predict(inputs).scores
        return Prediction(found, np.full(inputs.clips, int(inputs.clips > 1)))


class LabelsOnlyInBatches(Plain):
    def predict(self, inputs):
        found = super().predict(inputs).scores
        return Prediction(found, (found.argmax(axis=1) + 1) % 3 if inputs.clips > 1 else None)


class LabelsOnlyAlone(Plain):
    def predict(self, inputs):
        found = super().predict(inputs).scores
        return Prediction(found, (found.argmax(axis=1) + 1) % 3 if inputs.clips == 1 else None)


class NewNoiseAtEachCall(Plain):
    def predict(self, inputs):
        return Prediction(np.random.random((inputs.clips, 3)))  # noqa: NPY002


def test_a_prediction_that_depends_on_the_batch_fails_the_fold(task):
    by_batch = [NetLeftInTraining, StandardisedByTheTestClips, LabelsByRank]
    for method in (*by_batch, LabelsOnlyInBatches, LabelsOnlyAlone, NewNoiseAtEachCall):
        found = run_fold(task(method), "samm/006")
        assert (found.failure.type, found.predictions) == ("PredictionError", None), method
        assert "depends on the other clips in the batch" in found.failure.message
    for method in by_batch:
        assert outcome(task(method, transductive=True)).predictions is not None
    assert outcome(task(PlainNet)).predictions is not None


def test_the_batch_may_change_scores_by_rounding_only(task):
    for shift, passes in ((5e-6, True), (2e-5, False)):

        class Shifted(Plain):
            def predict(self, inputs):
                return Prediction(super().predict(inputs).scores + shift * (inputs.clips > 1))  # noqa: B023

        assert (run_fold(task(Shifted), "samm/006").failure is None) is passes


def test_single_precision_of_large_scores_counts_as_rounding(task):
    """A linear net on raw pixels has scores in the thousands; their last digits depend on the size of the product."""

    class Linear(Plain):
        def fit(self, train, run):
            self.weights = run.rng("weights").standard_normal((28 * 28 * 3, 3)).astype(np.float32)

        def predict(self, inputs):
            return Prediction(inputs["flow"].batch().reshape(inputs.clips, -1).astype(np.float32) @ self.weights)

    for fold in FOLDS[:3]:
        found = outcome(task(Linear), fold)
        assert np.abs(scores(found.predictions)).max() > 1000


def test_a_prediction_may_work_in_place(task):
    class InPlace(Plain):
        def predict(self, inputs):
            values = inputs["flow"].batch()
            values //= 2
            return Prediction(values.mean(axis=(1, 2)) / 255)

    class Copying(Plain):
        def predict(self, inputs):
            return Prediction((inputs["flow"].batch() // 2).mean(axis=(1, 2)) / 255)

    class Training(InPlace):
        def fit(self, train, run):
            for epoch in range(1, 4):
                run.epoch_end(epoch, self)

    expected = outcome(task(Copying)).predictions
    for method, keep_epochs in ((InPlace, False), (Training, False), (Training, True)):
        found = run_fold(task(method, keep_epochs=keep_epochs), "samm/006")
        assert found.failure is None, found.failure.message
        pd.testing.assert_frame_equal(found.predictions, expected)


# --- predictions per epoch ------------------------------------------------------------------------------------------

STSTNET = METHODS.get("ststnet")


def short(**settings):
    return STSTNET.resolve("quick", {"epochs": "3", "batch_size": "16", **settings})


def kept_method(cls, kept):
    class Kept(cls):
        def fit(self, train, run):
            kept.append(self)
            super().fit(train, run)

    return Kept


def test_predictions_per_epoch_do_not_change_the_training(task):
    nets, found = [], []
    for keep_epochs in (False, True):
        method = kept_method(STSTNET.cls, nets)
        found.append(outcome(task(method, config=short(), keep_epochs=keep_epochs)))
    without, watched = found
    pd.testing.assert_frame_equal(without.predictions, watched.predictions, check_exact=True)
    states = [net.net.state_dict() for net in nets]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert without.epochs is None
    assert watched.epochs.shape == (3, CLIPS, 3)


def test_the_last_epochs_scores_are_the_recorded_ones(task):
    found = outcome(task(STSTNET.cls, config=short(), keep_epochs=True), "casme2/sub07")
    np.testing.assert_array_equal(found.epochs[-1], scores(found.predictions).astype(np.float32))
    assert not np.array_equal(found.epochs[0], found.epochs[1])


def test_each_epochs_scores_are_those_of_a_shorter_training(task):
    found = outcome(task(STSTNET.cls, config=short(), keep_epochs=True))
    for epochs in (1, 2):
        alone = outcome(task(STSTNET.cls, config=short(epochs=str(epochs))))
        np.testing.assert_array_equal(found.epochs[epochs - 1], scores(alone.predictions).astype(np.float32))


HELD = {
    "attribute": (lambda net: net, lambda held: held),
    "list": (lambda net: [net], lambda held: held[0]),
    "dict of dicts": (lambda net: {"main": {"net": net}}, lambda held: held["main"]["net"]),
    "other object": (lambda net: types.SimpleNamespace(net=net), lambda held: held.net),
}


@pytest.mark.parametrize("place", HELD)
def test_the_train_mode_is_restored_wherever_the_net_is_held(task, place):
    hold, reach = HELD[place]
    modes = []

    class Holding(PlainNet):
        @property
        def net(self):
            return reach(self.held)

        @net.setter
        def net(self, net):
            self.held = hold(net)

        def fit(self, train, run):
            def watched(epoch, method):
                stop = run.epoch_end(epoch, method)
                modes.append([module.training for module in self.net.modules()])
                return stop

            super().fit(train, dataclasses.replace(run, on_epoch=watched))

    without = outcome(task(Holding))
    modes.clear()
    watched = outcome(task(Holding, keep_epochs=True))
    assert np.array(modes).shape[0] == 3
    assert np.all(modes)
    pd.testing.assert_frame_equal(without.predictions, watched.predictions, check_exact=True)


def test_random_predictions_leave_the_draws_of_training_alone(task):
    class Drawing(Plain):
        def fit(self, train, run):
            self.drawn = np.zeros(3)
            for epoch in range(1, 6):
                self.drawn += [random.random(), np.random.random(), torch.rand(()).item()]  # noqa: NPY002
                run.epoch_end(epoch, self)

        def predict(self, inputs):
            random.random(), np.random.random(), torch.rand(3)  # noqa: NPY002
            return Prediction(np.tile(self.drawn, (inputs.clips, 1)))

    without = outcome(task(Drawing)).predictions
    watched = outcome(task(Drawing, keep_epochs=True))
    pd.testing.assert_frame_equal(without, watched.predictions, check_exact=True)
    assert watched.epochs.shape == (5, CLIPS, 3)


def test_a_method_without_epochs_has_none_to_keep(task):
    assert outcome(task(Plain, keep_epochs=True)).epochs is None


def test_an_epoch_reported_out_of_turn_is_named(task):
    class FromZero(Plain):
        def fit(self, train, run):
            run.epoch_end(0, self)

    failure = run_fold(task(FromZero, keep_epochs=True), "samm/006").failure
    assert "epoch_end(0) called, expected epoch 1" in failure.message


# --- diagnostics ----------------------------------------------------------------------------------------------------


class Telling(Plain):
    """Tells of each clip what only this clip's image says."""

    def diagnose(self, inputs):
        means = inputs["flow"].batch().mean(axis=(1, 2))
        return {
            "feature/mean": means,
            "gate/mean": means[:, 0] / 255,
            "kept/0.5": inputs["flow"].batch()[:, :2, :3, 0] > 60,
            "au/12": means[:, 1],
            "face": inputs["flow"].batch()[:, :4, :4, 0],
        }


def diagnosed(task, fold="samm/006"):
    return outcome(dataclasses.replace(task, diagnose=True), fold).diagnostics


def rows_of(split, found, side):
    """Return the rows of the split that a side of the diagnostics names."""
    clips = split.clips.reset_index().set_index(IDENTITY)["index"]
    return clips.loc[list(zip(*(found[f"{side}/{column}"] for column in IDENTITY), strict=True))].tolist()


@pytest.mark.parametrize("fold", FOLDS[:2])
def test_diagnostics_are_recorded_with_their_clip(task, inputs, split, fold):
    found = diagnosed(task(Telling), fold)
    values = inputs["flow"].batch()
    means = values.mean(axis=(1, 2)).astype(np.float32)
    for side, expected in (("test", split.fold(fold).test), ("train", split.fold(fold).train)):
        rows = rows_of(split, found, side)
        assert rows == expected.tolist()  # sorted by identity, as the split is
        np.testing.assert_array_equal(found[f"{side}/feature/mean"], means[rows])
        assert found[f"{side}/truth"].tolist() == [CLASSES[label] for label in split.labels[rows]]
    rows = split.fold(fold).test
    np.testing.assert_allclose(found["test/gate/mean"], means[rows, 0] / 255, rtol=1e-6)
    np.testing.assert_array_equal(found["test/kept/0.5"], values[rows, :2, :3, 0] > 60)
    np.testing.assert_array_equal(found["test/au/12"], means[rows, 1])
    np.testing.assert_array_equal(found["test/face"], values[rows, :4, :4, 0])


def test_of_training_clips_only_features_are_kept(task):
    told = {"dataset", "subject", "clip", "aus", "truth"}
    found = diagnosed(task(Telling))
    arrays = {"feature/mean", "gate/mean", "kept/0.5", "au/12", "face"}
    assert set(found) == {f"train/{name}" for name in {*told, "feature/mean"}} | {f"test/{n}" for n in told | arrays}
    assert not any(values.dtype.hasobject for values in found.values())


def test_diagnostics_carry_the_action_units_of_the_clips(inputs):
    coded = table().assign(aus=[None if row % 3 else read_coding(f"{row + 1}+R12B") for row in range(TOTAL)])
    split = make_split(spec(), coded)
    found = diagnosed(FoldTask(Telling, MethodConfig(), split, inputs, 0))
    for side in ("test", "train"):
        expected = [str(read_coding(f"{row + 1}+R12B")) if row % 3 == 0 else "" for row in rows_of(split, found, side)]
        assert found[f"{side}/aus"].tolist() == expected
        assert found[f"{side}/aus"].dtype.kind == "U"


@pytest.mark.parametrize("admitted", [False, True])
def test_training_clips_are_diagnosed_as_test_clips_are(split, inputs, admitted):
    units = ArrayInput(ActionUnits(vocabulary=(1, 4)), np.zeros((TOTAL, 2)))
    asked = []

    class Looking(Telling):
        def diagnose(self, inputs):
            asked.append((inputs.clips, sorted(inputs.names())))
            return super().diagnose(inputs)

    both = Inputs({"flow": inputs["flow"], "units": units}, TOTAL)
    diagnosed(FoldTask(Looking, MethodConfig(), split, both, 0, au_labels_at_test=admitted))
    names = ["flow", "units"] if admitted else ["flow"]
    assert asked == [(CLIPS, names), (TOTAL - CLIPS, names)]


def test_a_method_is_diagnosed_after_its_test_when_asked(task):
    calls = []

    class Noting(Telling):
        def fit(self, train, run):
            calls.append("fit")

        def predict(self, inputs):
            calls.append("predict")
            return super().predict(inputs)

        def diagnose(self, inputs):
            calls.append("diagnose")
            return super().diagnose(inputs)

    found = outcome(task(Noting))
    assert (found.diagnostics, "diagnose" in calls, "diagnose" in found.seconds) == (None, False, False)
    calls.clear()
    found = outcome(task(Noting, diagnose=True))
    assert calls == ["fit", "predict", "predict", "diagnose", "diagnose"]  # the second time, a clip is asked for alone
    assert found.seconds["diagnose"] > 0


def test_diagnose_can_reach_no_identity_label_or_table(task):
    handed, fold = [], FOLDS[0]

    class Prying(Telling):
        def diagnose(self, inputs):
            handed.append((self, inputs, inputs["flow"]))
            return super().diagnose(inputs)

    diagnosed(task(Prying), fold)
    assert len(handed) == 2
    assert findings(handed, fold) == []


class TellingNet(PlainNet):
    """Leaves its net in training mode and draws at random while it tells."""

    def fit(self, train, run):
        super().fit(train, run)
        self.net.eval()
        self.rng = run.rng("own")

    def diagnose(self, inputs):
        self.net.train()
        return {"feature/noise": torch.rand(inputs.clips, 2).numpy() + self.rng.random((inputs.clips, 2))}


def test_a_diagnosed_method_predicts_the_same(task):
    methods = []
    plain, told = (
        outcome(task(kept_method(TellingNet, methods), keep_epochs=True, diagnose=diagnose))
        for diagnose in (False, True)
    )
    pd.testing.assert_frame_equal(plain.predictions, told.predictions, check_exact=True)
    np.testing.assert_array_equal(plain.epochs, told.epochs)
    assert told.diagnostics["test/feature/noise"].shape == (CLIPS, 2)
    assert not any(module.training for module in methods[1].net.modules())
    assert methods[0].rng.random() == methods[1].rng.random()


WRONG_DIAGNOSTICS = {
    "raises": (lambda told: 1 / 0, "ZeroDivisionError", "by zero"),
    "no dict": (lambda told: list(told), "PredictionError", "diagnose returned list"),
    "unknown name": (lambda told: {"gates/x": told["au/12"]}, "PredictionError", "diagnose returned 'gates/x'"),
    "one clip less": (lambda told: {"au/12": told["au/12"][1:]}, "PredictionError", "au/12 is float64 of shape (11,)"),
    "NaN": (lambda told: {"au/12": told["au/12"] * np.nan}, "PredictionError", "au/12 has NaN"),
}


def test_wrong_diagnostics_are_reported_and_predictions_kept(task):
    expected = outcome(task(Telling)).predictions
    for function, kind, message in WRONG_DIAGNOSTICS.values():

        class Wrong(Telling):
            def diagnose(self, inputs):
                return function(super().diagnose(inputs))  # noqa: B023

        found = run_fold(task(Wrong, diagnose=True), "samm/006")
        assert found.failure is None
        assert found.undiagnosed.startswith(f"{kind}: ")
        assert message in found.undiagnosed
        assert found.diagnostics is None
        pd.testing.assert_frame_equal(found.predictions, expected)


# --- the device -----------------------------------------------------------------------------------------------------


@pytest.fixture
def gpu(monkeypatch):
    """Let torch seem to have used a GPU, on which it holds more and more memory; give what is asked of it."""
    calls = []

    def held(device):
        calls.append(("read", device))
        return 3 * 2**20

    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_rng_state_all", list)
    monkeypatch.setattr(torch.cuda, "set_rng_state_all", lambda states: None)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: calls.append(("reset", device)))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", held)
    return calls


def noting_device(calls):
    class Noting(Plain):
        def fit(self, train, run):
            calls.append(("fit", run.device))

        def predict(self, inputs):
            calls.append(("predict", None))
            return super().predict(inputs)

    return Noting


def test_gpu_memory_is_counted_from_the_beginning_of_a_fold(task, gpu):
    found = outcome(task(noting_device(gpu), device="cuda:0"))
    told = [("reset", "cuda:0"), ("fit", "cuda:0"), ("predict", None), ("predict", None), ("read", "cuda:0")]
    assert gpu == told
    assert found.peak_gpu_memory_mb == 3.0


def test_a_failed_fold_keeps_its_gpu_memory_too(task, gpu):
    found = run_fold(task(Raises, device="cuda:0"), "samm/006")
    assert found.failure.type == "ZeroDivisionError"
    assert found.peak_gpu_memory_mb == 3.0


def test_a_fold_on_the_cpu_has_no_gpu_memory(task, gpu):
    assert outcome(task(noting_device(gpu))).peak_gpu_memory_mb is None
    assert [call for call in gpu if call[0] in ("reset", "read")] == []


def test_a_method_that_leaves_its_gpu_alone_has_no_gpu_memory(task):
    assert outcome(task(Plain, device="cuda:0")).peak_gpu_memory_mb is None


# --- random streams -------------------------------------------------------------------------------------------------


class FromTheRun(Plain):
    def fit(self, train, run):
        self.shift = run.rng("shift").random(3)

    def predict(self, inputs):
        return Prediction(super().predict(inputs).scores + self.shift)


class FromGlobals(FromTheRun):
    """Draws from every global generator, when built, when fitted, and differently often in each fold."""

    def __init__(self, config, problem):
        super().__init__(config, problem)
        self.first = np.random.default_rng(np.random.randint(2**31)).random()  # noqa: NPY002

    def fit(self, train, run):
        for _ in range(1 + len(train.subjects[0]) % 3):
            self.shift = np.array([random.random(), np.random.random() + self.first, torch.rand(()).item()])  # noqa: NPY002


RANDOM = {"run": (FromTheRun, None), "globals": (FromGlobals, None), "ststnet": (STSTNET.cls, short(epochs="2"))}


@pytest.mark.parametrize("name", RANDOM)
def test_predictions_depend_on_the_seed_and_on_nothing_else_run(task, name):
    method, config = RANDOM[name]
    folds = FOLDS[:3]
    forward = {fold: outcome(task(method, 3, config), fold).predictions for fold in folds}
    torch.rand(7), np.random.random(7), random.random()  # noqa: NPY002
    backward = {fold: outcome(task(method, 3, config), fold).predictions for fold in reversed(folds)}
    alone = {folds[1]: outcome(task(method, 3, config, keep_epochs=True), folds[1]).predictions}
    for again in (backward, alone):
        for fold, predictions in again.items():
            pd.testing.assert_frame_equal(predictions, forward[fold], check_exact=True)
    other = outcome(task(method, 4, config), folds[0]).predictions
    assert not np.array_equal(scores(other), scores(forward[folds[0]]))


@pytest.mark.parametrize("method", [FromTheRun, FromGlobals])
def test_folds_draw_differently(task, method):
    shifts = [
        scores(outcome(task(method), fold).predictions) - scores(outcome(task(Plain), fold).predictions)
        for fold in FOLDS
    ]
    assert len({round(float(shift[0, 0]), 9) for shift in shifts}) == len(FOLDS)


def test_streams_are_paired_between_methods_and_configurations(task):
    seeds, orders = [], []

    class Sized(MethodConfig):
        size: int = 1

    class One(Plain):
        def fit(self, train, run):
            seeds.append(run.seed)

        def predict(self, inputs):
            orders.append(inputs["flow"].batch().tobytes())
            return super().predict(inputs)

    class Two(One):
        Config = Sized

    for method, config in ((One, MethodConfig()), (Two, Sized(size=1)), (Two, Sized(size=2))):
        outcome(task(method, 5, config, transductive=True))
    assert len(seeds) == len(orders) == 3
    assert len(set(seeds)) == len(set(orders)) == 1


def test_seeds_and_orders_are_those_of_recorded_results(inputs, task):
    """Whoever changes them on purpose counts ``merbench.engine.CODE_VERSION`` up."""
    row_of = {clip.tobytes(): row for row, clip in enumerate(inputs["flow"].batch())}
    seen = {}

    class Noting(Plain):
        def fit(self, train, run):
            seen["seed"], seen["drawn"] = run.seed, np.random.random()  # noqa: NPY002

        def predict(self, inputs):
            seen.setdefault("order", [row_of[clip.tobytes()] for clip in inputs["flow"].batch()])
            return super().predict(inputs)

    outcome(task(Noting, seed=3), "samm/006")
    order = [25, 26, 27, 32, 35, 33, 29, 34, 31, 28, 24, 30]
    assert seen == {"seed": 803611222450718832, "drawn": 0.41108934964848554, "order": order}


def states():
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    return python, numpy[1].tolist(), numpy[2:], torch.get_rng_state().tolist()


class FailingAfterDraws(FromGlobals):
    def fit(self, train, run):
        super().fit(train, run)
        raise RuntimeError("no")


@pytest.mark.parametrize("method", [FromGlobals, FailingAfterDraws, PlainNet])
def test_global_generators_are_as_they_were_after_a_fold(task, method):
    before = states()
    assert (run_fold(task(method, keep_epochs=True), "samm/006").failure is None) is (method is not FailingAfterDraws)
    assert states() == before


@pytest.mark.parametrize("threads", [1, 2])
def test_a_fold_computes_with_its_number_of_threads(task, threads):
    counts = []

    class Counting(PlainNet):
        def fit(self, train, run):
            counts.append(torch.get_num_threads())
            super().fit(train, run)

        def predict(self, inputs):
            counts.append(torch.get_num_threads())
            return super().predict(inputs)

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        outcome(task(Counting, threads=threads))
        assert set(counts) == {threads}
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


LATE = """
import sys
import numpy as np, pandas as pd
from merbench.contracts.clips import clip_table
from merbench.contracts.inputs import Inputs
from merbench.contracts.methods import MethodConfig, Prediction
from merbench.contracts.protocols import ProtocolSpec
from merbench.engine.fold.folds import run_fold
from merbench.engine.fold.opening import FoldTask
from merbench.splits.split import make_split

class Late:
    Config = MethodConfig
    def __init__(self, config, problem): pass
    def fit(self, train, run):
        import torch  # what a lazy import in a library does
        self.shift, self.threads = torch.rand(3).tolist(), torch.get_num_threads()
    def predict(self, inputs):
        return Prediction(np.tile([*self.shift[:2], self.threads], (inputs.clips, 1)))

assert "torch" not in sys.modules
spec = ProtocolSpec(name="late", title="Toy", summary="A toy.", source={"text": "tests"}, classes=("a", "b", "c"),
                    datasets={"d": {"title": "Toy", "classes": {}}}, folds="leave-one-subject-out")
rows = pd.DataFrame({"dataset": "d", "subject": ["1", "2"], "clip": "x", "emotion": "a"})
task = FoldTask(Late, MethodConfig(), make_split(spec, clip_table(rows, "")), Inputs({}, 2), 0)
for time in range(2):
    found = run_fold(task, "d/1").predictions
    print(*found[["score_a", "score_b", "score_c"]].iloc[0])
"""


@pytest.mark.slow
def test_torch_imported_by_a_fold_is_seeded_in_that_fold_too():
    done = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True, check=True)
    first, second = (line.split() for line in done.stdout.splitlines())
    assert first[:2] == second[:2]
    assert first[2] == second[2] == "1.0"


# --- a method's mistakes --------------------------------------------------------------------------------------------


class Raises(Plain):
    def fit(self, train, run):
        self.deeper()

    def deeper(self):
        raise ZeroDivisionError("by zero, somewhere deep")


class RaisesWhenBuilt(Plain):
    def __init__(self, config, problem):
        raise ZeroDivisionError("by zero")


class RaisesUnprintable(Plain):
    def fit(self, train, run):
        raise FileNotFoundError("no such file: face\udcff.png")  # how Python writes a file name that is no UTF-8


class LeavesTheProgram(Plain):
    def fit(self, train, run):
        sys.exit("this library wants to end the program")


def answering(function):
    class Answering(Plain):
        def predict(self, inputs):
            return function(super().predict(inputs).scores)

    return Answering


def spoilt(value, row=0):
    def function(found):
        found[row, 1] = value
        return Prediction(found)

    return function


MISTAKES = {
    "raises in fit": (Raises, "ZeroDivisionError", "by zero, somewhere deep"),
    "raises when built": (RaisesWhenBuilt, "ZeroDivisionError", "by zero"),
    "unprintable": (RaisesUnprintable, "FileNotFoundError", "no such file"),
    "exits": (LeavesTheProgram, "SystemExit", "wants to end the program"),
    "too few clips": (answering(lambda s: Prediction(s[:-1])), "PredictionError", "expected (12, 3)"),
    "too few classes": (answering(lambda s: Prediction(s[:, :2])), "PredictionError", "expected (12, 3)"),
    "NaN": (answering(spoilt(np.nan)), "PredictionError", "1 of 12 clips have NaN"),
    "infinite": (answering(spoilt(np.inf, 5)), "PredictionError", "infinite"),
    "label above": (answering(lambda s: Prediction(s, np.full(len(s), 3))), "PredictionError", "labels must be 0..2"),
    "label below": (answering(lambda s: Prediction(s, np.full(len(s), -1))), "PredictionError", "labels must be 0..2"),
    "nothing": (answering(lambda s: None), "PredictionError", "expected a Prediction"),
    "bare array": (answering(lambda s: s), "PredictionError", "expected a Prediction"),
}


def test_a_methods_mistake_fails_its_fold_with_its_traceback(task):
    for method, kind, message in MISTAKES.values():
        found = run_fold(task(method), "samm/006")
        assert found.predictions is None
        assert found.epochs is None
        assert found.failure.type == kind
        assert message in found.failure.message
        assert "Traceback" in found.failure.traceback
        assert kind in found.failure.traceback
        assert (found.clips, found.train_clips) == (CLIPS, TOTAL - CLIPS)
        assert found.seconds["total"] > 0
    trace = run_fold(task(Raises), "samm/006").failure.traceback
    assert "in deeper" in trace
    assert "test_folds.py" in trace


def test_a_prediction_per_epoch_that_is_wrong_fails_the_fold(task):
    class Growing(Plain):
        def fit(self, train, run):
            self.fitted = False
            run.epoch_end(1, self)
            self.fitted = True

        def predict(self, inputs):
            found = super().predict(inputs).scores
            return Prediction(found if self.fitted else found * np.nan)

    assert run_fold(task(Growing), "samm/006").failure is None
    assert "NaN" in run_fold(task(Growing, keep_epochs=True), "samm/006").failure.message


@pytest.mark.parametrize("where", ["fit", "predict"])
def test_an_interrupt_by_the_user_passes_through(task, where):
    class Interrupted(Plain):
        pass

    def interrupt(self, *args):
        raise KeyboardInterrupt

    setattr(Interrupted, where, interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_fold(task(Interrupted), "samm/006")


def test_an_outcome_says_how_long_fit_and_predict_took(task):
    seconds = outcome(task(Plain)).seconds
    assert set(seconds) == {"fit", "predict", "total"}
    assert seconds["total"] >= seconds["fit"] + seconds["predict"]
