"""What crosses the boundary between methods and data: no identity, label or table of test clips."""

import functools
import types
from collections import OrderedDict

import numpy as np
import torch
from support.cases import each
from support.folds import CLIPS, FOLDS, TOTAL, auxiliary_data, flow, noting, outcome, spec, table
from support.prying import findings, prying, reachable

from merbench.contracts.inputs import ArrayInput, ClipFacts, Inputs
from merbench.contracts.methods import RunContext
from merbench.prepare.kinds.clip_facts import clip_facts, database_code
from merbench.splits.split import make_split


class Slots:
    __slots__ = ("hidden",)

    def __init__(self, hidden):
        self.hidden = hidden

    def method(self):
        return None


def closure(hidden):
    return lambda: hidden


def started(hidden):
    found = (hidden for _ in range(2))
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
    selections = [{"selection": "inner"}, {"selection": "inner-keep"}]
    for options in each([{}, {"keep_epochs": True}, {"transductive": True}, *selections]):
        for fold in FOLDS[::2]:
            handed = []
            outcome(task(prying(handed), **options), fold)
            assert len(handed) >= 3
            assert findings(handed, fold) == []


def test_facts_of_clips_reveal_the_database_and_nothing_else(task, split, inputs):
    fold, spec = FOLDS[3], ClipFacts(facts=("database",))
    both = Inputs({"flow": inputs["flow"], "facts": ArrayInput(spec, clip_facts(spec, split.clips))}, TOTAL)
    handed = []
    outcome(task(prying(handed), inputs=both), fold)
    tests = [item for each in handed for item in each if isinstance(item, Inputs)]
    assert findings(handed, fold) == []
    assert {code for test in tests for code in test["facts"].batch().ravel()} == {database_code(fold.split("/")[0])}


def arrays_in(*roots):
    return [item for item in reachable(*roots) if isinstance(item, np.ndarray)]


def test_test_clips_are_out_of_reach_while_training_without_leave(task, inputs, split):
    reached, given = [], []

    def pry(method, train, run):
        given.append(train.unlabelled)
        reached.append([values for values in arrays_in(method, train, run) if values.ndim == 4])

    for transductive in (False, True):
        outcome(task(noting(pry), transductive=transductive))
    secret = sorted(values.tobytes() for values in inputs["flow"].batch(split.fold("samm/006").test))
    assert [len(values) for values in reached[0]] == [TOTAL - CLIPS]
    assert not set(secret) & {clip.tobytes() for values in reached[0] for clip in values}
    assert given[0] is None
    assert sorted(values.tobytes() for values in given[1]["flow"].batch()) == secret


def test_labels_at_test_need_the_cards_disclosure(task, split, with_units):
    for disclosed in each([False, True]):
        fitted, tested = [], []

        def pry(_, train, run):
            of_test = [values for values in arrays_in(train, run) if values.shape == (CLIPS, 2)]
            fitted.extend([train.inputs["units"].batch(), sorted(train.unlabelled.names()), len(of_test)])  # noqa: B023

        method = noting(pry, lambda _, inputs: tested.append(sorted(inputs.names())))  # noqa: B023
        outcome(task(method, inputs=with_units, transductive=True, au_labels_at_test=disclosed))
        np.testing.assert_array_equal(fitted[0], with_units["units"].batch(split.fold("samm/006").train))
        assert tested[0] == fitted[1] == (["flow", "units"] if disclosed else ["flow"])
        assert fitted[2] == disclosed


def test_the_held_out_person_is_excluded_under_every_dataset(task):
    people = {"smic-vis": ("s06", "s07"), "smic-hs": ("s06", "s08"), "samm": ("s06",)}
    cameras = {"smic-hs": "smic", "smic-vis": "smic"}
    split = make_split(spec(people), table(people), same_people=cameras)
    handed = []
    method = noting(lambda _, train, run: handed.append(set(train.subjects)))
    for fold in split.folds:
        outcome(task(method, split=split, inputs=flow(len(split.clips), split.labels), same_people=cameras), fold.name)
    everyone = {f"{dataset}/{subject}" for dataset, subjects in people.items() for subject in subjects}
    both = {"smic-vis/s06", "smic-hs/s06"}
    seen = {fold.name: subjects for fold, subjects in zip(split.folds, handed, strict=True)}
    assert seen == {name: everyone - (both if name in both else {name}) for name in everyone}


def test_pretraining_clips_exclude_the_held_out_person(task):
    # s06 of HS and of VIS are one person, and no other database's 06
    people = {"smic-vis": ("s06", "s07"), "smic-hs": ("s06",), "samm": ("006", "008"), "other": ("s06",)}
    clips = table(people, clips=9)
    subjects = (clips.dataset + "/" + clips.subject).to_numpy(dtype=object)
    extra = auxiliary_data(clips, flow(len(clips), seed=8))
    aliases = {"smic-hs": "smic", "smic-vis": "smic", "smic-nir": "smic"}
    handed = []
    method = prying(handed)
    method.asked = ("extra",)
    for fold, absent in {
        "smic-hs/s06": {"smic-vis/s06", "smic-hs/s06"},
        "samm/006": {"samm/006"},
        "casme2/sub06": set(),
    }.items():
        handed.clear()
        outcome(task(method, auxiliary={"extra": extra}, same_people=aliases), fold)
        data = next(item for item in handed if not isinstance(item, tuple))
        kept = ~np.isin(subjects, sorted(absent))
        assert set(data.subjects) == set(subjects) - absent
        assert data.datasets.tolist() == [subject.split("/")[0] for subject in data.subjects]
        assert data.emotions.tolist() == clips.emotion[kept].tolist()
        assert data.inputs.clips == kept.sum()
        np.testing.assert_array_equal(data.inputs["flow"].batch(), extra.inputs["flow"].batch(np.flatnonzero(kept)))
        texts = [item for item in reachable(*handed) if isinstance(item, str)]
        assert not [text for text in texts for name in {*absent, fold} if name in text]
        lengths = {len(values) for values in arrays_in(*handed)}
        assert kept.sum() in lengths
        assert (len(clips) in lengths) is (not absent)


def test_training_annotations_are_shuffled_for_each_fold_and_seed(task, split, with_units, rows_of):
    def annotated(fold="samm/006", seed=0, shuffled=True):
        """Return whose annotations the training clips are given, and the recorded truth of the test clips."""
        handed = []
        method = noting(lambda _, train, run: handed.append(train))
        found = outcome(task(method, seed, inputs=with_units, shuffled=shuffled), fold)
        rows = (handed[0].inputs["units"].batch()[:, 0] / 2).astype(int)
        assert rows_of(handed[0].inputs) == sorted(rows) == split.fold(fold).train.tolist()  # pictures are their own
        np.testing.assert_array_equal(handed[0].labels, split.labels[rows])
        return rows, found.predictions["truth"].tolist()

    own, truth = annotated(shuffled=False)
    shuffled, same_truth = annotated()
    assert truth == same_truth
    np.testing.assert_array_equal(own, sorted(shuffled))
    assert (shuffled != own).mean() > 0.9
    np.testing.assert_array_equal(annotated()[0], shuffled)
    for options in each([{"seed": 1}, {"fold": FOLDS[0]}]):
        assert not np.array_equal(np.argsort(annotated(**options)[0]), np.argsort(shuffled))


def test_the_order_of_test_clips_is_random(task, split, rows_of):
    orders = []
    method = noting(predict=lambda _, inputs: orders.append(rows_of(inputs)))
    for seed in range(40):
        for fold in FOLDS:
            outcome(task(method, seed, transductive=True), fold)
    assert len(orders) == 240
    places = np.arange(CLIPS)
    identity = [np.corrcoef(places, order)[0, 1] for order in orders]
    label = [np.corrcoef(places, split.labels[order])[0, 1] for order in orders]
    # The correlation of a random order has mean 0 and a standard deviation of 0.3: 0.02 for the mean of 240.
    assert abs(np.mean(identity)) < 0.08
    assert abs(np.mean(label)) < 0.08
    assert np.std(identity) > 0.2
    assert len({tuple(np.argsort(order)) for order in orders}) == 240  # no two folds, no two seeds alike
