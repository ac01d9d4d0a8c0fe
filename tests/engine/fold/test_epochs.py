"""Predictions per epoch and diagnostics of a fold."""

import dataclasses
import random
import types

import numpy as np
import pandas as pd
import torch
from support.cases import each
from support.folds import (
    CLASSES,
    CLIPS,
    FOLDS,
    STSTNET,
    TOTAL,
    Plain,
    PlainNet,
    kept_method,
    outcome,
    scores,
    short,
    spec,
    table,
)
from support.prying import findings

from merbench.contracts.action_units import read_coding
from merbench.contracts.clips import IDENTITY
from merbench.contracts.inputs import ActionUnits, ArrayInput, Inputs
from merbench.contracts.methods import MethodConfig, Prediction
from merbench.engine.fold.folds import run_fold
from merbench.engine.fold.opening import FoldTask
from merbench.splits.split import make_split


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
    assert not np.array_equal(watched.epochs[0], watched.epochs[1])
    assert outcome(task(Plain, keep_epochs=True)).epochs is None  # a method without epochs has none to keep


def test_each_epochs_scores_are_those_of_a_shorter_training(task):
    found = outcome(task(STSTNET.cls, config=short(), keep_epochs=True))
    for epochs in (1, 2, 3):
        alone = outcome(task(STSTNET.cls, config=short(epochs=str(epochs))))
        np.testing.assert_array_equal(found.epochs[epochs - 1], scores(alone.predictions).astype(np.float32))


HELD = {
    "attribute": (lambda net: net, lambda held: held),
    "list": (lambda net: [net], lambda held: held[0]),
    "dict of dicts": (lambda net: {"main": {"net": net}}, lambda held: held["main"]["net"]),
    "other object": (lambda net: types.SimpleNamespace(net=net), lambda held: held.net),
}


def test_the_train_mode_is_restored_wherever_the_net_is_held(task):
    for place in each(HELD):
        hold, reach = HELD[place]
        modes = []

        class Holding(PlainNet):
            @property
            def net(self):
                return reach(self.held)  # noqa: B023

            @net.setter
            def net(self, net):
                self.held = hold(net)  # noqa: B023

            def fit(self, train, run):
                def watched(epoch, method):
                    stop = run.epoch_end(epoch, method)
                    modes.append([module.training for module in self.net.modules()])  # noqa: B023
                    return stop

                super().fit(train, dataclasses.replace(run, on_epoch=watched))  # noqa: B023

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


# --- diagnostics ----------------------------------------------------------------------------------------------------


class Telling(Plain):
    """Predict each clip from its own image only."""

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


def test_diagnostics_are_recorded_with_their_clip(task, inputs, split):
    for fold in each(FOLDS[:2]):
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
    told = {"dataset", "subject", "clip", "aus", "truth"}  # of training clips only features are kept
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


def test_training_clips_are_diagnosed_as_test_clips_are(split, inputs):
    for admitted in each([False, True]):
        units = ArrayInput(ActionUnits(vocabulary=(1, 4)), np.zeros((TOTAL, 2)))
        asked = []

        class Looking(Telling):
            def diagnose(self, inputs):
                asked.append((inputs.clips, sorted(inputs.names())))  # noqa: B023
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
