"""Clips, labels and predictions are joined rightly; what becomes of a method's mistakes."""

import numpy as np
import pandas as pd
import pytest
import torch
from support.cases import each
from support.folds import CLASSES, CLIPS, FOLDS, TOTAL, Plain, noting, outcome, scores
from support.nets import PlainNet
from support.prying import reachable

from merbench.contracts.clips import IDENTITY
from merbench.contracts.methods import Prediction
from merbench.engine.fold.folds import run_fold


def answering(function):
    class Answering(Plain):
        def predict(self, inputs):
            return function(super().predict(inputs).scores)

    return Answering


def raising(error):
    def deeper(*_):
        raise error

    return deeper


# --- what is joined with what ---------------------------------------------------------------------------------------


def test_labels_and_answers_are_joined_with_their_own_clips(task, inputs, split, rows_of):
    """An oracle that knows each image's label is right everywhere, with its own scores beside each clip."""

    class Oracle(Plain):
        def fit(self, train, run):
            rows = rows_of(train.inputs)
            clips = split.clips.iloc[rows]
            assert len(train) == len(set(rows)) == TOTAL - CLIPS
            assert train.labels.tolist() == split.labels[rows].tolist()
            assert train.subjects.tolist() == (clips.dataset + "/" + clips.subject).tolist()
            assert train.datasets.tolist() == clips.dataset.tolist()

        def predict(self, inputs):
            return Prediction(super().predict(inputs).scores, split.labels[rows_of(inputs)])

    parts = []
    for fold in FOLDS:
        found = outcome(task(Oracle), fold)
        assert (found.clips, found.train_clips) == (CLIPS, TOTAL - CLIPS)
        parts.append(found.predictions)
        assert set(parts[-1].dataset + "/" + parts[-1].subject) == {fold}
    found = pd.concat(parts).sort_values(IDENTITY, ignore_index=True)
    pd.testing.assert_frame_equal(found[IDENTITY], split.clips[IDENTITY])
    assert found.truth.tolist() == [CLASSES[label] for label in split.labels]
    assert found.predicted.tolist() == found.truth.tolist()
    np.testing.assert_array_equal(scores(found), inputs["flow"].batch().mean(axis=(1, 2)) / 255)


def test_a_method_changes_only_its_own_copies(task, inputs, split):
    def spoil(_, train, run):
        arrays = [item for item in reachable(train, run) if isinstance(item, np.ndarray) and item.flags.writeable]
        assert {array.dtype.kind for array in arrays} >= {"u", "i", "O"}
        for array in arrays:
            array[...] = 0

    before, labels = inputs["flow"].batch(), split.labels.copy()
    first = outcome(task(noting(spoil), transductive=True)).predictions
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


BY_BATCH = {
    "net left in training": NetLeftInTraining,
    "standardised": answering(lambda s: Prediction((s - s.mean(axis=0)) / (s.std(axis=0) + 1))),
    "labels by rank": answering(lambda s: Prediction(s, np.full(len(s), int(len(s) > 1)))),
}
INCONSISTENT = {
    "labels in batches": answering(lambda s: Prediction(s, (s.argmax(axis=1) + 1) % 3 if len(s) > 1 else None)),
    "labels alone": answering(lambda s: Prediction(s, (s.argmax(axis=1) + 1) % 3 if len(s) == 1 else None)),
    "new noise": answering(lambda s: Prediction(np.random.random(s.shape))),  # noqa: NPY002
}


def test_a_prediction_that_depends_on_the_batch_fails_the_fold(task):
    for _, method in each((BY_BATCH | INCONSISTENT).items()):
        found = run_fold(task(method), "samm/006")
        assert (found.failure.type, found.predictions) == ("PredictionError", None)
        assert "depends on the other clips in the batch" in found.failure.message
    for method in BY_BATCH.values():
        assert outcome(task(method, transductive=True)).predictions is not None
    assert outcome(task(PlainNet)).predictions is not None


def test_the_batch_may_change_scores_by_rounding_only(task):
    """A linear net on raw pixels has scores in the thousands; their last digits depend on the size of the product."""
    for shift, passes in ((5e-6, True), (2e-5, False)):
        shifted = answering(lambda s: Prediction(s + shift * (len(s) > 1)))  # noqa: B023
        assert (run_fold(task(shifted), "samm/006").failure is None) is passes

    weights = np.random.default_rng(1).standard_normal((28 * 28 * 3, 3)).astype(np.float32)

    class Linear(Plain):
        def predict(self, inputs):
            return Prediction(inputs["flow"].batch().reshape(inputs.clips, -1).astype(np.float32) @ weights)

    assert np.abs(scores(outcome(task(Linear)).predictions)).max() > 1000


def test_a_prediction_may_work_in_place(task, inputs, split):
    class InPlace(Plain):
        def fit(self, train, run):
            for epoch in range(1, 4):
                run.epoch_end(epoch, self)

        def predict(self, inputs):
            values = inputs["flow"].batch()
            values //= 2
            return Prediction(values.mean(axis=(1, 2)) / 255)

    expected = (inputs["flow"].batch(split.fold("samm/006").test) // 2).mean(axis=(1, 2)) / 255
    for keep_epochs in (False, True):
        found = outcome(task(InPlace, keep_epochs=keep_epochs))
        np.testing.assert_allclose(scores(found.predictions), expected)


# --- the device -----------------------------------------------------------------------------------------------------


def test_gpu_memory_is_counted_from_the_beginning_of_a_fold(task, monkeypatch):
    assert outcome(task(Plain, device="cuda:0")).peak_gpu_memory_mb is None  # the method left its GPU alone
    calls = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_rng_state_all", list)
    monkeypatch.setattr(torch.cuda, "set_rng_state_all", lambda states: None)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: calls.append(("reset", device)))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: calls.append(("read", device)) or 3 * 2**20)
    method = noting(lambda _, train, run: calls.append(("fit", run.device)), lambda *_: calls.append(("predict", None)))
    found = outcome(task(method, device="cuda:0"))
    assert calls == [("reset", "cuda:0"), ("fit", "cuda:0"), ("predict", None), ("predict", None), ("read", "cuda:0")]
    assert found.peak_gpu_memory_mb == 3.0
    found = run_fold(task(noting(raising(ZeroDivisionError())), device="cuda:0"), "samm/006")
    assert (found.failure.type, found.peak_gpu_memory_mb) == ("ZeroDivisionError", 3.0)
    calls.clear()
    assert outcome(task(method)).peak_gpu_memory_mb is None
    assert {name for name, _ in calls} == {"fit", "predict"}


# --- a method's mistakes --------------------------------------------------------------------------------------------


def spoilt(value, row=0):
    def function(found):
        found[row, 1] = value
        return Prediction(found)

    return answering(function)


EXITS = SystemExit("this library wants to end the program")
UNPRINTABLE = FileNotFoundError("no such file: face\udcff.png")  # how Python writes a file name that is not UTF-8
MISTAKES = {
    "raises in fit": (noting(raising(ZeroDivisionError("deep"))), "ZeroDivisionError", "deep"),
    "raises when built": (type("Unbuilt", (Plain,), {"__init__": raising(OSError("deep"))}), "OSError", "deep"),
    "unprintable": (noting(raising(UNPRINTABLE)), "FileNotFoundError", "no such file"),
    "undeclared": (noting(lambda _, train, run: run.auxiliary("smic")), "LookupError", "'smic' is not declared"),
    "exits": (noting(raising(EXITS)), "SystemExit", "wants to end the program"),
    "too few clips": (answering(lambda s: Prediction(s[:-1])), "PredictionError", "expected (12, 3)"),
    "too few classes": (answering(lambda s: Prediction(s[:, :2])), "PredictionError", "expected (12, 3)"),
    "NaN": (spoilt(np.nan), "PredictionError", "1 of 12 clips have NaN"),
    "infinite": (spoilt(np.inf, 5), "PredictionError", "infinite"),
    "label above": (answering(lambda s: Prediction(s, np.full(len(s), 3))), "PredictionError", "labels must be 0..2"),
    "label below": (answering(lambda s: Prediction(s, np.full(len(s), -1))), "PredictionError", "labels must be 0..2"),
    "nothing": (answering(lambda s: None), "PredictionError", "expected a Prediction"),
    "bare array": (answering(lambda s: s), "PredictionError", "expected a Prediction"),
}


def test_a_methods_mistake_fails_its_fold_with_its_traceback(task):
    for _, (method, kind, message) in each(MISTAKES.items()):
        found = run_fold(task(method), "samm/006")
        assert (found.predictions, found.epochs) == (None, None)
        assert found.failure.type == kind
        assert message in found.failure.message
        assert kind in found.failure.traceback
        assert ("in deeper" in found.failure.traceback) is (kind not in ("PredictionError", "LookupError"))
        assert (found.clips, found.train_clips) == (CLIPS, TOTAL - CLIPS)
        assert found.seconds["total"] > 0


def test_a_wrong_prediction_per_epoch_fails_the_fold(task):
    class Growing(Plain):
        def fit(self, train, run):
            self.factor = np.nan
            run.epoch_end(1, self)
            self.factor = 1

        def predict(self, inputs):
            return Prediction(super().predict(inputs).scores * self.factor)

    seconds = outcome(task(Growing)).seconds
    assert set(seconds) == {"fit", "predict", "total"}
    assert seconds["total"] >= seconds["fit"] + seconds["predict"]
    from_zero = noting(lambda method, _, run: run.epoch_end(0, method))
    for method, message in ((Growing, "NaN"), (from_zero, "epoch_end(0) called, expected epoch 1")):
        assert message in run_fold(task(method, keep_epochs=True), "samm/006").failure.message


def test_an_interrupt_by_the_user_passes_through(task):
    for where in each(["fit", "predict"]):
        with pytest.raises(KeyboardInterrupt):
            run_fold(task(noting(**{where: raising(KeyboardInterrupt())})), "samm/006")
