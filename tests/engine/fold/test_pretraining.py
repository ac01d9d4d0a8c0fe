"""Pretraining on auxiliary data alone: once for all folds where no person is shared, in the fold where one is."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from support.cases import each
from support.folds import FOLDS, Plain, auxiliary_data, outcome, table

from merbench.contracts.errors import SetupError
from merbench.engine.fold.folds import run_fold

OTHERS = {"extra": ("x1", "x2"), "more": ("sub06",)}  # sub06 of another dataset is another person
SHARED = {"samm-lv": ("006", "007", "008"), "extra": ("x1",)}
ALIASES = {"samm-lv": "samm"}


def pretraining(log):
    class Pretraining(Plain):
        """Hands noise of its seed and what it saw on to every fold, whose predictions it changes."""

        fitted = None

        def pretrain(self, run):
            assert self.fitted is None
            data = run.auxiliary("extra")
            log.append(("pretrain", run.seed, sorted(set(data.subjects))))
            self.fitted = np.random.random()  # noqa: NPY002 - of the global generator
            return {"noise": run.rng("noise").random(3), "clips": np.array(len(data)), "none": np.zeros(0)}

        def fit(self, train, run):
            assert self.fitted is None
            self.fitted = np.random.random()  # noqa: NPY002
            self.given = run.pretrained
            log.append(("fit", run.seed, self.fitted, self.given["noise"].tolist()))
            for epoch in (1, 2):
                if run.epoch_end(epoch, self):
                    return

        def predict(self, inputs):
            return replace(super().predict(inputs), scores=super().predict(inputs).scores + self.given["noise"])

    return Pretraining


@pytest.fixture
def log():
    return []


@pytest.fixture
def pretrained_task(task, log, tmp_path):
    def make(people=OTHERS, method=None, **options):
        data = auxiliary_data(table(people, clips=5))
        kept = {"kept": tmp_path / "home" / "pretrained" / "toy", "same_people": ALIASES, "auxiliary": {"extra": data}}
        return task(method or pretraining(log), **kept | options)

    (tmp_path / "home").mkdir()
    return make


def files(tmp_path):
    return sorted(tmp_path.glob("home/pretrained/toy/*.safetensors"))


def test_pretraining_on_other_people_is_done_once_and_kept(pretrained_task, log, tmp_path):
    task = pretrained_task()
    first = outcome(task, FOLDS[0])
    (pretrained, fitted) = log
    assert pretrained[2] == ["extra/x1", "extra/x2", "more/sub06"]
    (kept,) = files(tmp_path)
    bytes_kept = kept.read_bytes()
    again = outcome(task, FOLDS[1])
    assert [entry[0] for entry in log] == ["pretrain", "fit", "fit"]  # found again
    assert log[2][3] == fitted[3]
    for damage in each(("remove", "cut", "change", "empty", "folder")):
        content = {"cut": bytes_kept[:-9], "change": bytes_kept[:-1] + b"!", "empty": b""}.get(damage)
        kept.unlink()
        if damage == "folder":
            [path.unlink() for path in kept.parent.iterdir()]
            kept.parent.rmdir()
        if content is not None:
            kept.write_bytes(content)
        log.clear()
        found = outcome(task, FOLDS[0])
        assert [entry[0] for entry in log] == ["pretrain", "fit"]
        assert log == [pretrained, fitted]
        pd.testing.assert_frame_equal(found.predictions, first.predictions)
        assert kept.read_bytes() == bytes_kept
    log.clear()
    pd.testing.assert_frame_equal(outcome(replace(task, kept=None), FOLDS[1]).predictions, again.predictions)
    assert [entry[0] for entry in log] == ["pretrain", "fit"]  # nowhere to keep it: the same, in every fold
    outcome(replace(task, seed=1), FOLDS[0])
    assert len(files(tmp_path)) == 2
    assert log[-2][1] != pretrained[1]


def test_pretraining_moves_no_random_number_of_the_fold(pretrained_task, task, log):
    """Neither where it is done, nor where it is found again, nor without it."""
    draws = []
    for chosen in (pretrained_task(), pretrained_task(SHARED)):
        for _ in range(2):
            outcome(chosen, FOLDS[0])
            draws.append(log.pop()[1:3])

    class Without(Plain):
        def fit(self, train, run):
            draws.append((run.seed, np.random.random()))  # noqa: NPY002

    outcome(task(Without), FOLDS[0])
    assert len(set(draws)) == 1


def test_shared_people_are_held_out_of_pretraining_in_every_fold(pretrained_task, log, tmp_path):
    everyone = {"samm-lv/006", "samm-lv/007", "samm-lv/008", "extra/x1"}
    seeds = set()
    for fold, absent in {"samm/006": {"samm-lv/006"}, "samm/007": {"samm-lv/007"}, "smic-hs/s06": set()}.items():
        log.clear()
        outcome(pretrained_task(SHARED), fold)
        (_, seed, seen), (_, fold_seed, *_) = log
        assert set(seen) == everyone - absent
        assert seed == fold_seed
        seeds.add(seed)
    assert len(seeds) == 3
    assert files(tmp_path) == []


def test_people_held_out_to_select_an_epoch_are_held_out_of_pretraining(pretrained_task, log):
    for selection in each(("inner", "inner-keep")):
        for people, in_fold in ((SHARED, True), (OTHERS, False)):
            log.clear()
            found = outcome(pretrained_task(people, selection=selection), "casme2/sub06")
            assert found.inner.shape == (2,)
            seen = [set(entry[2]) for entry in log if entry[0] == "pretrain"]
            assert len(seen) == (2 if in_fold else 1 if selection == "inner" else 0)  # kept by the first
            if in_fold:
                assert len({"samm-lv/006", "samm-lv/007"} & seen[0]) == 1
                assert (seen[0] < seen[1]) if selection == "inner" else (seen[0] == seen[1])


def test_shuffled_labels_are_those_of_auxiliary_data_as_well(pretrained_task, log):
    seen = []

    class Looking(pretraining(log)):
        def fit(self, train, run):
            super().fit(train, run)
            seen.append(run.auxiliary("extra"))

    for shuffled in (False, True):
        outcome(pretrained_task(method=Looking, shuffled=shuffled), FOLDS[0])
    plain, mixed = seen
    assert plain.subjects.tolist() == mixed.subjects.tolist()
    assert plain.labels.tolist() != mixed.labels.tolist()
    assert sorted(plain.labels) == sorted(mixed.labels)
    words = np.array(["negative", "positive", "surprise"])
    assert mixed.emotions.tolist() == words[mixed.labels].tolist()
    np.testing.assert_array_equal(plain.inputs["flow"].batch(), mixed.inputs["flow"].batch())


def test_mistakes_in_pretraining_fail_the_fold(pretrained_task, log):
    def returning(result):
        return type("Returning", (Plain,), {"pretrain": lambda self, run: result})

    def changing(self, train, run):
        run.pretrained["noise"][0] = 5.0

    changed = type("Changing", (pretraining(log),), {"fit": changing})
    telling = type("Telling", (Plain,), {"pretrain": lambda self, run: run.epoch_end(1, self)})
    for method, kind, message in each((
        (returning([1]), "TypeError", "pretrain of Returning returned list, expected a dict of arrays"),
        (returning({1: np.zeros(2)}), "TypeError", "pretrain of Returning"),
        (returning({"a": np.array(["text"])}), "TypeError", "'a' of type <U4, expected numbers"),
        (telling, "ValueError", "pretrain of Telling called epoch_end(1): only fit reports epochs"),
        (changed, "ValueError", "read-only"),
    )):  # fmt: skip
        found = run_fold(pretrained_task(method=method), FOLDS[0])
        assert found.failure.type == kind
        assert message in found.failure.message


def test_a_home_that_cannot_be_written_is_named(pretrained_task, tmp_path):
    (tmp_path / "home" / "pretrained").write_text("not a folder")
    with pytest.raises(SetupError, match=r"can't be written.*MERBENCH_HOME"):
        run_fold(pretrained_task(), FOLDS[0])


def test_epochs_that_are_reported_twice_fail_the_fold(task):
    def twice(self, train, run):
        for epoch in (1, 2, 1):
            run.epoch_end(epoch, self)

    for options in each([{}, {"keep_epochs": True}, {"selection": "inner"}]):
        found = run_fold(task(type("Twice", (Plain,), {"fit": twice}), **options), FOLDS[0])
        assert "epoch_end(1) called, expected epoch 3" in found.failure.message
        assert "in the last phase of training only" in found.failure.message
