"""Folds that fail, folders that are not writable, interrupts, and other drivers on the same runs."""

import json
import os
import sys
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from support.cases import each
from support.grid import FOLDS, Watcher, go, predictions, same, toy_plans, undisturbed
from support.refusals import refusal

from merbench.contracts.methods import Prediction
from merbench.engine.execute.grid import execute
from merbench.engine.execute.state import failures, run_state
from merbench.records.folder import RunFolder
from merbench.records.read import read_run


def raises(scores):
    raise ZeroDivisionError("in the middle of it")


def test_every_kind_of_failure_is_recorded(tmp_path, method):
    for name, spoil, kind, message in each((
        ("raises", raises, "ZeroDivisionError", "in the middle of it"),
        ("batch", lambda scores: Prediction(scores / len(scores)), "PredictionError", "depends on the other clips"),
        ("exit", lambda scores: sys.exit("enough"), "SystemExit", "enough"),
    )):  # fmt: skip

        class Failing(method):
            spoiled = staticmethod(spoil)

            def predict(self, inputs):
                found = super().predict(inputs)
                return self.spoiled(found.scores) if self.fold == "toy/c" else found

        (plan,) = toy_plans(Failing)
        (state,), watcher = go([plan], tmp_path / name)
        assert (state.failed, state.pending, state.complete) == (("toy/c",), ("toy/c",), False)
        assert [outcome.fold for outcome in watcher.outcomes if outcome.failure] == ["toy/c"]
        folder = tmp_path / name / plan.run_id
        assert not (folder / "complete.json").exists()
        record = json.loads((folder / "folds/toy--c/record.json").read_text())
        assert (record["status"], record["failure"]["type"], record["checksums"]) == ("failed", kind, {})
        assert message in record["failure"]["message"]
        assert "Traceback" in record["failure"]["traceback"]
        run = read_run(folder)
        assert (run.folds, run.complete, list(run.failed)) == (5, False, ["toy/c"])
        assert set(run.predictions.subject) == set("abdef")


def test_a_failed_fold_is_tried_again_next_time(tmp_path, method):
    broken = {"toy/c"}

    class Failing(method):
        def predict(self, inputs):
            return super().predict(inputs) if self.fold not in broken else raises(None)

    (plan,) = toy_plans(Failing)
    for _ in range(2):
        (state,), _ = go([plan], tmp_path)
    assert method.trained == [*FOLDS, "toy/c"]
    assert failures([plan], [state]) == f"1 fold failed; {plan.run_id}: toy/c"
    many = [replace(plan, file=plan.file.model_copy(update={"run_id": f"run-{i}"})) for i in range(5)]
    assert failures(many, [state] * 5) == "5 folds failed; " + "; ".join(
        [*(f"run-{i}: toy/c" for i in range(3)), "and 2 more runs"]
    )
    broken.clear()
    looked_up = run_state(plan, tmp_path)
    assert (looked_up.failed, looked_up.pending) == (("toy/c",), ("toy/c",))
    (state,), watcher = go([plan], tmp_path)
    assert watcher.started == [(0, 5, ("toy/c",))]
    assert state.complete
    assert failures([plan], [state]) == ""
    same(predictions(plan, tmp_path), undisturbed(plan))


def test_an_interrupt_passes_through_and_keeps_the_records(tmp_path, method):
    class Interrupted(method):
        active = True

        def predict(self, inputs):
            if self.fold == "toy/d" and self.active:
                raise KeyboardInterrupt
            return super().predict(inputs)

    plans = toy_plans(Interrupted, seeds=(0, 1))
    with pytest.raises(KeyboardInterrupt):
        go(plans, tmp_path)
    assert method.trained == FOLDS[:4]
    state = run_state(plans[0], tmp_path)
    assert (state.recorded, state.pending, state.failed) == (tuple(FOLDS[:3]), tuple(FOLDS[3:]), ())
    Interrupted.active = False
    states, _ = go(plans, tmp_path)
    assert method.trained[4:] == FOLDS[3:] + FOLDS
    assert all(state.complete for state in states)
    same(predictions(plans[0], tmp_path), undisturbed(plans[0]))


def test_a_file_in_the_way_is_named_and_records_stay(tmp_path, method):
    (plan,) = toy_plans(method)
    blocked = {"": 6, "{run}": 6, "{run}/folds": 7, "{run}/folds/toy--c": 7, "{run}/predictions.parquet/x": 6}
    for number, (place, trainings) in enumerate(each(blocked.items())):
        method.trained.clear()
        runs = tmp_path / f"{number}" / "runs"
        where = runs / place.format(run=plan.run_id)
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_text("in the way")
        line = refusal(go, [plan], runs)
        assert "can't be written" in line
        assert str(runs) in line
        where.unlink()
        if place.endswith("/x"):
            where.parent.rmdir()
        (state,), _ = go([plan], runs)
        assert state.complete
        assert len(method.trained) == trainings
        same(predictions(plan, runs), undisturbed(plan))


@pytest.mark.skipif(sys.platform == "win32", reason="needs permissions as Unix has them")
def test_a_results_folder_that_is_not_writable_is_named(method):
    (plan,) = toy_plans(method)
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to other users
        runs, user = Path(name) / "runs", os.geteuid()
        runs.parent.chmod(0o555)
        try:
            if user == 0:  # who may write everywhere
                os.seteuid(65534)
            line = refusal(go, [plan], runs)
        finally:
            os.seteuid(user)
            runs.parent.chmod(0o755)
    assert "can't be written (Permission denied): choose a --results folder" in line
    assert str(runs) in line
    assert method.trained == []


@contextmanager
def meanwhile(work, *given):
    """Work in another thread until the block ends."""
    thread = threading.Thread(target=work, args=given)
    thread.start()
    yield
    thread.join()


class Releasing(Watcher):
    """Ends another's work on a run once the driver waits for it."""

    def __init__(self, release):
        super().__init__()
        self.release = release

    def waiting(self, plan):
        super().waiting(plan)
        self.release.set()


def test_a_run_that_another_process_holds_is_left_for_the_end(tmp_path, method):
    plans = toy_plans(method, seeds=(0, 1))
    held, release = threading.Event(), threading.Event()

    def hold():
        with RunFolder(tmp_path / plans[0].run_id).lock():
            held.set()
            release.wait(20)

    watcher = Releasing(release)
    with meanwhile(hold):
        assert held.wait(20)
        states = execute(plans, tmp_path, watcher)
    assert watcher.waited == [0]
    assert [started[0] for started in watcher.started] == [1, 0]
    assert all(state.complete for state in states)
    assert [state.recorded for state in states] == [tuple(FOLDS)] * 2


def test_folds_that_another_process_ran_are_not_run_again(tmp_path, method):
    for existing in each(("keep", "redo")):
        (plan,) = toy_plans(method)
        held, go_on = threading.Event(), threading.Event()

        class Holding(method):
            trained: ClassVar[list] = []
            events = held, go_on

            def fit(self, train, run):
                super().fit(train, run)
                self.events[0].set()
                assert self.events[1].wait(20)

        watcher = Releasing(go_on)
        with meanwhile(go, toy_plans(Holding), tmp_path / existing):
            assert held.wait(20)
            (state,) = execute([plan], tmp_path / existing, watcher, existing=existing)
        assert state.complete
        assert Holding.trained == FOLDS
        assert method.trained == []
        assert watcher.started == [(0, 6, ())]
