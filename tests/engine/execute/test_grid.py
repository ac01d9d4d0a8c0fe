"""The driver: every fold is run once, whatever fails or stops on the way, and the result is the same."""

import json
from dataclasses import replace

import numpy as np
import pytest
from support.cases import each
from support.grid import FOLDS, go, predictions, same, toy_plans, undisturbed

from merbench.contracts.errors import MerbenchError
from merbench.contracts.methods import Prediction
from merbench.engine.execute.jobs import Executor
from merbench.engine.execute.state import failures, run_state
from merbench.records.folder import DIAGNOSTICS, RunFolder
from merbench.records.read import read_run


def test_every_fold_is_run_once_and_a_second_call_runs_none(tmp_path, method):
    plans = toy_plans(method, seeds=(0, 1))
    states, watcher = go(plans, tmp_path)
    assert method.trained == FOLDS * 2
    assert watcher.started == [(0, 0, tuple(FOLDS)), (1, 0, tuple(FOLDS))]
    assert [outcome.fold for outcome in watcher.outcomes] == FOLDS * 2
    assert all(state.complete and state.recorded == tuple(FOLDS) and not state.pending for state in states)
    assert watcher.finished == states
    assert watcher.steps == [(2, 2)] * 12
    assert watcher.notes == watcher.waited == []
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    again, watcher = go(plans, tmp_path)
    assert len(method.trained) == 12
    assert all(state.complete and not state.pending for state in again)
    assert watcher.started == [(0, 6, ()), (1, 6, ())]
    assert watcher.notes == []
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == written
    for plan in plans:
        same(predictions(plan, tmp_path), undisturbed(plan))


def test_some_folds_first_and_the_rest_later_make_the_same_run(tmp_path, method):
    (plan,) = toy_plans(method)
    with pytest.raises(MerbenchError, match=r"unknown fold 'toy/g' \(did you mean 'toy/"):
        go([plan], tmp_path / "parts", ["toy/a", "toy/g"])
    state = run_state(plan, tmp_path / "parts")
    assert (state.recorded, state.pending, state.complete) == ((), tuple(FOLDS), False)
    assert (method.trained, list(tmp_path.iterdir())) == ([], [])  # looking and refusing write nothing
    (state,), _ = go([plan], tmp_path / "parts", ["toy/d", "toy/b"])
    assert method.trained == ["toy/b", "toy/d"]
    assert not state.complete
    assert read_run(tmp_path / "parts" / plan.run_id).folds == 2
    (state,), watcher = go([plan], tmp_path / "parts")
    assert method.trained == ["toy/b", "toy/d", "toy/a", "toy/c", "toy/e", "toy/f"]
    assert watcher.started == [(0, 2, ("toy/a", "toy/c", "toy/e", "toy/f"))]
    assert state.complete
    go([plan], tmp_path / "whole")
    files = [(tmp_path / name / plan.run_id / "predictions.parquet").read_bytes() for name in ("parts", "whole")]
    assert files[0] == files[1]


def test_redo_computes_again_what_is_asked_for(tmp_path, method):
    class Other(method):
        def predict(self, inputs):
            return Prediction(-super().predict(inputs).scores)

    class Failing(method):
        def predict(self, inputs):
            raise ValueError("not any more")

    (plan,), (other,), (broken,) = (toy_plans(one) for one in (method, Other, Failing))
    go([plan], tmp_path)
    (state,), _ = go([plan], tmp_path, ["toy/c"])
    assert (method.trained, state.recorded, state.complete) == (FOLDS, ("toy/c",), True)
    (state,), _ = go([plan], tmp_path, ["toy/c"], existing="redo")
    assert method.trained == [*FOLDS, "toy/c"]
    assert state.complete
    (state,), watcher = go([plan], tmp_path, existing="redo")
    assert method.trained == [*FOLDS, "toy/c", *FOLDS]
    assert watcher.started == [(0, 0, tuple(FOLDS))]
    go([other], tmp_path)
    same(predictions(plan, tmp_path), undisturbed(plan))  # the same key: the recorded run is kept
    go([other], tmp_path, existing="redo")
    same(predictions(plan, tmp_path), undisturbed(other))
    (state,), _ = go([broken], tmp_path, ["toy/c"], existing="redo")
    assert not state.complete
    run = read_run(tmp_path / plan.run_id)
    assert (run.folds, run.complete, list(run.failed)) == (5, False, ["toy/c"])
    assert "c" not in set(run.predictions.subject)


def test_epochs_asked_for_later_are_run_and_kept_once(tmp_path, method):
    (plan,), (watched,) = toy_plans(method), toy_plans(method, keep_epochs=True)
    go([plan], tmp_path)
    before = predictions(plan, tmp_path)
    assert not list(tmp_path.rglob("epochs.npz"))
    (state,), watcher = go([watched], tmp_path)
    assert watcher.started == [(0, 0, tuple(FOLDS))]
    assert state.complete
    same(predictions(plan, tmp_path), before)
    for fold in FOLDS:
        folder = RunFolder(tmp_path / plan.run_id).fold_path(fold)
        with np.load(folder / "epochs.npz", allow_pickle=False) as stored:
            assert stored["scores"].shape == (2, 3, 3)
            inside = before[before.subject == fold.split("/")[1]]
            last = inside[[f"score_{name}" for name in plan.file.outputs]].to_numpy(dtype=np.float32)
            np.testing.assert_array_equal(stored["scores"][-1], last)
    for again in (watched, plan):
        (state,), watcher = go([again], tmp_path)
        assert watcher.started == [(0, 6, ())]
        assert state.complete
    assert len(method.trained) == 12

    class Bare(method):  # a method without epochs is not run again for them
        def fit(self, train, run):
            self.trained.append("bare")
            self.weights = np.eye(3)

    (plan,) = toy_plans(Bare, keep_epochs=True)
    for _ in range(2):
        (state,), _ = go([plan], tmp_path / "bare")
        assert state.complete
    assert method.trained[12:] == ["bare"] * 6


@pytest.fixture
def telling(method):
    """Return a method with diagnostics, which fail if it is `broken`."""

    class Telling(method):
        broken = False

        def diagnose(self, inputs):
            if self.broken:
                raise ZeroDivisionError("in the middle of telling")
            return {"gate/only": self.predict(inputs).scores[:, 0] / 2 + 0.5}

    return Telling


def kept_beside(plan, runs):
    """Name the files of each fold that its record vouches for, predictions aside; all folds must have the same."""
    found = set()
    for fold in FOLDS:
        folder = RunFolder(runs / plan.run_id)
        record, _ = folder.read_fold(fold, plan.file)
        found.add(frozenset(record.checksums.keys() - {"predictions.parquet"}))
        assert (record.epochs, record.diagnostics) == tuple(
            f"{name}.npz" in record.checksums for name in ("epochs", "diagnostics")
        )
    (files,) = found
    return set(files)


def test_diagnostics_asked_for_later_are_run_and_kept_once(tmp_path, method, telling):
    (plan,), (asked,) = toy_plans(telling), toy_plans(telling, diagnose=True)
    go([plan], tmp_path)
    before, folder = predictions(plan, tmp_path), RunFolder(tmp_path / plan.run_id)
    assert kept_beside(plan, tmp_path) == set()
    assert run_state(asked, tmp_path).pending == tuple(FOLDS)
    (state,), _ = go([asked], tmp_path, ["toy/c"])  # of one fold alone
    assert state.complete
    assert method.trained[6:] == ["toy/c"]
    assert [fold for fold in FOLDS if folder.read_arrays(fold, plan.file, DIAGNOSTICS)] == ["toy/c"]
    (state,), watcher = go([asked], tmp_path)
    assert watcher.started == [(0, 1, tuple(fold for fold in FOLDS if fold != "toy/c"))]
    assert state.complete
    same(predictions(plan, tmp_path), before)
    assert kept_beside(plan, tmp_path) == {"diagnostics.npz"}
    for fold in FOLDS:
        found = folder.read_arrays(fold, plan.file, DIAGNOSTICS)
        inside = before[before.subject == fold.split("/")[1]]
        np.testing.assert_allclose(found["test/gate/only"], inside.score_negative / 2 + 0.5, rtol=1e-6)
        assert found["test/clip"].tolist() == inside["clip"].tolist()
    for again in (asked, plan):
        (state,), watcher = go([again], tmp_path)
        assert watcher.started == [(0, 6, ())]
    assert len(method.trained) == 12


def test_epochs_and_diagnostics_do_not_cost_each_other(tmp_path, method, telling):
    asked = {"keep_epochs": True}, {"diagnose": True}
    for first, second in each((asked, asked[::-1])):
        runs = tmp_path / min(first)
        (one,), (other,), (plan,) = (toy_plans(telling, **options) for options in (first, second, {}))
        go([one], runs)
        assert len(kept_beside(one, runs)) == 1
        go([other], runs)
        assert kept_beside(one, runs) == {"epochs.npz", "diagnostics.npz"}
        for again in (one, other):
            assert go([again], runs)[1].started == [(0, 6, ())]
        folder = RunFolder(runs / plan.run_id)
        (folder.path / "complete.json").unlink()
        (folder.fold_path("toy/c") / "predictions.parquet").unlink()  # a damaged fold gets them back
        (state,), watcher = go([plan], runs)
        assert (state.complete, watcher.started) == (True, [(0, 5, ("toy/c",))])
        assert kept_beside(one, runs) == {"epochs.npz", "diagnostics.npz"}
        go([plan], runs, existing="redo")
        assert kept_beside(plan, runs) == set()
        assert folder.read_arrays("toy/c", plan.file, DIAGNOSTICS) == {}
    assert len(method.trained) == 38


def test_failed_diagnostics_are_reported_and_cost_no_prediction(tmp_path, telling):
    (plan,), (asked,) = toy_plans(telling), toy_plans(telling, diagnose=True)
    telling.broken = True
    (state,), watcher = go([asked], tmp_path)
    assert (state.failed, state.complete) == ((), True)
    (told,) = state.damaged
    assert f"{len(FOLDS)} folds without diagnostics, but with valid predictions" in told
    assert "in the middle of telling" in told
    assert told in failures([asked], [state])
    same(predictions(plan, tmp_path), undisturbed(plan))
    assert len(watcher.outcomes) == len(FOLDS)
    telling.broken = False
    (state,), _ = go([asked], tmp_path)  # asked for again, they are made
    assert (state.damaged, state.complete) == ((), True)
    same(predictions(plan, tmp_path), undisturbed(plan))


def test_predictions_do_not_depend_on_the_order_of_runs(tmp_path, method):
    plans = toy_plans(method, seeds=(0, 1, 2))

    class Backwards(Executor):
        runs_at_once = 2

        def __call__(self, jobs, watcher):
            yield from super().__call__(jobs[::-1], watcher)

    go(plans, tmp_path / "forward")
    go(plans[::-1], tmp_path / "backward", executor=Backwards())
    for plan in plans:
        found = predictions(plan, tmp_path / "forward")
        same(found, undisturbed(plan))
        same(predictions(plan, tmp_path / "backward"), found)
    assert not predictions(plans[0], tmp_path / "forward").equals(predictions(plans[1], tmp_path / "forward"))


def test_a_run_with_packed_and_single_folds_is_flagged(tmp_path, method):
    class Packing(Executor):
        def __call__(self, jobs, observer):
            for size, (job, outcome) in zip(self.sizes, super().__call__(jobs, observer), strict=True):
                yield job, replace(outcome, packed=size)

    (plan,) = toy_plans(method)
    for sizes, mixed in (((4, 4, 4, 4, 3, 3), []), ((4, 4, 4, 4, 1, 1), ["packed folds"])):
        Packing.sizes = sizes
        go([plan], tmp_path / f"{len(mixed)}", executor=Packing())
        assert json.loads((tmp_path / f"{len(mixed)}" / plan.run_id / "complete.json").read_text())["mixed"] == mixed
