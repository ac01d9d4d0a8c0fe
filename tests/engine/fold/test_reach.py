"""What crosses the boundary between methods and data: no identity, label or table of test clips."""

import functools
import types
from collections import OrderedDict

import numpy as np
import torch
from support.cases import each
from support.folds import CLIPS, FOLDS, TOTAL, Plain, flow, outcome, spec, table
from support.prying import findings, prying, reachable

from merbench.contracts.inputs import ActionUnits, ArrayInput, ClipFacts, Inputs
from merbench.contracts.methods import MethodConfig, RunContext
from merbench.engine.fold.opening import FoldTask
from merbench.prepare.kinds.facts import clip_facts, database_code
from merbench.splits.split import make_split


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


def test_a_method_can_reach_no_identity_label_or_table(task):
    for options in each(
        ({}, {"keep_epochs": True}, {"transductive": True}, {"selection": "inner"}, {"selection": "inner-keep"})
    ):
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


def test_test_clips_are_out_of_reach_while_training_without_leave(task, inputs, split):
    reached, given = [], []

    class Prying(Plain):
        def fit(self, train, run):
            given.append(train.unlabelled)
            reached.append([i for i in reachable(self, train, run) if isinstance(i, np.ndarray) and i.ndim == 4])

    outcome(task(Prying))
    outcome(task(Prying, transductive=True))
    secret = sorted(values.tobytes() for values in inputs["flow"].batch(split.fold("samm/006").test))
    assert [len(values) for values in reached[0]] == [TOTAL - CLIPS]
    assert not set(secret) & {clip.tobytes() for values in reached[0] for clip in values}
    assert given[0] is None
    assert sorted(values.tobytes() for values in given[1]["flow"].batch()) == secret


def test_labels_at_test_need_the_cards_disclosure(split, inputs):
    for admitted in each([False, True]):
        units = ActionUnits(vocabulary=(1, 4))
        shown = np.arange(2.0 * TOTAL).reshape(TOTAL, 2)
        both = Inputs({"flow": inputs["flow"], "units": ArrayInput(units, shown)}, TOTAL)
        seen = {}

        class Looking(Plain):
            def fit(self, train, run):
                seen["train"] = train.inputs["units"].batch()  # noqa: B023
                seen["unlabelled"] = sorted(train.unlabelled.names())  # noqa: B023
                reached = [item for item in reachable(train, run) if isinstance(item, np.ndarray)]
                seen["reached"] = sum(item.shape == (CLIPS, 2) for item in reached)  # noqa: B023

            def predict(self, inputs):
                seen.setdefault("test", sorted(inputs.names()))  # noqa: B023
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
