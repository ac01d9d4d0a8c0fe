"""Runs of a cheap method over six subjects, and what the driver reports of them."""

from dataclasses import replace
from functools import cache
from typing import ClassVar

import numpy as np
import pandas as pd

from merbench.contracts.methods import MethodConfig, Prediction
from merbench.engine.execute.grid import execute
from merbench.engine.plan.runs import Request, plan_runs
from merbench.records.read import read_run
from support.folds import outcome
from support.toy import prepared

SUBJECTS = "abcdef"
FOLDS = [f"toy/{subject}" for subject in SUBJECTS]


def toy_plans(method, seeds=(0,), subjects=SUBJECTS, keep_epochs=False, **options):
    """Plan runs of `method` under the name of stratified-random, whose card asks for the flow image."""
    changes = {"method": method, "config": method.Config(), **options}
    return [replace(plan, task=replace(plan.task, **changes)) for plan in _plans(seeds, subjects, keep_epochs)]


@cache
def _plans(seeds, subjects, keep_epochs):
    split = prepared(*(f"toy/{subject}" for subject in subjects))
    return plan_runs(Request.named(("stratified-random",), seeds=seeds, keep_epochs=keep_epochs), [split])


class Counted:
    """Predicts at random, and keeps a list of the folds that it is trained in."""

    Config = MethodConfig
    trained: ClassVar[list] = []

    def __init__(self, config, problem):
        pass

    def fit(self, train, run):
        (fold,) = set(FOLDS) - set(train.subjects)
        self.fold = fold
        self.trained.append(fold)
        self.weights = run.rng("weights").standard_normal((3, 3))
        for epoch in (1, 2):
            run.progress(epoch, 2)
            run.epoch_end(epoch, self)

    def predict(self, inputs):
        return Prediction(np.tanh(inputs["flow"].batch().mean(axis=(1, 2)) / 99 @ self.weights))


class Watcher:
    """Keeps all that the driver tells."""

    def __init__(self):
        self.notes, self.started, self.outcomes, self.finished, self.waited, self.steps = ([] for _ in range(6))
        self.note = self.notes.append

    def run_started(self, plan, recorded, pending):
        self.started.append((plan.task.seed, recorded, tuple(pending)))

    def working(self, workers):
        ((_, self.job, self.progress),) = [(at.worker, at.job, at.progress) for at in workers]

    def fold_finished(self, plan, outcome):
        assert (self.job.plan, self.job.fold) == (plan, outcome.fold)
        self.outcomes.append(outcome)
        self.steps.append((self.progress.done, self.progress.total))

    def run_finished(self, plan, state):
        self.finished.append(state)

    def waiting(self, plan):
        self.waited.append(plan.task.seed)


def go(plans, runs, *args, **options):
    watcher = Watcher()
    return execute(plans, runs, watcher, *args, **options), watcher


def predictions(plan, runs):
    """Return what tables read; it must be there whole."""
    run = read_run(runs / plan.run_id)
    assert run.problems == []
    assert run.mark is not None
    return run.predictions


def undisturbed(plan):
    """Return what the folds give, one after the other, without driver or records."""
    return pd.concat([outcome(plan.task, fold).predictions for fold in plan.file.folds], ignore_index=True)


def same(found, expected):
    pd.testing.assert_frame_equal(found, expected, check_exact=True, check_dtype=False)
