"""Predictions per epoch and diagnostics of a fold."""

import random

import numpy as np
import pandas as pd
import torch
from support.cases import each
from support.folds import CLASSES, CLIPS, FOLDS, TOTAL, Plain, noting, outcome, scores, spec, table
from support.nets import STSTNET, PlainNet, short
from support.prying import findings

from merbench.contracts.action_units import read_coding
from merbench.contracts.clips import IDENTITY
from merbench.contracts.methods import Prediction
from merbench.engine.fold.folds import run_fold
from merbench.splits.split import make_split


def keeping(base, kept):
    return noting(lambda method, *_: kept.append(method), base=base)


class Drawing(Plain):
    """Draws from the global generators, in training and whenever it predicts."""

    def fit(self, train, run):
        self.drawn = np.zeros(3)
        for epoch in range(1, 4):
            self.drawn += [random.random(), np.random.random(), torch.rand(()).item()]  # noqa: NPY002
            run.epoch_end(epoch, self)

    def predict(self, inputs):
        random.random(), np.random.random(), torch.rand(3)  # noqa: NPY002
        return Prediction(np.tile(self.drawn, (inputs.clips, 1)))


def test_predictions_per_epoch_do_not_change_the_training(task):
    # `PlainNet` sets its mode once, at the start of its training.
    for base, config in each([(Drawing, None), (PlainNet, None), (STSTNET.cls, short())]):
        methods = []
        without, watched = (
            outcome(task(keeping(base, methods), config=config, keep_epochs=keep)) for keep in (False, True)
        )
        pd.testing.assert_frame_equal(without.predictions, watched.predictions, check_exact=True)
        assert without.epochs is None
        assert watched.epochs.shape == (3, CLIPS, 3)
        assert not np.array_equal(watched.epochs[0], watched.epochs[1])
    states = [method.net.state_dict() for method in methods]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    for epochs in (1, 2, 3):  # each epoch's scores are those of a shorter training
        alone = outcome(task(STSTNET.cls, config=short(epochs=str(epochs))))
        np.testing.assert_array_equal(watched.epochs[epochs - 1], scores(alone.predictions).astype(np.float32))
    assert outcome(task(Plain, keep_epochs=True)).epochs is None  # a method without epochs has none to keep


# --- diagnostics ----------------------------------------------------------------------------------------------------


def looked(inputs):
    """Return diagnostics of some clips, each of its own picture."""
    values = inputs["flow"].batch()
    means = values.mean(axis=(1, 2))
    of_test = {"gate/mean": means[:, 0] / 255, "kept/0.5": values[:, :2, :3, 0] > 60, "au/12": means[:, 1]}
    return {"feature/mean": means, **of_test, "face": values[:, :4, :4, 0]}


def diagnosing(change=lambda told: told, look=lambda *_: None, base=Plain):
    """Make a method with diagnostics, changed; `look` is shown the method and the clips."""

    class Diagnosing(base):
        def diagnose(self, inputs):
            look(self, inputs)
            return change(looked(inputs))

    return Diagnosing


def rows_named(split, found, side):
    """Return the rows of the split that a side of the diagnostics names."""
    clips = split.clips.reset_index().set_index(IDENTITY)["index"]
    return clips.loc[list(zip(*(found[f"{side}/{column}"] for column in IDENTITY), strict=True))].tolist()


def test_diagnostics_are_recorded_with_their_clip(task, inputs):
    codings = [None if row % 3 else read_coding(f"{row + 1}+R12B") for row in range(TOTAL)]
    split = make_split(spec(), table().assign(aus=codings))
    expected = looked(inputs)
    features = {"dataset", "subject", "clip", "aus", "truth", "feature/mean"}  # all that is kept of training clips
    for fold in each(FOLDS[:2]):
        found = outcome(task(diagnosing(), split=split, diagnose=True), fold).diagnostics
        for side, rows in (("test", split.fold(fold).test), ("train", split.fold(fold).train)):
            assert rows_named(split, found, side) == rows.tolist()  # sorted by identity, as the split is
            for name in expected if side == "test" else ["feature/mean"]:
                np.testing.assert_allclose(found[f"{side}/{name}"], expected[name][rows], rtol=1e-6)
            assert found[f"{side}/truth"].tolist() == [CLASSES[label] for label in split.labels[rows]]
            assert found[f"{side}/aus"].tolist() == [str(codings[row] or "") for row in rows]
            assert found[f"{side}/aus"].dtype.kind == "U"
        assert set(found) == {f"train/{name}" for name in features} | {f"test/{n}" for n in features | set(expected)}
        assert not any(values.dtype.hasobject for values in found.values())


def test_training_clips_are_diagnosed_as_test_clips_are(task, with_units):
    for disclosed in each([False, True]):
        asked = []
        method = diagnosing(look=lambda _, inputs: asked.append((inputs.clips, sorted(inputs.names()))))  # noqa: B023
        outcome(task(method, inputs=with_units, au_labels_at_test=disclosed, diagnose=True))
        names = ["flow", "units"] if disclosed else ["flow"]
        assert asked == [(CLIPS, names), (TOTAL - CLIPS, names)]


def test_a_method_is_diagnosed_after_its_test_when_asked(task):
    calls = []
    noted = noting(lambda *_: calls.append("fit"), lambda *_: calls.append("predict"))
    method = diagnosing(look=lambda *_: calls.append("diagnose"), base=noted)
    found = outcome(task(method))
    assert (found.diagnostics, "diagnose" in calls, "diagnose" in found.seconds) == (None, False, False)
    calls.clear()
    found = outcome(task(method, diagnose=True))
    assert calls == ["fit", "predict", "predict", "diagnose", "diagnose"]  # the second time, a clip is asked for alone
    assert found.seconds["diagnose"] > 0


def test_diagnose_can_reach_no_identity_label_or_table(task):
    handed, fold = [], FOLDS[0]
    outcome(task(diagnosing(look=lambda *given: handed.append((*given, given[1]["flow"]))), diagnose=True), fold)
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
        outcome(task(keeping(TellingNet, methods), keep_epochs=True, diagnose=diagnose)) for diagnose in (False, True)
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
    expected = outcome(task(Plain)).predictions
    for function, kind, message in WRONG_DIAGNOSTICS.values():
        found = run_fold(task(diagnosing(function), diagnose=True), "samm/006")
        assert (found.failure, found.diagnostics) == (None, None)
        assert found.undiagnosed.startswith(f"{kind}: ")
        assert message in found.undiagnosed
        pd.testing.assert_frame_equal(found.predictions, expected)
