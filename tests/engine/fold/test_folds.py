"""Clips, labels and predictions are joined rightly; what becomes of a method's mistakes."""

import sys

import numpy as np
import pandas as pd
import pytest
import torch
from support.cases import each
from support.folds import CLASSES, CLIPS, FOLDS, TOTAL, Plain, PlainNet, outcome, scores
from support.prying import reachable

from merbench.contracts.clips import IDENTITY
from merbench.contracts.methods import Prediction
from merbench.engine.fold.folds import run_fold

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
    """A linear net on raw pixels has scores in the thousands; their last digits depend on the size of the product."""
    for shift, passes in ((5e-6, True), (2e-5, False)):

        class Shifted(Plain):
            def predict(self, inputs):
                return Prediction(super().predict(inputs).scores + shift * (inputs.clips > 1))  # noqa: B023

        assert (run_fold(task(Shifted), "samm/006").failure is None) is passes

    class Linear(Plain):
        def fit(self, train, run):
            self.weights = run.rng("weights").standard_normal((28 * 28 * 3, 3)).astype(np.float32)

        def predict(self, inputs):
            return Prediction(inputs["flow"].batch().reshape(inputs.clips, -1).astype(np.float32) @ self.weights)

    assert np.abs(scores(outcome(task(Linear)).predictions)).max() > 1000


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
    found = run_fold(task(Raises, device="cuda:0"), "samm/006")
    assert (found.failure.type, found.peak_gpu_memory_mb) == ("ZeroDivisionError", 3.0)
    gpu.clear()
    assert outcome(task(noting_device(gpu))).peak_gpu_memory_mb is None
    assert [call for call in gpu if call[0] in ("reset", "read")] == []


def test_a_method_that_leaves_its_gpu_alone_has_no_gpu_memory(task):
    assert outcome(task(Plain, device="cuda:0")).peak_gpu_memory_mb is None


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


class AsksForWhatIsNotDeclared(Plain):
    def fit(self, train, run):
        run.auxiliary("smic")


class CountsFromZero(Plain):
    def fit(self, train, run):
        run.epoch_end(0, self)


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
    "undeclared": (AsksForWhatIsNotDeclared, "LookupError", "'smic' is not declared"),
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
    for method, kind, message in each(MISTAKES.values()):
        found = run_fold(task(method), "samm/006")
        assert (found.predictions, found.epochs) == (None, None)
        assert found.failure.type == kind
        assert message in found.failure.message
        assert kind in found.failure.traceback
        assert (found.clips, found.train_clips) == (CLIPS, TOTAL - CLIPS)
        assert found.seconds["total"] > 0
    trace = run_fold(task(Raises), "samm/006").failure.traceback
    assert "Traceback" in trace
    assert "in deeper" in trace


def test_a_wrong_prediction_per_epoch_fails_the_fold(task):
    class Growing(Plain):
        def fit(self, train, run):
            self.fitted = False
            run.epoch_end(1, self)
            self.fitted = True

        def predict(self, inputs):
            found = super().predict(inputs).scores
            return Prediction(found if self.fitted else found * np.nan)

    seconds = outcome(task(Growing)).seconds
    assert set(seconds) == {"fit", "predict", "total"}
    assert seconds["total"] >= seconds["fit"] + seconds["predict"]
    assert "NaN" in run_fold(task(Growing, keep_epochs=True), "samm/006").failure.message
    failure = run_fold(task(CountsFromZero, keep_epochs=True), "samm/006").failure
    assert "epoch_end(0) called, expected epoch 1" in failure.message


def test_an_interrupt_by_the_user_passes_through(task):
    for where in each(["fit", "predict"]):

        class Interrupted(Plain):
            pass

        def interrupt(self, *args):
            raise KeyboardInterrupt

        setattr(Interrupted, where, interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_fold(task(Interrupted), "samm/006")
